"""MultiDiffusion: one view is the plain picture, the average the paper's, and regions read their prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from support.generating import PROMPT, make
from support.steering import Nothing, make_steered

import vxa
from vxa.errors import RecordingError, SettingError, SteeringError
from vxa.steering import Control, MultiDiffusion, PromptToPrompt, Region, StyleAligned, steer
from vxa.steering.multi_diffusion import _views

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

WIDE: dict[str, Any] = {"height": 16, "width": 40}
LEFT, RIGHT = (0.0, 0.0, 1.0, 0.5), (0.0, 0.5, 1.0, 1.0)


class Views(Nothing):
    """Notes what the network is given, and what it gives, within MultiDiffusion."""

    def __init__(self) -> None:
        self.seen: list[tuple[torch.Tensor, Any, torch.Tensor]] = []

    def predict(self, sample: torch.Tensor, run: Any, predict: Any) -> torch.Tensor:
        prediction: torch.Tensor = predict(sample)
        self.seen.append((sample, run, prediction))
        return prediction


class Outer(Nothing):
    """Notes what MultiDiffusion gives."""

    def __init__(self) -> None:
        self.seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    def predict(self, sample: torch.Tensor, run: Any, predict: Any) -> torch.Tensor:
        prediction: torch.Tensor = predict(sample)
        self.seen.append((sample, prediction))
        return prediction


@pytest.mark.parametrize("given", [{}, {"size": 40}], ids=["native", "given"])
def test_one_view_is_the_plain_picture_bit_for_bit(given: Any, pipeline: Any) -> None:
    sizes = {"height": 32, "width": 24} if not given else WIDE
    control = MultiDiffusion(**given)
    control.only_looks = True  # type: ignore[misc]
    plain = make_steered(pipeline, [PROMPT], **sizes)
    assert torch.equal(make_steered(pipeline, [PROMPT], control, **sizes), plain)


def test_one_region_over_all_with_the_pictures_prompt_is_the_plain_picture(pipeline: Any) -> None:
    control = MultiDiffusion(regions=[Region((0, 0, 1, 1), PROMPT)])
    plain = make_steered(pipeline, [PROMPT])
    assert torch.equal(make_steered(pipeline, [PROMPT], control), plain)


@pytest.mark.parametrize(
    ("size", "view", "stride", "spans"),
    [
        ((8, 20), (8, 8), 6, ([(0, 8)], [(0, 8), (6, 14), (12, 20)])),
        ((8, 19), (8, 8), 6, ([(0, 8)], [(0, 8), (6, 14), (11, 19)])),
        ((5, 8), (8, 8), 4, ([(0, 5)], [(0, 8)])),
        ((9, 8), (8, 4), 4, ([(0, 8), (1, 9)], [(0, 4), (4, 8)])),
    ],
)
def test_views_cover_the_picture(size: Any, view: Any, stride: int, spans: Any) -> None:
    found = [((a.start, a.stop), (b.start, b.stop)) for a, b in _views(size, view, stride)]
    assert found == [(row, column) for row in spans[0] for column in spans[1]]


@pytest.mark.parametrize("feather", [False, True])
def test_the_prediction_is_the_mean_over_the_views(feather: bool, pipeline: Any) -> None:
    views, outer = Views(), Outer()
    control = MultiDiffusion(size=16, stride=12, feather=feather)
    make_steered(pipeline, [PROMPT], outer, control, views, **WIDE)
    spans = [slice(0, 8), slice(6, 14), slice(12, 20)]
    weights = torch.ones(3, 8, dtype=torch.float64)
    if feather:  # over the overlap of two cells
        weights[1:, :2] = torch.tensor([0.25, 0.75], dtype=torch.float64)
        weights[:2, 6:] = torch.tensor([0.75, 0.25], dtype=torch.float64)
    assert len(views.seen) == 3 * len(outer.seen) == 9
    for number, (sample, prediction) in enumerate(outer.seen):
        total, count = torch.zeros(2, 4, 8, 20, dtype=torch.float64), torch.zeros(20, dtype=torch.float64)
        for span, weight, (crop, run, found) in zip(spans, weights, views.seen[3 * number :], strict=False):
            assert torch.equal(crop, sample[..., span])
            assert run.latent_size == (8, 8)
            total[..., span] += weight * found.double()
            count[span] += weight
        assert float((total / count - prediction).abs().max()) < 1e-6


@pytest.mark.parametrize("scheduler", ["DDIMScheduler", "DPMSolverMultistepScheduler"])
def test_it_is_the_papers_average_of_steps(scheduler: str, sd_pipeline: Any) -> None:
    """Step each crop by a scheduler of its own and average, as the paper does, in float64."""
    kind = getattr(diffusers, scheduler)
    sd_pipeline.scheduler = kind.from_config(sd_pipeline.scheduler.config)
    given: dict[str, Any] = {"guidance_scale": 1.0, **WIDE}
    control = MultiDiffusion(size=16, stride=12, feather=False)
    ours = make_steered(sd_pipeline, [PROMPT], control, **given)
    context = vxa.load(sd_pipeline).encode_prompt(PROMPT, (0, 0)).context
    spans = [slice(0, 8), slice(6, 14), slice(12, 20)]
    schedulers = [kind.from_config(sd_pipeline.scheduler.config) for _ in spans]
    for each in schedulers:
        each.set_timesteps(3)
    latents = torch.randn(1, 4, 8, 20, generator=torch.Generator().manual_seed(5))
    for timestep in schedulers[0].timesteps:
        total, count = torch.zeros(1, 4, 8, 20, dtype=torch.float64), torch.zeros(20)
        for span, each in zip(spans, schedulers, strict=True):
            with torch.no_grad():
                noise = sd_pipeline.unet(latents[..., span], timestep, context).sample
            total[..., span] += each.step(noise, timestep, latents[..., span]).prev_sample
            count[span] += 1
        latents = (total / count).float()
    assert torch.allclose(ours, latents, atol=1e-4)


@pytest.mark.slow
def test_there_is_no_seam_where_a_view_begins() -> None:
    """On papercut, over four pixels at views' borders and elsewhere; even weights have a seam."""
    ratios = []
    for feather in (True, False):
        control = MultiDiffusion(stride=128, feather=feather)
        given: dict[str, Any] = {"seed": 4, "steps": 10, "size": "256x512", "controls": [control]}
        image = vxa.generate("papercut", "a tree and a house on grass", **given).image.convert("RGB")
        pixels = torch.from_numpy(np.asarray(image).astype("float32"))
        change = (pixels[:, 4:] - pixels[:, :-4]).abs().mean(2).median(0).values
        borders = [128 * number - 2 for number in (1, 2, 3)]
        rest = torch.ones(len(change), dtype=torch.bool)
        rest[borders] = False
        ratios.append(float(change[borders].mean() / change[rest].mean()))
    assert ratios[0] < 1.25
    assert ratios[1] > 1.5


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_a_regions_rows_read_its_prompt_and_nobody_else_does(guidance: float, pipeline: Any) -> None:
    """With no overlap, each half of the prediction is that of the half's own prompt."""
    outer = Outer()
    control = MultiDiffusion(regions=[Region(RIGHT, "a neck")], bootstrap=0)
    given: dict[str, Any] = {"num_inference_steps": 1, "guidance_scale": guidance}
    make_steered(pipeline, [PROMPT], outer, control, **given)
    expected = []
    for prompt in (PROMPT, "a neck"):
        seen = Outer()
        make_steered(pipeline, [prompt], seen, **given)
        expected.append(seen.seen[0][1])
    found = outer.seen[0][1]
    assert torch.allclose(found[..., :2], expected[0][..., :2], atol=1e-6)
    assert torch.allclose(found[..., 2:], expected[1][..., 2:], atol=1e-6)
    assert not torch.allclose(expected[0][-1], expected[1][-1], atol=1e-4)


