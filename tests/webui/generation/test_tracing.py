"""The always-on script over a fake webui's generations: the maps of each image, and the notes."""

from __future__ import annotations

import gc
import importlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageChops
from support.fake_host import FakeHost
from support.fake_sampling import Denoiser, Generation, Options, Webui

from vxa.attention.records import PassRecord
from vxa.attention.sites import Site, finest_self
from vxa.maps.heat_map import resized
from vxa.pictures.image_regions import image_regions
from vxa.webui.generation.options import ENTRY

SITE = "OUT01"
ON = {"show": ["each word"], "sites": SITE}


def hooks(model: Any) -> int:
    modules = list(model.modules())
    return sum(len(one._forward_hooks) + len(one._forward_pre_hooks) for one in modules)


class Direct:
    """Reference maps: the attention of each row of each forward at one site, computed by the test itself."""

    def __init__(self, model: Any, site: Site) -> None:
        network = model.model.diffusion_model
        self.site = site
        self.layer = network.get_submodule(self.site.name)
        self.forwards: list[tuple[torch.Tensor, torch.Tensor, tuple[int, int]]] = []
        self._query: torch.Tensor = torch.empty(0)
        self._size = (0, 0)
        self.handles = [
            network.register_forward_pre_hook(self._note),
            self.layer.to_q.register_forward_hook(lambda module, given, out: self._keep(out)),
            self.layer.to_k.register_forward_hook(lambda module, given, out: self._pair(out)),
        ]

    def _note(self, module: Any, given: Any) -> None:
        self._size = (given[0].shape[-2], given[0].shape[-1])

    def _keep(self, out: torch.Tensor) -> None:
        self._query = out

    def _pair(self, key: torch.Tensor) -> None:
        self.forwards.append((self._query, key, self._size))

    def rows(self) -> list[tuple[torch.Tensor, torch.Tensor, tuple[int, int]]]:
        return [
            (query[row], key[row], size) for query, key, size in self.forwards for row in range(len(query))
        ]

    def mean(self, rows: list[int], tokens: list[int]) -> np.ndarray:
        """The mean map of the tokens over these rows, by their numbers among all rows that ran."""
        every = self.rows()
        maps = []
        for number in rows:
            query, key, size = every[number]
            record = PassRecord(query, key, self.site.heads, self.layer.scale, self.site.grid(size))
            maps.append(record.tokens(tokens).numpy().mean(0))
        mean: np.ndarray = np.mean(maps, axis=0)
        return mean

    def close(self) -> None:
        for handle in self.handles:
            handle.remove()


@pytest.fixture
def webui(host: FakeHost, checkpoint: Any) -> Webui:
    pytest.importorskip("gradio", reason='gradio is not installed: pip install ".[app]"')
    host.model = checkpoint
    return Webui(host, importlib.import_module("vxa.webui.host.script"))


def sites_of(webui: Webui) -> tuple[Site, ...]:
    found: tuple[Site, ...] = (
        importlib.import_module("vxa.webui.host.checkpoint").webui_model(webui.model).sites
    )
    return found


@pytest.fixture
def direct(webui: Webui) -> Iterator[Direct]:
    site = next(one for one in sites_of(webui) if (one.label, one.kind) == (SITE, "cross"))
    own = Direct(webui.model, site)
    yield own
    own.close()
    assert hooks(webui.model) == 0


@pytest.fixture
def heats(webui: Webui, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, np.ndarray]]:
    """The map of each word of each drawn image, in order; filled during the generation."""
    maps: list[dict[str, np.ndarray]] = []
    gallery = importlib.import_module("vxa.webui.generation.gallery")
    draw_pictures = gallery.draw_pictures

    def draw(sampling: Any, options: Any, slot: Any) -> Any:
        prompts = gallery.collect_prompt_maps(sampling.calls, slot.number, False, slot.size)
        words = gallery.select_phrases(prompts, options.phrases)
        maps.append({word: gallery.mean_heat_map(prompts, word, options.refine).values for word in words})
        return draw_pictures(sampling, options, slot)

    monkeypatch.setattr(importlib.import_module("vxa.webui.generation.job"), "draw_pictures", draw)
    return maps


