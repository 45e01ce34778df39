"""Previews: after the last pass they equal the generated latent, under several schedulers."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch

from vxa.generation.preview import clean_latent, previewing


def test_the_clean_latent_is_what_was_noised():
    clean, noise = torch.tensor([[2.0, -1.0]]), torch.tensor([[0.5, 3.0]])
    alpha = 0.36  # signal 0.6, noise 0.8
    noised = torch.tensor([[0.6 * 2 + 0.8 * 0.5, -0.6 + 0.8 * 3]])
    velocity = torch.tensor([[0.6 * 0.5 - 0.8 * 2, 0.6 * 3 + 0.8]])
    for prediction, kind in ((noise, "epsilon"), (velocity, "v_prediction"), (clean, "sample")):
        assert torch.allclose(clean_latent(noised, prediction, alpha, kind), clean, atol=1e-6)


# diffusers' Euler scheduler raises it under numpy 2.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize(
    "scheduler", ["DDIMScheduler", "EulerDiscreteScheduler", "DPMSolverMultistepScheduler"]
)
@pytest.mark.parametrize("guidance", [1.0, 5.0])
def test_the_last_pass_tells_the_image_that_is_made(sd_model: Any, scheduler: str, guidance: float):
    import diffusers

    kind = getattr(diffusers, scheduler)
    final = {"final_sigmas_type": "zero"} if scheduler.startswith("DPM") else {}
    sd_model.pipeline.scheduler = kind.from_config(sd_model.pipeline.scheduler.config, **final)
    with previewing(sd_model) as preview:
        made = sd_model.pipeline(
            "hat", num_inference_steps=4, guidance_scale=guidance, height=16, width=8, output_type="latent",
            generator=torch.Generator().manual_seed(0),
        ).images  # fmt: skip
        assert preview.latent is not None
        assert torch.allclose(preview.latent, made, atol=2e-3 * float(made.abs().max()))
        assert preview.image((16, 8)).size == (8, 16)
    assert not sd_model.network._forward_hooks


def test_a_preview_is_decoded_in_float32_where_half_precision_overflows(sd_model: Any):
    vae = sd_model.pipeline.vae.half()
    vae.register_to_config(force_upcast=True)
    decode, seen = vae.decode, []

    def spy(latent: torch.Tensor, **options: Any) -> Any:
        seen.append((latent.dtype, vae.dtype))
        return decode(latent, **options)

    vae.decode = spy
    with previewing(sd_model) as preview:
        sd_model.pipeline("hat", num_inference_steps=1, height=16, width=8, output_type="latent")
        assert preview.image((16, 8)).size == (8, 16)
    assert seen == [(torch.float32, torch.float32)]
    assert vae.dtype == torch.float16


def test_another_threads_passes_are_not_seen_and_nothing_is_left_of_an_error(sd_model: Any):
    def run() -> None:
        sd_model.pipeline("hat", num_inference_steps=1, height=16, width=8, output_type="latent")

    def fail() -> None:
        with previewing(sd_model) as preview:
            thread = threading.Thread(target=run)
            thread.start()
            thread.join(120)
            assert preview.latent is None
            run()
            assert preview.latent is not None
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not sd_model.network._forward_hooks


def test_a_schedule_without_levels_of_noise_ends_no_generation(sd_model: Any):
    import diffusers

    from vxa.errors import ModelError

    sd_model.pipeline.scheduler = diffusers.EDMEulerScheduler()
    with previewing(sd_model) as preview:
        sd_model.pipeline("hat", num_inference_steps=2, height=16, width=8, output_type="latent")
        with pytest.raises(ModelError):
            preview.image((16, 8))