def test_overlapping_regions_are_averaged(sd_pipeline: Any) -> None:
    views, outer = Views(), Outer()
    regions = [Region(LEFT, "a neck"), Region((0, 0, 1, 0.75), "red")]
    make_steered(
        sd_pipeline, [PROMPT], outer, MultiDiffusion(regions=regions, bootstrap=0), views,
        num_inference_steps=1,
    )  # fmt: skip
    background, left, wide = (found for _, _, found in views.seen)
    texts = [{row.text for row in run.rows.values()} for _, run, _ in views.seen]
    assert texts == [{""}, {"", "a neck"}, {"", "red"}]
    found = outer.seen[0][1]
    assert torch.allclose(found[..., :2], (left + wide)[..., :2] / 2, atol=1e-6)
    assert torch.equal(found[..., 2:3], wide[..., 2:3])
    assert torch.equal(found[..., 3:], background[..., 3:])


def test_bootstrapping_shows_a_noised_colour_outside_the_region(sd_pipeline: Any) -> None:
    views = Views()
    control = MultiDiffusion(regions=[Region(RIGHT, "a neck")], bootstrap=0.4)
    make_steered(sd_pipeline, [PROMPT], control, views, num_inference_steps=5)
    plain, regional = views.seen[::2], views.seen[1::2]
    noise, alphas = plain[0][0], sd_pipeline.scheduler.alphas_cumprod
    for step, ((sample, _, _), (seen, run, _)) in enumerate(zip(plain, regional, strict=True)):
        assert torch.equal(seen[..., 2:], sample[..., 2:])
        if step >= 2:
            assert torch.equal(seen, sample)
            continue
        alpha = alphas[int(run.timestep)]
        colour = (seen - (1 - alpha).sqrt() * noise)[..., :2] / alpha.sqrt()
        assert torch.allclose(colour, colour[..., :1, :1].expand_as(colour), atol=1e-4 / float(alpha.sqrt()))
        assert not torch.allclose(seen[..., :2], sample[..., :2], atol=1e-2)