def of(processed: Any) -> list[str]:
    """The subject of each added picture, from its infotext."""
    return [text.rpartition(f"{ENTRY} of: ")[2].strip('"') for text in processed.infotexts if "of: " in text]


def same(found: np.ndarray, wanted: np.ndarray) -> None:
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert np.ptp(wanted) > 1e-4  # a flat map would be no test


def test_off_nothing_is_touched_and_on_the_latents_are_the_same(webui: Webui) -> None:
    seen: list[int] = []
    p = Generation("a red hat", before_step=lambda denoiser: seen.append(hooks(webui.model)))
    plain = webui.generate(p)
    assert len(plain.images) == 1
    assert p.extra_generation_params == {}
    assert not hasattr(p, "vxa_job")
    traced = Generation("a red hat")
    made = webui.generate(traced, ON)
    assert all(map(torch.equal, p.latents, traced.latents))
    assert of(made) == ["a", "red", "hat"]
    assert made.comments == ""
    assert hooks(webui.model) == 0
    assert set(seen) == {0}


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("negative", ["", "neck " * 80])
def test_every_image_of_every_batch_has_its_own_maps(
    webui: Webui, direct: Direct, heats: list[dict[str, np.ndarray]], batched: bool, negative: str
) -> None:
    """Rows are c0 c1 u0 u1 at each step: whole, in slices, with a negative prompt of another length."""
    p = Generation("a red hat", negative, batch_size=2, n_iter=2, options=Options(batched))
    made = webui.generate(p, ON)
    assert of(made) == ["a", "red", "hat"] * 4
    assert made.images[4].size[0] > 24
    for number, one in enumerate(heats):
        batch, image = divmod(number, 2)
        rows = [batch * 16 + step * 4 + image for step in range(4)]
        same(one["hat"], direct.mean(rows, [3]))
        same(one["red"], direct.mean(rows, [2]))


def test_parts_of_and_are_one_image(webui: Webui, direct: Direct, heats: list[dict[str, np.ndarray]]) -> None:
    """Rows of "a hat AND a red neck" for two images: c0 c0' c1 c1' u0 u1."""
    made = webui.generate(Generation("a hat AND a red neck", batch_size=2), ON)
    assert of(made) == ["a", "hat", "red", "neck"] * 2
    for image, one in enumerate(heats):
        first, second = ([step * 6 + image * 2 + part for step in range(4)] for part in range(2))
        same(one["hat"], direct.mean(first, [2]))
        same(one["neck"], direct.mean(second, [3]))
        same(one["a"], (direct.mean(first, [1]) + direct.mean(second, [1])) / 2)


def test_parts_of_different_lengths_are_padded_as_the_webui_pads_them(
    webui: Webui, direct: Direct, heats: list[dict[str, np.ndarray]]
) -> None:
    long = "neck " * 78
    made = webui.generate(Generation(f"a hat AND {long}red"), {**ON, "words": "hat, red"})
    assert of(made) == ["hat", "red"]
    # Three rows per step: two of 154 positions, then the unconditional one in a slice of its own.
    same(heats[0]["hat"], direct.mean([0, 3, 6, 9], [2]))
    same(heats[0]["red"], direct.mean([1, 4, 7, 10], [77 + 4]))


def test_unconditional_rows_that_are_skipped_move_nothing(
    webui: Webui, direct: Direct, heats: list[dict[str, np.ndarray]]
) -> None:
    options = Options(skip_uncond_after=2)
    webui.generate(Generation("a red hat", batch_size=2, options=options), ON)
    same(heats[0]["hat"], direct.mean([0, 4, 8, 10], [3]))
    same(heats[1]["hat"], direct.mean([1, 5, 9, 11], [3]))


def test_refined_maps_are_spread_by_the_self_attention_of_all_steps(
    webui: Webui, direct: Direct, heats: list[dict[str, np.ndarray]]
) -> None:
    own = [Direct(webui.model, site) for site in finest_self(sites_of(webui), (8, 12))]
    made = webui.generate(Generation("a red hat"), {**ON, "refine": True})
    rows = [step * 2 for step in range(4)]
    cells = list(range(np.prod(own[0].site.grid((8, 12)))))
    # mean(rows, [cell]) is the attention of every place to that cell.
    spread = np.mean([[each.mean(rows, [cell]) for cell in cells] for each in own], axis=0)
    plain = resized(direct.mean(rows, [3]), own[0].site.grid((8, 12)), (1.0, 1.0), "bicubic")
    gathered = np.tensordot(plain.ravel(), spread, 1)
    same(heats[0]["hat"], gathered - gathered.min())
    for each in own:
        each.close()
    assert of(made) == ["a", "red", "hat"]


