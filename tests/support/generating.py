"""Short generations of the tests' pipelines, and checks of what they leave behind."""

from __future__ import annotations

from typing import Any

import torch

from vxa.attention.recording import record
from vxa.models.diffusers import DiffusersModel

PROMPT, OTHER, NEGATIVE = "red hat, neck", "a neck", "and red"


def make(pipeline: Any, prompt: Any = PROMPT, **given: Any) -> torch.Tensor:
    """Generate the latents of a short generation, 16 rows by 8 columns of pixels."""
    settings = {
        "num_inference_steps": 3,
        "guidance_scale": 4.0,
        "height": 16,
        "width": 8,
        "output_type": "latent",
    }
    generator = torch.Generator().manual_seed(5)
    images: torch.Tensor = pipeline(prompt, **{"generator": generator} | settings | given).images
    return images


def hook_count(pipeline: Any) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in pipeline.unet.modules())


def is_left_alone(pipeline: Any) -> bool:
    wrapped = hasattr(pipeline.scheduler.step, "vxa_listeners") or "encode_prompt" in vars(pipeline)
    return hook_count(pipeline) == 0 and not wrapped


def single_pass_mean(pipeline: Any, prompt: str, row: int, **given: Any) -> dict[str, torch.Tensor]:
    """Return every token's map at each site, a mean over passes that are recorded one by one."""
    model = DiffusersModel(pipeline)
    cross = [site for site in model.sites if site.kind == "cross"]
    inputs: list[tuple[Any, Any]] = []
    handle = pipeline.unet.register_forward_pre_hook(
        lambda module, args, kwargs: inputs.append((args, kwargs)), with_kwargs=True
    )
    make(pipeline, prompt, **given)
    handle.remove()
    total: dict[str, torch.Tensor] = {}
    for args, kwargs in inputs:
        with (
            torch.no_grad(),
            record(pipeline.unet, cross, latent_size=args[0].shape[-2:], rows=(row,)) as seen,
        ):
            pipeline.unet(*args, **kwargs)
        for name, kept in seen.records().items():
            total[name] = total.get(name, 0) + kept.tokens(range(77)) / len(inputs)
    return total