def test_views_and_style_aligned_stack(pipeline: Any) -> None:
    """Every view's batch has the reference's view, whose rows stay what they are without StyleAligned."""
    prompts, control = [PROMPT, "a neck"], MultiDiffusion(size=16, stride=12)
    plain = make_steered(pipeline, prompts, control, **WIDE)
    for controls in ((control, StyleAligned()), (StyleAligned(), control)):
        aligned = make_steered(pipeline, prompts, *controls, **WIDE)
        assert torch.equal(aligned[0], plain[0])
        assert not torch.allclose(aligned[1], plain[1], atol=1e-3)


def test_each_region_has_a_style_of_its_own(sd_pipeline: Any) -> None:
    """Both styles' pictures stay what they are alone, and each half is aligned with its own."""
    prompts = [PROMPT, "red", "a neck"]
    regions = [Region(LEFT, "a hat", style=0), Region(RIGHT, "a hat", style=1)]
    given: dict[str, Any] = {"num_inference_steps": 1}
    control = MultiDiffusion(regions=regions, bootstrap=0)
    outer = Outer()
    made = make_steered(sd_pipeline, prompts, outer, control, StyleAligned(), **given)
    for image in (0, 1):
        alone = make_steered(sd_pipeline, prompts[image : image + 1], **given)
        assert torch.allclose(made[image], alone[0], atol=1e-5)
    for style, part in ((0, slice(0, 2)), (1, slice(2, 4))):
        pair = Outer()
        make_steered(sd_pipeline, [prompts[style], "a hat"], pair, StyleAligned(), **given)
        assert torch.allclose(outer.seen[0][1][5, ..., part], pair.seen[0][1][3, ..., part], atol=1e-5)


def test_word_controls_leave_a_regions_prompt_alone(sd_pipeline: Any) -> None:
    found = []

    class Words(Nothing):
        def attend(self, call: Any, run: Any, compute: Any) -> torch.Tensor:
            found.append((call.site.kind, bool(run.rows[1].text), self.find_rows(call, run)))
            return compute(call)

    control = MultiDiffusion(regions=[Region(RIGHT, "a neck")])
    make_steered(sd_pipeline, [PROMPT], control, Words(), num_inference_steps=1)
    assert {(kind, other): rows for kind, other, rows in found} == {
        ("cross", False): {0: 1}, ("cross", True): {}, ("self", False): {0: 1}, ("self", True): {0: 1},
    }  # fmt: skip


def test_a_control_that_looks_where_words_are_is_refused_on_views(sd_pipeline: Any) -> None:
    controls: Sequence[Control] = (MultiDiffusion(size=16), PromptToPrompt(local_blend="hat"))
    with pytest.raises(SteeringError, match="looks where words are in the whole picture"):
        make_steered(sd_pipeline, ["a red hat", "a red neck"], *controls, **WIDE)


def test_views_have_no_place_in_a_trace(sd_pipeline: Any) -> None:
    with (
        pytest.raises(
            RecordingError, match=r"given views of the picture \(MultiDiffusion\).* make it without trace"
        ),
        vxa.trace(sd_pipeline),
        steer(sd_pipeline, MultiDiffusion(size=16)),
    ):
        make(sd_pipeline, **WIDE)
    with (
        pytest.raises(
            RecordingError, match=r"several times \(MultiDiffusion's regions; make it without trace"
        ),
        vxa.trace(sd_pipeline),
        steer(sd_pipeline, MultiDiffusion(regions=[Region(LEFT, "a neck")])),
    ):
        make(sd_pipeline)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": 9}, "size 9 is not a multiple of 2 pixels"),
        ({"size": 4}, "size 4 is out of range"),
        ({"stride": 9}, "stride 9 is not a multiple of 2 pixels"),
        ({"regions": [Region(LEFT, "a", style=1)]}, "the style of picture 1, and the call has 1"),
    ],
)
def test_bad_settings_are_told(given: Any, message: str, sd_pipeline: Any) -> None:
    with pytest.raises(SettingError, match=message):
        make_steered(sd_pipeline, [PROMPT], MultiDiffusion(**given))


@pytest.mark.parametrize("box", [(0, 0.5, 1, 0.5), (0, 0, 1, 2), (0.5, 0, 0.2, 1)])
def test_a_box_that_is_none_is_told(box: Any) -> None:
    with pytest.raises(SettingError, match=r"is none; give \(top, left, bottom, right\)"):
        Region(box, "a hat")


def test_a_longer_prompt_than_the_calls_is_told(sd_pipeline: Any) -> None:
    control = MultiDiffusion(regions=[Region(LEFT, "hat " * 80)])
    with pytest.raises(SteeringError, match="a control's prompt has 154 tokens and those of the call 77"):
        make_steered(sd_pipeline, [PROMPT], control)