def test_controlnets_mark_before_the_tokens_is_no_token(
    webui: Webui, direct: Direct, heats: list[dict[str, np.ndarray]]
) -> None:
    """sd-webui-controlnet prepends ±1024 to each context, and removes it within the network."""
    network = webui.model.model.diffusion_model
    forward, widths = network.forward, set()

    def mark(denoiser: Denoiser) -> None:
        extra = denoiser.sampler.sampler_extra_args
        texts = [one for image in extra["cond"].batch for part in image for one in part.schedules]
        negatives = [one for negative in extra["uncond"] for one in negative]
        for value, group in ((1024.0, texts), (-1024.0, negatives)):
            for one in group if denoiser.step == 0 else ():
                one.cond = torch.cat([torch.full_like(one.cond[:1], value), one.cond])

    def controlled(x: Any, timesteps: Any = None, context: Any = None, **given: Any) -> Any:
        widths.add(context.shape[1])
        return forward(x, timesteps, context[:, 1:], **given)

    network.forward = controlled
    try:
        made = webui.generate(Generation("a red hat", "neck", before_step=mark), ON)
    finally:
        del network.forward
    assert widths == {78}
    assert of(made) == ["a", "red", "hat"]
    same(heats[0]["hat"], direct.mean([0, 2, 4, 6], [3]))


def test_an_edited_prompt_is_read_as_it_is_at_each_step(
    webui: Webui, direct: Direct, heats: list[dict[str, np.ndarray]]
) -> None:
    """The first text of [red:neck:0.5] is used up to and including its last step."""
    made = webui.generate(Generation("a [red:neck:0.5] hat"), ON)
    assert of(made) == ["a", "red", "hat", "neck"]
    same(heats[0]["red"], direct.mean([0, 2, 4], [2]))
    same(heats[0]["neck"], direct.mean([6], [2]))
    same(heats[0]["hat"], direct.mean([0, 2, 4, 6], [3]))


def test_weights_are_the_words_and_long_prompts_have_all_of_theirs(
    webui: Webui, heats: list[dict[str, np.ndarray]]
) -> None:
    made = webui.generate(Generation("a (red:1.2) hat" + " neck" * 80), {**ON, "words": "red, neck#79"})
    assert of(made) == ["red", "neck#79"]
    assert made.comments == ""


def test_second_order_samplers_have_two_passes_a_step(
    webui: Webui, direct: Direct, heats: list[dict[str, np.ndarray]]
) -> None:
    p = Generation("a red hat", options=Options(second_order=True))
    made = webui.generate(p, {"show": ["each word", "steps"], "sites": SITE})
    same(heats[0]["hat"], direct.mean(list(range(0, 16, 2)), [3]))
    assert of(made)[-1] == "steps"


def test_hires_fix_shows_its_second_pass(
    webui: Webui, direct: Direct, heats: list[dict[str, np.ndarray]]
) -> None:
    p = Generation("a red hat", enable_hr=True, hr_second_pass_steps=2)
    made = webui.generate(p, ON)
    assert made.comments == ""
    assert made.images[0].size == (48, 32)
    assert heats[0]["hat"].shape == (8, 12)  # of a latent of (16, 24)
    same(heats[0]["hat"], direct.mean([8, 10], [3]))


def test_a_network_that_takes_over_is_read_and_the_old_one_left_as_it_was(
    webui: Webui, another: Any, heats: list[dict[str, np.ndarray]]
) -> None:
    first = webui.model

    def switch(denoiser: Denoiser) -> None:
        if denoiser.step == 3:
            webui.host.model = another

    made = webui.generate(Generation("a red hat", before_step=switch), {"show": ["each word"]})
    assert of(made) == ["a", "red", "hat"]
    assert made.comments == ""
    assert hooks(first) == hooks(another) == 0


