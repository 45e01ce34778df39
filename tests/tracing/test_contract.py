"""A trace is the attention that was used: values against the test's own softmax, images bit for bit.

Over pipelines, schedulers, batches and guidance; with passes of others between the pipeline's own.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image
from support.generating import NEGATIVE, OTHER, PROMPT, is_left_alone, make
from support.oracle import OraclePass, largest_error, oracle

import vxa
from vxa.attention.batches import ACCELERATOR_BYTES, CallBatch
from vxa.errors import RecordingError

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore:torch.meshgrid:UserWarning"
)

Call = Callable[[Any], torch.Tensor]
TOLERANCE = 1e-6  # of probabilities in float32, against float64


def sibling(kind: Any, pipeline: Any, **more: Any) -> Any:
    """Make another kind of pipeline of the same parts."""
    parts = {name: part for name, part in pipeline.components.items() if name != "image_encoder" or part}
    made = kind(**{**parts, **more}, requires_safety_checker=False)
    made.set_progress_bar_config(disable=True)
    return made


def check(
    pipeline: Any, call: Call, rows_of: Callable[[list[OraclePass]], Sequence[Sequence[tuple[int, int]]]]
) -> Any:
    """Check the images and maps of a call; `rows_of` has each image's own (pass, row) of every step."""
    plain = call(pipeline)
    with oracle(pipeline) as passes, vxa.trace(pipeline) as trace:
        assert torch.equal(call(pipeline), plain)
    expected = rows_of(passes)
    assert len(trace.maps) == len(expected)
    for maps, own in zip(trace.maps, expected, strict=True):
        used = [passes[number] for number, _ in own]
        assert largest_error(maps, used, [row for _, row in own]) < TOLERANCE
    assert is_left_alone(pipeline)
    return trace


def all_passes(passes: list[OraclePass], groups: int = 2, group: int = 1) -> list[list[tuple[int, int]]]:
    """Take every pass; its rows lie in equal groups, of which one is the prompt's."""
    images = len(passes[0].sample) // groups
    return [[(n, group * images + image) for n in range(len(passes))] for image in range(images)]


def image(size: tuple[int, int] = (8, 16)) -> Image.Image:
    return Image.linear_gradient("L").resize(size).convert("RGB")


SCHEDULERS: list[tuple[str, dict[str, Any]]] = [
    ("DDIMScheduler", {}),
    ("PNDMScheduler", {"skip_prk_steps": True}),
    ("EulerDiscreteScheduler", {"use_karras_sigmas": True}),
    ("HeunDiscreteScheduler", {}),
    ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    ("LCMScheduler", {}),
]


@pytest.mark.parametrize(("scheduler", "options"), SCHEDULERS, ids=[name for name, _ in SCHEDULERS])
@pytest.mark.parametrize(("count", "guidance"), [(1, 1.0), (2, 4.0)], ids=["one", "guided batch"])
def test_schedulers_batches_and_guidance(
    scheduler: str, options: dict[str, Any], count: int, guidance: float, pipeline: Any
) -> None:
    kind = getattr(diffusers, scheduler)
    pipeline.scheduler = kind.from_config(pipeline.scheduler.config, **options)
    prompts = [PROMPT, OTHER][:count]
    groups = 2 if guidance > 1 else 1
    check(
        pipeline,
        lambda p: make(p, prompts, num_images_per_prompt=count, guidance_scale=guidance),
        lambda passes: all_passes(passes, groups, groups - 1),
    )


