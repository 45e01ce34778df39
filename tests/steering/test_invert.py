"""Inversion: the scheduler's own steps and back, what each method makes again, and its file."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from support.generating import OTHER, PROMPT, is_left_alone, make

import vxa
from vxa.errors import (
    ImageError,
    ModelError,
    PromptError,
    SettingError,
    SteeringError,
    TrajectoryFileError,
)
from vxa.steering import FromTrajectory, PromptToPrompt, StyleAligned, Trajectory, null_text, steer
from vxa.steering.ddim import ddim_steps
from vxa.tracing.settings import INVERSION_METHODS

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

GIVEN: dict[str, Any] = {"steps": 3, "guidance": 4.0}


@pytest.fixture
def ddim(pipeline: Any) -> Any:
    """Both pipelines, SDXL's with the scheduler that inversion needs."""
    pipeline.scheduler = diffusers.DDIMScheduler.from_config(pipeline.scheduler.config, clip_sample=False)
    return pipeline


@pytest.fixture(autouse=True)
def _few_iterations(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let null-text search only where its result is looked at."""
    if "nearer" not in request.node.name:
        monkeypatch.setattr(null_text, "_ITERATIONS", 1)


def remade(pipeline: Any, trajectory: Trajectory, *controls: Any, **given: Any) -> torch.Tensor:
    """Generate latents from a trajectory, of its own prompt, and of another one where there are controls."""
    prompts = [trajectory.prompt, OTHER] if controls else [trajectory.prompt]
    size = [2 * side for side in trajectory.latent_size]
    with steer(pipeline, FromTrajectory(trajectory), *controls):
        return make(
            pipeline, prompts, negative_prompt=[""] * len(prompts), height=size[0], width=size[1],
            latents=trajectory.start.repeat(len(prompts), 1, 1, 1), **given,
        )  # fmt: skip


def error(made: torch.Tensor, trajectory: Trajectory) -> float:
    return float((made[0] - trajectory.latents[0]).abs().mean())


OPTIONS = [
    *itertools.product(
        ["leading", "trailing", "linspace"], [False, True], ["epsilon", "v_prediction", "sample"]
    )
]


@pytest.mark.parametrize(("spacing", "to_one", "kind"), OPTIONS)
def test_the_steps_are_the_schedulers_and_lead_back(spacing: str, to_one: bool, kind: str) -> None:
    scheduler = diffusers.DDIMScheduler(
        timestep_spacing=spacing, set_alpha_to_one=to_one, prediction_type=kind, clip_sample=False
    )
    steps = ddim_steps(scheduler, 7)
    scheduler.set_timesteps(7)
    assert [step.timestep for step in steps] == scheduler.timesteps.tolist()
    latent, prediction, none = torch.randn(1, 4, 3, 2), torch.randn(1, 4, 3, 2), torch.zeros(1, 4, 3, 2)
    for step in steps:
        own = scheduler.step(prediction, step.timestep, latent).prev_sample
        assert torch.allclose(step.down(latent, prediction), own, atol=1e-5)
        mean = scheduler.step(prediction, step.timestep, latent, eta=1.0, variance_noise=none).prev_sample
        assert torch.allclose(step.mean(latent, prediction), mean, atol=1e-5)
        if kind == "epsilon":
            assert torch.allclose(
                step.up(own, prediction, own), latent, atol=1e-3 * float(latent.abs().max())
            )


def test_a_step_back_ends_where_the_step_began_if_the_network_saw_it() -> None:
    """For a prediction of velocity, the one at the step's lower end is taken apart at its level."""
    scheduler = diffusers.DDIMScheduler(prediction_type="v_prediction", clip_sample=False)
    step = ddim_steps(scheduler, 2)[0]
    image, noise = torch.randn(1, 4, 3, 2), torch.randn(1, 4, 3, 2)
    signal, deviation = step.alpha**0.5, (1 - step.alpha) ** 0.5
    latent = signal * image + deviation * noise
    lower = step.down(latent, signal * noise - deviation * image)
    velocity_at_lower = (noise - deviation * lower) / signal  # what says the same noise of the lower latent
    assert torch.allclose(step.up(lower, velocity_at_lower, lower), latent, atol=1e-2)


@pytest.mark.parametrize("method", INVERSION_METHODS)
def test_a_trajectory_has_the_levels_of_the_pipelines_scheduler(
    method: str, ddim: Any, picture: Image.Image
) -> None:
    counted: list[int] = []
    scheduler = ddim.scheduler
    found = vxa.invert(ddim, picture, PROMPT, method=method, on_step=lambda: counted.append(1), **GIVEN)
    assert len(counted) == (6 if method == "null-text" else 3)
    assert ddim.scheduler is scheduler
    assert scheduler.num_inference_steps is None
    scheduler.set_timesteps(3)
    assert found.levels == tuple(scheduler.timesteps.tolist())
    assert [found.prompt, found.method, found.guidance, found.steps] == [PROMPT, method, 4.0, 3]
    assert found.latents.shape == (4, 4, 20, 12)
    assert found.latents.dtype == torch.float32
    pixels = torch.from_numpy(np.asarray(picture, np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
    assert torch.equal(found.latents[:1], vxa.load(ddim).encode_image(pixels))
    assert (found.contexts is not None) == (method == "null-text")
    assert (found.noises is not None) == (method == "edit-friendly")
    assert all(each.grad is None for each in ddim.unet.parameters())
    assert is_left_alone(ddim)


@pytest.mark.parametrize("guidance", [1.0, 4.0])
@pytest.mark.parametrize("method", ["direct", "edit-friendly"])
def test_the_image_is_made_again_exactly(
    method: str, guidance: float, ddim: Any, picture: Image.Image
) -> None:
    found = vxa.invert(ddim, picture, PROMPT, method=method, steps=3, guidance=guidance)
    assert error(remade(ddim, found, guidance_scale=guidance), found) < 1e-4
    both = remade(ddim, found, PromptToPrompt(), guidance_scale=guidance)
    assert error(both, found) < 1e-4
    assert not torch.allclose(both[1], both[0], atol=1e-2)


def test_null_text_is_nearer_than_its_ddim_and_ddim_than_noise(ddim: Any, picture: Image.Image) -> None:
    _strengthen(ddim)
    errors = {}
    for method in ("ddim", "null-text"):
        found = vxa.invert(ddim, picture, PROMPT, method=method, steps=3, guidance=7.5)
        errors[method] = error(remade(ddim, found, guidance_scale=7.5), found)
    assert errors["null-text"] < 0.95 * errors["ddim"]
    plain = make(ddim, PROMPT, guidance_scale=7.5, height=40, width=24)
    assert errors["ddim"] < error(plain, found)


def test_ddim_makes_the_image_again_where_the_prediction_does_not_change(
    ddim: Any, picture: Image.Image
) -> None:
    with torch.no_grad():
        ddim.unet.conv_out.weight.zero_()
    found = vxa.invert(ddim, picture, PROMPT, **GIVEN)
    assert error(remade(ddim, found), found) < 1e-4


def test_iterations_find_the_latent_that_the_step_leads_back_from(ddim: Any, picture: Image.Image) -> None:
    """Small weights make the prediction change slowly, as a trained network's does."""
    with torch.no_grad():
        ddim.unet.conv_out.weight.mul_(0.01)
    errors = []
    for count in (0, 2):
        found = vxa.invert(ddim, picture, PROMPT, steps=3, guidance=1, iterations=count)
        errors.append(error(remade(ddim, found, guidance_scale=1), found))
    assert errors[1] < 0.2 * errors[0]


def test_the_negative_rows_read_the_steps_context(sd_pipeline: Any, picture: Image.Image) -> None:
    """A negative context that is another text's gives what that negative prompt gives."""
    encode = vxa.load(sd_pipeline).encode_prompt
    found = vxa.invert(sd_pipeline, picture, PROMPT, **GIVEN)
    context = encode("and red", (0, 0)).context.detach().repeat(3, 1, 1)
    swapped = Trajectory(PROMPT, found.latents, found.levels, "null-text", 4.0, contexts=context)
    plain = make(sd_pipeline, PROMPT, negative_prompt="and red", latents=found.start, height=40, width=24)
    assert torch.allclose(remade(sd_pipeline, swapped), plain, atol=1e-4)
    assert not torch.allclose(remade(sd_pipeline, found), plain, atol=1e-2)


def test_a_long_prompt_is_inverted_and_made_again(sd_pipeline: Any, picture: Image.Image) -> None:
    long = "a red hat " * 40
    found = vxa.invert(sd_pipeline, picture, long, method="null-text", steps=2)
    assert found.contexts is not None
    assert found.contexts.shape == (2, 154, 16)
    made = vxa.generate(sd_pipeline, [long, PROMPT], steps=2, controls=[FromTrajectory(found)])
    assert [image.size for image in made.images] == [(24, 40)] * 2
    short = vxa.invert(sd_pipeline, picture, PROMPT, method="null-text", steps=2)
    vxa.generate(sd_pipeline, [PROMPT, long], steps=2, controls=[FromTrajectory(short)])


def test_every_picture_is_held_on_the_trajectory(sd_pipeline: Any, picture: Image.Image) -> None:
    found = vxa.invert(sd_pipeline, picture, PROMPT, **GIVEN)
    given: dict[str, Any] = {"steps": 3, "guidance": 4.0}
    prompts = [PROMPT, OTHER]
    for until, same in ((1.0, True), (0.4, False)):
        control = FromTrajectory(found, held_until=until)
        one, other = vxa.generate(sd_pipeline, prompts, controls=[control], **given).images
        assert (list(one.getdata()) == list(other.getdata())) == same


def test_the_style_is_that_of_the_real_image(sd_pipeline: Any, picture: Image.Image) -> None:
    """The reference begins from the trajectory and is pinned; the others begin from noise of their own."""
    found, starts = vxa.invert(sd_pipeline, picture, PROMPT, method="direct", **GIVEN), []

    class Started(FromTrajectory):
        def take_step(self, latents: Any, run: Any, step: Any) -> torch.Tensor:
            starts.append(step.latents.clone())
            return super().take_step(latents, run, step)

    given: dict[str, Any] = {"steps": 3, "guidance": 4.0, "seed": 5}
    made = vxa.generate(sd_pipeline, [PROMPT, OTHER], controls=[Started(found), StyleAligned()], **given)
    own = torch.randn(1, 4, 20, 12, generator=torch.Generator().manual_seed(6))
    assert torch.equal(starts[0], torch.cat([found.start, own]))
    again = vxa.generate(sd_pipeline, PROMPT, controls=[FromTrajectory(found)], **given)
    assert list(made.images[0].getdata()) == list(again.image.getdata())


def test_a_blend_keeps_the_real_image(sd_pipeline: Any, picture: Image.Image) -> None:
    """The pinned source is what the blend copies, whichever control comes first."""
    found = vxa.invert(sd_pipeline, picture, "a red hat", method="direct", **GIVEN)
    for controls in itertools.permutations(
        [FromTrajectory(found), PromptToPrompt(local_blend="hat", blend_threshold=1.0)]
    ):
        prompts = ["a red hat", "a red neck"]
        one, other = vxa.generate(sd_pipeline, prompts, controls=controls, **GIVEN).images
        assert list(one.getdata()) == list(other.getdata())


def test_seeds_draw_the_noise_of_edit_friendly(sd_pipeline: Any, picture: Image.Image) -> None:
    one, same, other = (
        vxa.invert(sd_pipeline, picture, PROMPT, method="edit-friendly", seed=seed, **GIVEN)
        for seed in (1, 1, 2)
    )
    assert torch.equal(one.latents, same.latents)
    assert not torch.equal(one.start, other.start)
    assert torch.equal(one.latents[0], other.latents[0])


def test_what_was_padded_is_cut_off(sd_pipeline: Any, picture: Image.Image) -> None:
    found = vxa.invert(sd_pipeline, picture.crop((0, 0, 21, 37)), PROMPT, method="direct", **GIVEN)
    made = vxa.generate(sd_pipeline, PROMPT, controls=[FromTrajectory(found)], **GIVEN)
    assert made.image.size == (24, 40)
    assert found.crop(made.image).size == (21, 37)
    with pytest.raises(SettingError, match=r"size 16x8 is not that of the latents .* 40x24"):
        vxa.generate(sd_pipeline, PROMPT, size="16x8", controls=[FromTrajectory(found)], **GIVEN)


@pytest.mark.parametrize("method", INVERSION_METHODS)
def test_a_file_is_the_trajectory(
    method: str, sd_pipeline: Any, picture: Image.Image, tmp_path: Path
) -> None:
    written = vxa.invert(sd_pipeline, picture.crop((0, 0, 21, 37)), PROMPT, method=method, **GIVEN)
    path = written.write(tmp_path / "hat.safetensors")
    read = Trajectory.read(path)
    for name in ("prompt", "levels", "method", "guidance", "extent"):
        assert getattr(read, name) == getattr(written, name)
    for name in ("latents", "contexts", "noises"):
        one, other = getattr(read, name), getattr(written, name)
        assert (one is None and other is None) or torch.equal(one, other)
    assert repr(read) == f"Trajectory('red hat, neck', {method}, 3 steps, 20x12)"
    assert torch.equal(FromTrajectory(path).start, written.start)  # type: ignore[arg-type]


HEADER: dict[str, Any] = {
    "format": "vxa-trajectory", "schema": 1, "prompt": "a hat", "levels": [501, 1], "method": "ddim",
    "guidance": 5.0, "extent": [1.0, 1.0],
}  # fmt: skip


@pytest.mark.parametrize(
    ("header", "latents", "message"),
    [
        ({"schema": 2}, torch.zeros(3, 4, 2, 2), "format is 'vxa-trajectory' of schema 2"),
        ({"format": "maps"}, torch.zeros(3, 4, 2, 2), "format is 'maps'"),
        ({"levels": [501]}, torch.zeros(3, 4, 2, 2), "not those of 1 steps"),
        ({"levels": ["501", "1"]}, torch.zeros(3, 4, 2, 2), "levels are not timesteps"),
        ({"prompt": 3}, torch.zeros(3, 4, 2, 2), "prompt is no text"),
        ({"extent": [0.0, 1.0]}, torch.zeros(3, 4, 2, 2), "extent is none"),
        ({}, torch.full((3, 4, 2, 2), float("nan")), "not finite numbers"),
        ({}, torch.zeros(3, 4, 2, 2).half(), "not finite numbers in float32"),
        ({"method": "magic"}, torch.zeros(3, 4, 2, 2), "method 'magic' is unknown"),
        ({"method": "null-text"}, torch.zeros(3, 4, 2, 2), "null-text has contexts"),
    ],
)
def test_a_foreign_file_is_refused(header: Any, latents: torch.Tensor, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    save_file({"latents": latents}, path, {"vxa": json.dumps(HEADER | header)})
    with pytest.raises(TrajectoryFileError, match=rf"cannot read the trajectory .*bad.*{message}"):
        Trajectory.read(path)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    for content in (b"", b"\x80\x04pickle", b"\xff" * 100):
        path.write_bytes(content)
        with pytest.raises(TrajectoryFileError, match="does not hold what VXA writes"):
            Trajectory.read(path)
    save_file({"latents": torch.zeros(3, 4, 2, 2)}, path)
    with pytest.raises(TrajectoryFileError, match="does not hold what VXA writes"):
        FromTrajectory(path)
    with pytest.raises(TrajectoryFileError, match="there is no file"):
        Trajectory.read(tmp_path / "none.safetensors")


@pytest.mark.parametrize(
    ("name", "message"), [("a.pt", "end the file name in"), ("b/a.safetensors", "no folder")]
)
def test_a_place_that_cannot_be_written_is_refused(name: str, message: str, tmp_path: Path) -> None:
    made = Trajectory("a hat", torch.zeros(2, 4, 2, 2), (1,), "ddim", 5.0)
    with pytest.raises(TrajectoryFileError, match=message):
        made.write(tmp_path / name)


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ({"method": "magic"}, SettingError, "method 'magic' is unknown; choose one of ddim, direct"),
        ({"steps": 0}, SettingError, "steps 0 is out of range"),
        ({"method": "null-text", "guidance": 1}, SettingError, "guidance 1 reads no negative prompt"),
        ({"method": "edit-friendly", "iterations": 2}, SettingError, "iterations 2 are of steps back"),
        ({"iterations": 21}, SettingError, "iterations 21 is out of range"),
        ({"prompt": " "}, PromptError, "has no words"),
        ({"image": "none.png"}, ImageError, "cannot read image"),
    ],
)
def test_bad_input_is_told(
    given: Any, kind: Any, message: str, sd_pipeline: Any, picture: Image.Image
) -> None:
    with pytest.raises(kind, match=message):
        vxa.invert(sd_pipeline, **{"image": picture, "prompt": PROMPT, **given})


def test_other_schedulers_are_refused(sd_pipeline: Any, picture: Image.Image) -> None:
    config = sd_pipeline.scheduler.config
    found = vxa.invert(sd_pipeline, picture, PROMPT, **GIVEN)
    clipping = diffusers.DDIMScheduler.from_config(config, clip_sample=True)
    for scheduler in (diffusers.EulerDiscreteScheduler.from_config(config), clipping):
        sd_pipeline.scheduler = scheduler
        with pytest.raises(
            ModelError, match=r"cannot follow an inversion; set pipeline.scheduler = diffusers.DDIM"
        ):
            vxa.invert(sd_pipeline, picture, PROMPT)
        with pytest.raises(ModelError, match="cannot follow an inversion"):
            remade(sd_pipeline, found)
        assert is_left_alone(sd_pipeline)
    sd_pipeline.scheduler = diffusers.DDIMScheduler.from_config(config, num_train_timesteps=10)
    with pytest.raises(ModelError, match="has 10 levels, too few for 20 steps"):
        vxa.invert(sd_pipeline, picture, PROMPT)


def test_a_generation_that_does_not_fit_is_refused(sd_pipeline: Any, picture: Image.Image) -> None:
    found = vxa.invert(sd_pipeline, picture, PROMPT, method="edit-friendly", **GIVEN)
    fitting: dict[str, Any] = {"prompt": PROMPT, **GIVEN}
    for given, message in (
        ({"steps": 2}, "steps of the generation is 2, .* is made for 3; give that"),
        ({"prompt": OTHER}, "first prompt of the generation is 'a neck', .* for 'red hat, neck'"),
        ({"guidance": 5.0}, "guidance of the generation is 5.0, .* edit-friendly .* for 4.0"),
        ({"negative": "hat"}, "negative prompt of the generation is 'hat'"),
    ):
        with pytest.raises(SteeringError, match=message):
            vxa.generate(sd_pipeline, **{**fitting, **given}, controls=[FromTrajectory(found)])
    for given, message in (
        ({}, "latent size of the generation is"),
        ({"height": 40, "width": 24}, r"did not begin from the .*; use vxa.generate, or give"),
    ):
        with pytest.raises(SteeringError, match=message), steer(sd_pipeline, FromTrajectory(found)):
            make(sd_pipeline, negative_prompt="", **given)
    sd_pipeline.scheduler = diffusers.DDIMScheduler.from_config(
        sd_pipeline.scheduler.config, timestep_spacing="trailing"
    )
    with pytest.raises(SteeringError, match="levels of the generation is"):
        remade(sd_pipeline, found)
    assert is_left_alone(sd_pipeline)


@pytest.mark.parametrize("given", ["", 3, None])
def test_a_control_without_a_trajectory_is_refused(given: Any) -> None:
    with pytest.raises(SettingError, match=r"is none; give what vxa.invert returned, or its file"):
        FromTrajectory(given)


def _strengthen(pipeline: Any) -> None:
    """Let the prompt matter to the network's prediction, as random weights of this size do not."""
    with torch.no_grad():
        for name, weight in pipeline.unet.named_parameters():
            if ".attn2.to_out.0.weight" in name or ".attn2.to_v" in name:
                weight.mul_(6)