def test_a_generation_within_a_generation_is_not_mixed_in(
    webui: Webui, direct: Direct, heats: list[dict[str, np.ndarray]]
) -> None:
    """ADetailer generates from a copy of the generation's object, before the image is finished."""
    import copy

    outer = Generation("a red hat", batch_size=2)
    original = webui.tab.postprocess_image_after_composite

    def detailing(p: Any, pp: Any, *args: Any) -> None:
        inner = copy.copy(p)
        inner.prompts, inner.negative_prompts = ["neck"], [""]
        Denoiser(webui, inner, 1)(torch.randn(1, 4, 8, 12), 300.0)
        original(p, pp, *args)

    webui.tab.postprocess_image_after_composite = detailing
    made = webui.generate(outer, ON)
    assert of(made) == ["a", "red", "hat"] * 2
    same(heats[1]["hat"], direct.mean([1, 5, 9, 13], [3]))


def test_an_interrupted_generation_shows_the_steps_that_ran(
    webui: Webui, direct: Direct, heats: list[dict[str, np.ndarray]]
) -> None:
    def stop(denoiser: Denoiser) -> None:
        webui.host.state.interrupted = denoiser.step == 2

    made = webui.generate(Generation("a red hat", before_step=stop), ON)
    same(heats[0]["hat"], direct.mean([0, 2], [3]))
    assert "of the first 2 of 4 steps: the generation was interrupted" in made.comments


def test_one_that_ends_before_its_first_step_is_told(webui: Webui) -> None:
    def stop(denoiser: Denoiser) -> None:
        webui.host.state.interrupted = True

    made = webui.generate(Generation("a red hat", before_step=stop), ON)
    assert of(made) == []
    assert "before its first step" in made.comments


def test_one_that_makes_no_image_is_told(webui: Webui) -> None:
    webui.host.state.interrupted = True
    made = webui.generate(Generation("a red hat"), ON)
    assert made.images == []
    assert "no image was finished" in made.comments


def test_a_network_that_raises_leaves_no_hook_and_the_next_generation_is_traced(
    webui: Webui, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = webui.model.model.diffusion_model.middle_block

    def fail(module: Any, given: Any) -> None:
        raise RuntimeError("out of memory")

    told: list[str] = []
    monkeypatch.setattr("gradio.Info", told.append)
    handle = broken.register_forward_pre_hook(fail)
    p = Generation("a red hat")
    with pytest.raises(RuntimeError, match="out of memory"):
        webui.generate(p, ON)
    handle.remove()
    gc.collect()
    assert hooks(webui.model) == 0
    assert told == ["VXA has no heat maps: the generation itself failed"]
    made = webui.generate(Generation("a red hat"), ON)
    assert of(made) == ["a", "red", "hat"]


def test_hooks_that_a_kept_traceback_holds_go_with_the_next_generation(
    webui: Webui, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gradio.Info", str)
    handle = webui.model.model.diffusion_model.middle_block.register_forward_pre_hook(
        lambda module, given: (_ for _ in ()).throw(RuntimeError("out of memory"))
    )
    with pytest.raises(RuntimeError) as kept:
        webui.generate(Generation("a red hat"), ON)
    handle.remove()
    assert kept.tb is not None
    assert hooks(webui.model) > 0
    webui.generate(Generation("a red hat"))
    assert hooks(webui.model) == 0


def test_what_another_extension_does_to_the_rows_is_told_and_ends_nothing(webui: Webui) -> None:
    plain = Generation("a red hat")
    webui.generate(plain)

    def double(denoiser: Denoiser) -> None:
        if denoiser.step == 1:
            apply = webui.model.apply_model
            webui.model.__dict__["apply_model"] = lambda *given: (apply(*given), apply(*given))[1]

    try:
        p = Generation("a red hat", before_step=double)
        made = webui.generate(p, ON)
    finally:
        del webui.model.__dict__["apply_model"]
    assert of(made) == []
    assert "adds passes of its own; switch it off" in made.comments
    assert all(map(torch.equal, plain.latents, p.latents))
    assert hooks(webui.model) == 0


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"words": "hta"}, "word 'hta' is not in the prompt; did you mean hat?"),
        ({"sites": "OUT99"}, "no site here is called 'OUT99'"),
        ({"colormap": "jet"}, "colormap 'jet' is unknown"),
        ({"show": []}, "VXA has nothing to add: choose what to show"),
        ({"show": 5}, "show is '5'; give a JSON array"),
        ({"opacity": "half"}, "opacity 'half' is out of range"),
        ({"words": ["hat"]}, "give a JSON string"),
        ({"show": ["all"]}, "there is no 'all' to show; choose some of: each word, grid"),
        ({"wrods": "hat"}, "there is no 'wrods' here; the names are: enabled, words"),
    ],
)
def test_what_cannot_be_shown_is_one_sentence_in_the_page(
    webui: Webui, asked: dict[str, Any], sentence: str
) -> None:
    made = webui.generate(Generation("a red hat"), {**ON, **asked})
    assert of(made) == []
    assert sentence in made.comments
    assert len(made.images) == 1


