"""Controls beside what else changes a pipeline: LoRA, IP-Adapter, ControlNet, offloading, half precision.

Each time a control that hands calls on changes no bit, one that leaves a word out acts, and a
trace shows that nobody attended to it.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.generating import NEGATIVE, PROMPT, make
from support.ip_adapter import ip_adapter_weights
from support.offloading import offload_to_cpu
from support.steering import Nothing, Seen

import vxa
from vxa.steering import Ablate, PromptToPrompt, StyleAligned, steer

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def check(pipeline: Any, **given: Any) -> None:
    """Check a generation of this pipeline, plain and under controls."""
    plain = make(pipeline, **given)
    with steer(pipeline, Nothing()):
        assert torch.equal(make(pipeline, **given), plain)
    with vxa.trace(pipeline) as trace, steer(pipeline, Ablate(words="hat")):
        ablated = make(pipeline, **given)
    assert ablated.isfinite().all()
    assert not torch.equal(ablated, plain)
    assert float(trace.maps[0].heat_map("hat").values.max()) == 0
    assert torch.equal(make(pipeline, **given), plain)


def test_with_a_lora(sd_pipeline: Any) -> None:
    from peft import LoraConfig

    plain = make(sd_pipeline)
    config = LoraConfig(r=2, init_lora_weights=False, target_modules=["to_q", "to_k", "to_v"])
    sd_pipeline.unet.add_adapter(config, "style")
    assert not torch.equal(make(sd_pipeline), plain)
    check(sd_pipeline)


def test_with_an_ip_adapter_whose_products_are_left_alone(sd_pipeline: Any) -> None:
    sd_pipeline.unet._load_ip_adapter_weights([ip_adapter_weights(sd_pipeline.unet)])
    given = {"ip_adapter_image_embeds": [torch.randn(2, 1, 5)]}
    check(sd_pipeline, **given)
    seen = Seen()
    with steer(sd_pipeline, seen):
        make(sd_pipeline, **given)
    assert {call.key.shape[2] for call, _ in seen.calls if call.site.kind == "cross"} == {77}


def test_with_a_controlnet(sd_pipeline: Any) -> None:
    from diffusers import ControlNetModel, StableDiffusionControlNetPipeline

    control = ControlNetModel.from_unet(sd_pipeline.unet, conditioning_embedding_out_channels=(4, 8))
    parts = {**sd_pipeline.components, "controlnet": control.eval()}
    pipeline = StableDiffusionControlNetPipeline(**parts, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    check(pipeline, image=torch.rand(1, 3, 16, 8))


def test_from_an_image(sd_pipeline: Any) -> None:
    from diffusers import StableDiffusionImg2ImgPipeline

    pipeline = StableDiffusionImg2ImgPipeline(**sd_pipeline.components, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)

    def generate() -> torch.Tensor:
        generator = torch.Generator().manual_seed(5)
        found: torch.Tensor = pipeline(
            PROMPT, torch.rand(1, 3, 16, 8, generator=torch.Generator().manual_seed(1)), strength=0.6,
            num_inference_steps=5, generator=generator, output_type="latent",
        ).images  # fmt: skip
        return found

    plain = generate()
    seen = Seen()
    with steer(pipeline, seen):
        assert torch.equal(generate(), plain)
    assert {run.step for _, run in seen.calls} == {0, 1, 2}
    with steer(pipeline, Ablate(words="hat")):
        assert not torch.equal(generate(), plain)


@pytest.mark.parametrize("kind", ["model", "sequential"])
def test_offloaded(kind: str, sd_pipeline: Any) -> None:
    offload_to_cpu(sd_pipeline, kind)
    check(sd_pipeline)


@pytest.mark.parametrize("control", [PromptToPrompt(reweight={"red": 2}), StyleAligned(strength=2)])
def test_in_half_precision(control: Any, sd_pipeline: Any) -> None:
    sd_pipeline.to(dtype=torch.bfloat16)
    check(sd_pipeline)
    prompts, negatives = [PROMPT, "a red neck"], [NEGATIVE] * 2
    given = {"generator": [torch.Generator().manual_seed(n) for n in (1, 2)], "negative_prompt": negatives}
    with steer(sd_pipeline, control):
        steered = make(sd_pipeline, prompts, **given)
    assert steered.dtype == torch.bfloat16
    assert steered.isfinite().all()


def test_several_pictures_a_prompt(sd_pipeline: Any) -> None:
    generators = [torch.Generator().manual_seed(5) for _ in range(2)]
    with steer(sd_pipeline, StyleAligned()):
        make(sd_pipeline, PROMPT, num_images_per_prompt=2, generator=generators)


def test_a_long_prompt(sd_pipeline: Any) -> None:
    prompts = [" and ".join(["a red hat"] * 20), "a red neck"]
    made = vxa.generate(
        sd_pipeline, prompts, steps=2, size="16x8", trace=True, controls=[PromptToPrompt(cross_until=1)]
    )
    assert [len(maps.tokens) for maps in made.maps] == [154, 154]