@pytest.mark.parametrize("capacity", [2**13, ACCELERATOR_BYTES], ids=["often full", "a pass at once"])
def test_sites_that_are_computed_together(
    capacity: int, pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on an accelerator, also where a pass is settled by its step (the first one)."""
    monkeypatch.setattr("vxa.tracing.generation.CallBatch", partial(CallBatch, capacity=capacity))
    check(pipeline, lambda p: make(p, [PROMPT, OTHER], guidance_scale=4.0), all_passes)


@pytest.mark.parametrize("scheduler", ["DDIMScheduler", "PNDMScheduler", "HeunDiscreteScheduler"])
def test_an_image_to_image_call_counts_what_runs(scheduler: str, sd_pipeline: Any) -> None:
    sd_pipeline.scheduler = getattr(diffusers, scheduler).from_config(sd_pipeline.scheduler.config)
    pipeline = sibling(diffusers.StableDiffusionImg2ImgPipeline, sd_pipeline)
    seen: list[tuple[int, int]] = []

    def call(p: Any) -> torch.Tensor:
        generator = torch.Generator().manual_seed(1)
        made: torch.Tensor = p(
            PROMPT, image=image(), num_inference_steps=10, strength=0.4, guidance_scale=4.0,
            output_type="latent", generator=generator,
        ).images  # fmt: skip
        return made

    trace = check(pipeline, call, all_passes)
    assert trace.maps[0].provenance.notes == ()
    with vxa.trace(pipeline, on_step=lambda traced: seen.append((traced.step, traced.steps))):
        call(pipeline)
    steps = trace.calls[0].steps
    assert {step for step, _ in seen} == set(range(steps))
    assert steps == (10 if scheduler.startswith("PNDM") else 4)  # PNDM warms up with further entries


@pytest.mark.slow
def test_no_step_is_lost_where_timesteps_are_equal(sd_pipeline: Any) -> None:
    kind = diffusers.DPMSolverMultistepScheduler
    sd_pipeline.scheduler = kind.from_config(sd_pipeline.scheduler.config, use_karras_sigmas=True)
    sd_pipeline.set_progress_bar_config(disable=True)
    with vxa.trace(sd_pipeline, sites="mid", bins="each") as trace:
        make(sd_pipeline, num_inference_steps=100)
    assert len(set(sd_pipeline.scheduler.timesteps.tolist())) < 100
    assert [each.first for each in trace.maps[0].steps] == list(range(100))


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_a_mask_that_is_blended_in_after_each_step(strength: float, sd_pipeline: Any) -> None:
    pipeline = sibling(diffusers.StableDiffusionInpaintPipeline, sd_pipeline)
    mask = Image.new("L", (8, 16))
    mask.paste(255, (2, 4, 6, 12))
    check(
        pipeline,
        lambda p: make(p, [PROMPT, OTHER], image=image(), mask_image=mask, strength=strength),
        all_passes,
    )


@pytest.mark.parametrize(("guidance", "groups"), [(4.0, 3), (1.0, 2)])
def test_perturbed_attention_is_kept_apart(guidance: float, groups: int, sd_pipeline: Any) -> None:
    pag = sibling(diffusers.StableDiffusionPAGPipeline, sd_pipeline, pag_applied_layers=["mid"])
    trace = check(
        pag,
        lambda p: make(p, [PROMPT, OTHER], pag_scale=2.0, guidance_scale=guidance, num_images_per_prompt=2),
        lambda passes: all_passes(passes, groups, groups - 2),
    )
    assert "perturbed attention: 3" in trace.maps[0].provenance.notes[0]


@pytest.mark.slow
def test_gradient_passes_are_kept_apart(sd_pipeline: Any) -> None:
    """Attend-and-Excite runs the network on its prompt's row until a loss is low, then on both rows."""
    parts = {name: part for name, part in sd_pipeline.components.items() if name != "image_encoder"}
    pipeline = diffusers.StableDiffusionAttendAndExcitePipeline(**parts, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)

    def own(passes: list[OraclePass]) -> list[list[tuple[int, int]]]:
        return [[(n, 1) for n, one in enumerate(passes) if len(one.sample) == 2]]

    def call(p: Any) -> torch.Tensor:
        generator = torch.Generator().manual_seed(1)
        made: torch.Tensor = p(
            PROMPT, token_indices=[2], height=32, width=32, attn_res=(8, 8), num_inference_steps=3,
            max_iter_to_alter=2, thresholds={0: 0.05}, guidance_scale=4.0,
            output_type="latent", generator=generator,
        ).images  # fmt: skip
        return made

    trace = check(pipeline, call, own)
    assert trace.calls[0].passes == 3
    assert "no step of the sampler used" in trace.maps[0].provenance.notes[0]


@pytest.mark.slow
def test_a_second_reading_of_a_step_is_kept_apart(sd_pipeline: Any) -> None:
    """Self-attention guidance also runs the network again on a blurred latent."""
    pipeline = sibling(diffusers.StableDiffusionSAGPipeline, sd_pipeline)
    check(
        pipeline,
        lambda p: make(p, height=64, width=64, sag_scale=0.7),
        lambda passes: [[(n, 1) for n in range(0, len(passes), 2)]],
    )


@pytest.mark.slow
def test_crops_that_are_stepped_one_by_one_are_refused(sd_pipeline: Any) -> None:
    pipeline = sibling(diffusers.StableDiffusionPanoramaPipeline, sd_pipeline)
    for steps in (1, 2):
        with pytest.raises(RecordingError, match="several crops"), vxa.trace(pipeline, sites="mid"):
            make(pipeline, height=512, width=640, num_inference_steps=steps)
    assert is_left_alone(pipeline)


Callback = Callable[[Any, int, Any, dict[str, Any]], dict[str, Any]]
OTHERS = torch.randn(2, 4, 8, 4, generator=torch.Generator().manual_seed(9))


def after_the_step(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
    pipeline.unet(OTHERS, timestep, encoder_hidden_states=tensors["prompt_embeds"])
    return tensors


def before_the_next(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
    following = pipeline.scheduler.timesteps[step + 1 : step + 2]
    if len(following):
        pipeline.unet(OTHERS, following[0], encoder_hidden_states=tensors["prompt_embeds"])
    return tensors


def on_changed_latents(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
    before_the_next(pipeline, step, timestep, tensors)
    return tensors | {"latents": tensors["latents"] * 0.9 + 0.1 * OTHERS[:1]}


def of_another_prompt(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
    encoded, negative = pipeline.encode_prompt(OTHER, "cpu", 1, True)
    pipeline.unet(OTHERS, timestep, encoder_hidden_states=torch.cat([negative, encoded]))
    return tensors


def with_a_copied_scheduler(
    pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]
) -> dict[str, Any]:
    for copied in (copy.copy(pipeline.scheduler), copy.deepcopy(pipeline.scheduler)):
        copied.step(torch.zeros_like(tensors["latents"]), timestep, tensors["latents"])
    return tensors


@pytest.mark.parametrize(
    ("callback", "own"),
    [
        (after_the_step, (0, 2, 4)),
        (before_the_next, (0, 2, 4)),
        (on_changed_latents, (0, 2, 4)),
        (of_another_prompt, (0, 2, 4)),
        (with_a_copied_scheduler, (0, 1, 2)),
    ],
)
@pytest.mark.parametrize("scheduler", ["DDIMScheduler", "EulerDiscreteScheduler"])
def test_a_callbacks_own_passes_are_kept_apart(
    scheduler: str, callback: Callback, own: tuple[int, ...], sd_pipeline: Any
) -> None:
    if (scheduler, callback) == ("EulerDiscreteScheduler", with_a_copied_scheduler):
        pytest.skip("a copy of this scheduler is at the next step already")
    sd_pipeline.scheduler = getattr(diffusers, scheduler).from_config(sd_pipeline.scheduler.config)
    names = ["latents", "prompt_embeds"]
    check(
        sd_pipeline,
        lambda p: make(p, callback_on_step_end=callback, callback_on_step_end_tensor_inputs=names),
        lambda passes: [[(number, 1) for number in own]],
    )


def test_another_pipeline_on_the_same_network_is_not_traced(sd_pipeline: Any) -> None:
    twin = sibling(diffusers.StableDiffusionPipeline, sd_pipeline)
    twin.scheduler = copy.deepcopy(sd_pipeline.scheduler)
    shared = sibling(diffusers.StableDiffusionPipeline, sd_pipeline)

    def in_between(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        make(twin, num_inference_steps=3)
        return tensors

    def call(pipeline: Any) -> torch.Tensor:
        made = make(pipeline, callback_on_step_end=in_between)
        make(shared)
        return made

    check(sd_pipeline, call, lambda passes: [[(0, 1), (4, 1), (8, 1)]])


def own_loop(pipeline: Any, stepped: bool, nulls: int) -> torch.Tensor:
    """Denoise in a loop of one's own: the prompt's row and the other in forwards of their own.

    With `nulls`, the negative embedding is optimised at each step, as in null-text inversion.
    """
    with torch.no_grad():
        context, negative = pipeline.encode_prompt(PROMPT, "cpu", 1, True)[:2]
    scheduler = pipeline.scheduler
    scheduler.set_timesteps(3)
    latent = torch.randn(1, 4, 8, 4, generator=torch.Generator().manual_seed(1))
    for timestep in scheduler.timesteps:
        sample = scheduler.scale_model_input(latent, timestep)
        with torch.no_grad():
            own = pipeline.unet(sample, timestep, encoder_hidden_states=context).sample
        for _ in range(nulls):
            leaf = negative.clone().requires_grad_()
            loss = (pipeline.unet(sample, timestep, encoder_hidden_states=leaf).sample - own).square().mean()
            negative = leaf.detach() - 0.1 * torch.autograd.grad(loss, leaf)[0]
        with torch.no_grad():
            both = torch.cat([negative, context])
            other, own = pipeline.unet(torch.cat([sample] * 2), timestep, encoder_hidden_states=both).sample
            noise = (other + 4 * (own - other))[None]
            latent = scheduler.step(noise, timestep, latent).prev_sample if stepped else latent - 0.1 * noise
    return latent


@pytest.mark.parametrize("stepped", [True, False], ids=["stepped", "not stepped"])
@pytest.mark.parametrize("nulls", [0, 2])
def test_loops_of_ones_own(stepped: bool, nulls: int, sd_pipeline: Any) -> None:
    check(
        sd_pipeline,
        lambda p: own_loop(p, stepped, nulls),
        lambda passes: [[(number, 0) for number in range(0, len(passes), 2 + nulls)]],
    )


def test_rows_at_different_timesteps_are_refused(sd_pipeline: Any) -> None:
    with vxa.trace(sd_pipeline) as trace, torch.no_grad():
        context = sd_pipeline.encode_prompt([PROMPT, OTHER], "cpu", 1, False)[0]
        sd_pipeline.scheduler.set_timesteps(3)
        sd_pipeline.unet(OTHERS, sd_pipeline.scheduler.timesteps[:2], encoder_hidden_states=context)
    with pytest.raises(RecordingError, match="the rows of one pass are at different timesteps"):
        _ = trace.maps


def test_the_steps_latents_at_another_scale_are_refused(sd_pipeline: Any) -> None:
    kind = diffusers.EulerDiscreteScheduler
    sd_pipeline.scheduler = kind.from_config(sd_pipeline.scheduler.config)

    def unscaled(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        following, latents = pipeline.scheduler.timesteps[step + 1], tensors["latents"]
        pipeline.unet(torch.cat([latents] * 2), following, encoder_hidden_states=tensors["prompt_embeds"])
        return tensors

    with pytest.raises(RecordingError, match="at two scales"), vxa.trace(sd_pipeline):
        make(
            sd_pipeline, callback_on_step_end=unscaled,
            callback_on_step_end_tensor_inputs=["latents", "prompt_embeds"],
        )  # fmt: skip


def test_one_prompts_embeddings_that_change_are_refused(sd_pipeline: Any) -> None:
    """Of two images the second one's embeddings are changed by a callback."""

    def change(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        embeddings = tensors["prompt_embeds"].clone()
        embeddings[-1] += 1
        return {"prompt_embeds": embeddings}

    with pytest.raises(RecordingError, match="cannot tell apart"), vxa.trace(sd_pipeline):
        make(
            sd_pipeline, [PROMPT, OTHER], callback_on_step_end=change,
            callback_on_step_end_tensor_inputs=["prompt_embeds"],
        )  # fmt: skip


def test_a_crop_stands_in_its_box(sd_pipeline: Any) -> None:
    """The network sees an enlarged crop of a larger image; its map is zero outside the crop."""
    pipeline = sibling(diffusers.StableDiffusionInpaintPipeline, sd_pipeline)
    mask = Image.new("L", (60, 40))
    mask.paste(255, (30, 8, 38, 16))
    boxes: list[tuple[int, ...]] = []
    processor = pipeline.mask_processor

    def call(p: Any) -> torch.Tensor:
        made = p(
            PROMPT, image=image((60, 40)), mask_image=mask, padding_mask_crop=4, height=32, width=32,
            num_inference_steps=2, guidance_scale=4.0, generator=torch.Generator().manual_seed(1),
        ).images[0]  # fmt: skip
        boxes.append(processor.get_crop_region(mask, 32, 32, pad=4))
        return torch.from_numpy(np.asarray(made).copy())

    trace = check(pipeline, call, all_passes)
    (maps,) = trace.maps
    left, top, right, bottom = boxes[0]
    assert maps.image_size == (40, 60)
    heat = maps.heat_map("hat", sites="all")
    values = heat.upsampled()
    inside = np.zeros_like(values, bool)
    inside[top:bottom, left:right] = True
    assert (values > 0).sum() == inside.sum() == (values[inside] > 0).sum()
    assert not heat.mask()[~inside].any()
    assert heat.upsampled(80, 120)[2 * top : 2 * bottom, 2 * left : 2 * right].min() > 0
    assert heat.upsampled(80, 120).astype(bool).sum() == 4 * inside.sum()


def test_the_second_call_without_a_crop_is_of_its_whole_image(sd_pipeline: Any) -> None:
    pipeline = sibling(diffusers.StableDiffusionInpaintPipeline, sd_pipeline)
    mask = Image.new("L", (8, 16), 255)
    with vxa.trace(pipeline) as trace:
        make(pipeline, image=image(), mask_image=mask, padding_mask_crop=1, output_type="pil")
        make(pipeline, image=image(), mask_image=mask)
    assert trace.maps[0].region is not None
    assert trace.maps[1].region is None


def test_negative_prompts_in_forwards_of_their_own(sd_pipeline: Any) -> None:
    def call(pipeline: Any) -> torch.Tensor:
        context, negative = pipeline.encode_prompt(PROMPT, "cpu", 1, True, NEGATIVE)[:2]
        pipeline.scheduler.set_timesteps(2)
        latent = OTHERS[:1]
        for timestep in pipeline.scheduler.timesteps:
            for each in (negative, context):
                noise = pipeline.unet(latent, timestep, encoder_hidden_states=each).sample
            latent = pipeline.scheduler.step(noise, timestep, latent).prev_sample
        return latent

    with torch.no_grad(), oracle(sd_pipeline) as passes, vxa.trace(sd_pipeline, negative=True) as trace:
        call(sd_pipeline)
    assert largest_error(trace.maps[0], passes[1::2], [0, 0]) < TOLERANCE
    assert largest_error(trace.negative_maps[0], passes[::2], [0, 0]) < TOLERANCE


def wider(pipeline: Any, channels: int) -> Any:
    """Make the pipeline's UNet anew, with more input channels."""
    torch.manual_seed(0)
    config = {**dict(pipeline.unet.config), "in_channels": channels}
    return diffusers.UNet2DConditionModel(**config).eval()


def test_an_inpainting_network_of_nine_channels(sd_pipeline: Any) -> None:
    network = wider(sd_pipeline, 9)
    pipeline = sibling(diffusers.StableDiffusionInpaintPipeline, sd_pipeline, unet=network)
    mask = Image.new("L", (8, 16), 255)
    check(pipeline, lambda p: make(p, [PROMPT, OTHER], image=image(), mask_image=mask), all_passes)


@pytest.mark.parametrize("guidance", [4.0, 1.0])
def test_an_editing_network_of_eight_channels(guidance: float, sd_pipeline: Any) -> None:
    """InstructPix2Pix puts the prompts first, and the negative prompts twice after them."""
    kind = diffusers.StableDiffusionInstructPix2PixPipeline
    pipeline = sibling(kind, sd_pipeline, unet=wider(sd_pipeline, 8))

    def call(p: Any) -> torch.Tensor:
        generator = torch.Generator().manual_seed(1)
        made: torch.Tensor = p(
            [PROMPT, OTHER], image=[image(), image()], num_inference_steps=3, guidance_scale=guidance,
            image_guidance_scale=1.5, output_type="latent", generator=generator,
        ).images  # fmt: skip
        return made

    check(pipeline, call, lambda passes: all_passes(passes, 3 if guidance > 1 else 1, 0))
    assert "_encode_prompt" not in vars(pipeline)


@pytest.mark.parametrize("name", ["EDMEulerScheduler", "EDMDPMSolverMultistepScheduler"])
def test_a_schedule_without_levels_of_noise(name: str, sdxl_pipeline: Any) -> None:
    sdxl_pipeline.scheduler = getattr(diffusers, name)()
    sdxl_pipeline.set_progress_bar_config(disable=True)
    trace = check(sdxl_pipeline, lambda p: make(p, num_inference_steps=4), all_passes)
    assert trace.calls[0].steps == 4


def test_a_pipeline_without_a_vae(sd_pipeline: Any) -> None:
    sd_pipeline.vae = None
    sd_pipeline.set_progress_bar_config(disable=True)
    trace = check(sd_pipeline, lambda p: make(p), all_passes)
    assert trace.maps[0].image_size == (16, 8)


@pytest.mark.parametrize("scheduler", ["DDIMScheduler", "EulerDiscreteScheduler"])
def test_images_of_one_prompt_in_forwards_of_their_own(scheduler: str, sd_pipeline: Any) -> None:
    """Their contexts are the same, so their latents tell them apart; the second image runs first."""
    sd_pipeline.scheduler = getattr(diffusers, scheduler).from_config(sd_pipeline.scheduler.config)

    def call(pipeline: Any) -> torch.Tensor:
        context = pipeline.encode_prompt(PROMPT, "cpu", 2, False)[0]
        pipeline.scheduler.set_timesteps(3)
        latents = OTHERS * pipeline.scheduler.init_noise_sigma
        for timestep in pipeline.scheduler.timesteps:
            sample = pipeline.scheduler.scale_model_input(latents, timestep)
            noise = torch.cat(
                [
                    pipeline.unet(sample[row : row + 1], timestep, encoder_hidden_states=context[:1]).sample
                    for row in (1, 0)
                ]
            ).flip(0)
            latents = pipeline.scheduler.step(noise, timestep, latents).prev_sample
        return latents

    with torch.no_grad():
        check(sd_pipeline, call, lambda passes: [[(n, 0) for n in range(first, 6, 2)] for first in (1, 0)])