def test_a_word_that_is_missing_leaves_the_others(webui: Webui) -> None:
    made = webui.generate(Generation("a red hat"), {**ON, "words": "hat, cat"})
    assert of(made) == ["hat"]
    assert "word 'cat' is not in the prompt" in made.comments


def test_a_long_prompt_has_its_first_words_by_themselves_and_all_in_the_grid(webui: Webui) -> None:
    made = webui.generate(Generation("neck " * 45), {"sites": SITE, "show": ["each word", "grid"]})
    assert of(made) == [*(f"neck#{number}" for number in range(1, 41)), "grid"]
    assert "the first 40 of 45 words by themselves" in made.comments


@pytest.mark.parametrize("prompt", ["", ", ,"])
def test_a_prompt_without_words_is_told(webui: Webui, prompt: str) -> None:
    made = webui.generate(Generation(prompt, "neck"), {**ON, "show": ["each word", "negative words"]})
    assert of(made) == ["negative words"]
    assert "the prompt has no words" in made.comments


def test_models_of_another_kind_are_told(webui: Webui, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vxa.models.ldm.checks.extra_channels", lambda network: 4)  # pix2pix's
    made = webui.generate(Generation("a red hat"), ON)
    assert of(made) == []
    assert "VXA has no heat maps: LatentDiffusion" in made.comments
    assert "is an edit, depth or image-variation model" in made.comments


def test_negative_words_and_what_is_said_when_none_was_read(webui: Webui) -> None:
    asked = {"show": ["negative words"], "sites": SITE}
    assert of(webui.generate(Generation("a hat", "red neck"), asked)) == ["negative words"]
    without = webui.generate(Generation("a hat", ""), asked)
    assert of(without) == []
    assert "no map of the negative prompt" in without.comments


def test_the_map_lies_where_the_sampled_part_was_pasted(webui: Webui) -> None:
    overlay = Image.new("RGB", (100, 60), (0, 128, 0))
    p = Generation("a hat", overlay_images=[overlay], paste_to=(10, 20, 48, 32))
    picture = webui.generate(p, {**ON, "words": "hat", "opacity": 1.0}).images[1]
    (window,) = image_regions(picture)
    shown = picture.crop((window.left, window.top, window.left + window.width, window.top + window.height))
    unlike = ImageChops.difference(shown, Image.new("RGB", shown.size, (0, 128, 0))).convert("L")
    edges = unlike.point(lambda level: 255 * (level > 20)).getbbox()  # enlarging blurs them
    scale = window.width / 100
    assert edges == pytest.approx([edge * scale for edge in (10, 20, 58, 52)], abs=scale)


def test_maps_are_saved_beside_their_image(webui: Webui, tmp_path: Path) -> None:
    kept = tmp_path / "00007-1-a hat.png"

    def saved(p: Any, pp: Any, *args: Any) -> None:
        pp.image.already_saved_as = str(kept)
        original(p, pp, *args)

    original = webui.tab.postprocess_image_after_composite
    webui.tab.postprocess_image_after_composite = saved
    webui.generate(Generation("a hat"), {**ON, "save": True, "show": ["each word", "grid"]})
    names = sorted(path.name for path in tmp_path.glob("*.png"))
    assert names == [f"00007-1-a hat-vxa-{what}.png" for what in ("a", "grid", "hat")]
    webui.tab.postprocess_image_after_composite = original
    webui.generate(Generation("a hat", outpath_samples=str(tmp_path / "out")), {**ON, "save": True})
    assert len(list((tmp_path / "out").rglob("*-vxa-hat.png"))) == 1


def test_saved_maps_have_names_that_differ_in_more_than_letter_case(webui: Webui, tmp_path: Path) -> None:
    options = {**ON, "save": True, "words": "Hat, hat, red hat, red+hat, a"}
    webui.generate(Generation("a red hat", outpath_samples=str(tmp_path)), options)
    names = [re.split("-vxa-", path.stem)[1] for path in tmp_path.rglob("*-vxa-*.png")]
    assert sorted(names) == ["Hat-1", "a", "hat-2", "red_hat"]


def test_the_infotext_records_what_was_asked_and_gives_it_back(webui: Webui) -> None:
    from vxa.webui.generation.options import TraceOptions, pasted_value

    p = Generation("a red hat")
    asked = {
        "words": "hat, red",
        "show": ["grid", "steps"],
        "colormap": "magma",
        "opacity": 0.5,
        "sites": SITE,
        "refine": True,
    }
    webui.generate(p, asked)
    told = p.extra_generation_params
    assert told["VXA trace"] == "grid + steps"
    names = TraceOptions.names()
    again = TraceOptions.of([pasted_value(name, told) for name in names])
    assert again == TraceOptions.of([asked])
    assert [pasted_value(name, {"Steps": "20"}) for name in names] == [None] * 9


def test_arguments_by_place_mean_the_same(webui: Webui) -> None:
    by_place = webui.generate(
        Generation("a red hat"), True, "hat", ["each word"], "inferno", 0.8, SITE, False
    )
    assert of(by_place) == ["hat"]


def test_images_of_other_prompts_have_other_words(webui: Webui, direct: Direct, heats: list[Any]) -> None:
    """Extensions choose a prompt's words at random; only one image's prompt has the requested "neck"."""
    p = Generation("a red hat", batch_size=2, all_prompts=["a red hat", "a neck"])
    made = webui.generate(p, {**ON, "words": "hat, neck"})
    assert of(made) == ["hat", "neck"]
    same(heats[0]["hat"], direct.mean([0, 4, 8, 12], [3]))
    same(heats[1]["neck"], direct.mean([1, 5, 9, 13], [2]))
    assert "word 'neck' is not in the prompt; its words are: a, red, hat" in made.comments


def test_the_live_preview_shows_the_maps_so_far_and_changes_nothing(webui: Webui) -> None:
    plain = Generation("a red hat")
    webui.generate(plain, ON)
    assert webui.host.state.current_image is None
    live = Generation("a red hat")
    webui.generate(live, {**ON, "live": True})
    assert webui.host.state.current_image.width > 300  # a figure of three words
    assert all(map(torch.equal, plain.latents, live.latents))


class Axis:
    """AxisOption of the webui's X/Y/Z plot."""

    def __init__(self, label: str, kind: type[Any], apply: Callable[..., None], choices: Any = None) -> None:
        self.label, self.apply, self.choices = label, apply, choices


def test_a_cell_of_a_plot_is_its_first_picture(webui: Webui) -> None:
    plot = SimpleNamespace(AxisOption=Axis, axis_options=[])
    script_class = type("Script", (), {"__module__": "xyz_grid.py"})
    webui.host.scripts.append(SimpleNamespace(script_class=script_class, module=plot))
    xyz = importlib.import_module("vxa.webui.host.xyz_plot")
    xyz.add_axes()
    xyz.add_axes()
    words, show, sites = plot.axis_options
    assert show.choices() == ["each word", "grid", "negative words", "steps"]
    cells = []
    for word in ("hat", "hta"):
        p = Generation("a red hat")
        words.apply(p, word, [])
        sites.apply(p, SITE, [])
        cells.append(webui.generate(p))
    assert [len(cell.images) for cell in cells] == [3, 2]
    assert cells[0].images[0] is cells[0].images[2]
    assert cells[1].images[0].height > cells[1].images[1].height  # the image under a sentence


def test_what_cannot_be_saved_is_told(webui: Webui, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    p = Generation("a hat", outpath_samples=str(tmp_path / "file" / "folder"))
    made = webui.generate(p, {**ON, "save": True})
    assert of(made) == ["a", "hat"]
    assert "could not save heat maps (Not a directory)" in made.comments
