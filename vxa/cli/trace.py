"""`vxa trace`, `attribute` and `compare`: maps of many passes, drawn and written as `vxa show` does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vxa.cli import options
from vxa.cli.console import columns, progress, quiet
from vxa.cli.model import check_prompt, load_quietly
from vxa.cli.outputs import check_outputs, saved_maps, summary, write_outputs
from vxa.errors import SettingError
from vxa.generation.generate import GenerationSettings, make_image
from vxa.io.images import check_image_path, read_image, save_image
from vxa.io.masks import write_masks
from vxa.maps.steps import Bins, check_bins
from vxa.pictures.animation import check_animation_path, write_animation
from vxa.pictures.render import check_mode, render
from vxa.pictures.view import View
from vxa.tracing.timesteps import parse_timesteps

if TYPE_CHECKING:
    from PIL.Image import Image

    from vxa.maps.attention_maps import AttentionMaps

__all__ = ["attribute", "compare", "trace"]


@dataclass(frozen=True)
class _Wanted:
    """What is drawn and written of the maps."""

    output: Path
    mode: str
    selection: dict[str, Any]
    view: dict[str, Any]
    save: Path | None
    animate: Path | None
    masks: Path | None

    def check(self) -> None:
        """Refuse, before the model is loaded, what could not be drawn or written."""
        check_outputs(self.output, self.save)
        check_mode(self.mode)
        if self.mode == "difference":
            raise SettingError(
                "mode 'difference' compares two selections; use vxa show --maps, or vxa compare"
            )
        if self.animate is not None:
            check_animation_path(self.animate)
        View(**self.view)

    def bins(self, given: str) -> Bins:
        """The step bins: those that were asked for, or as many as what is wanted shows."""
        if given.strip() == "each":
            return "each"
        if not given.strip():
            return 8 if self.mode == "timesteps" or self.animate is not None else 1
        return check_bins(int(given) if given.strip().isdigit() else given)

    def write(self, maps: AttentionMaps, image: Image) -> list[tuple[str, object]]:
        """Draw and write all of it; the rows that say so."""
        drawn = render(
            maps.each_bin() if self.mode == "timesteps" else maps,
            image,
            self.mode,
            **self.selection,
            **self.view,
        )
        rows: list[tuple[str, object]] = [*summary([maps], maps.heat_map(**self.selection))]
        write_outputs(drawn, self.output, maps, self.save)
        rows.append(("picture", f"{self.output} ({self.mode})"))
        chosen: dict[str, Any] = {name: self.selection.get(name) for name in ("words", "sites")}
        refine = bool(self.selection.get("refine"))
        if self.masks is not None:
            written = write_masks(maps, self.masks, threshold=self.view["threshold"], refine=refine, **chosen)
            rows.append(("masks", f"{len(written) - 1} and coco.json in {self.masks}"))
        if self.animate is not None:
            tokens = self.selection["tokens"]
            write_animation(maps, image, self.animate, tokens=tokens, refine=refine, **chosen, **self.view)
            rows.append(("animation", self.animate))
        return rows


def trace(
    prompt: options.Prompt,
    *,
    output: options.Output,
    image: options.GeneratedImage = None,
    words: options.Words = None,
    tokens: options.Tokens = None,
    sites: options.Sites = None,
    refine: options.Refine = False,
    mode: options.Mode = "words",
    bins: options.StepBins = "",
    seed: options.Seed = GenerationSettings.seed,
    steps: options.Steps = GenerationSettings.steps,
    guidance: options.Guidance = GenerationSettings.guidance,
    size: options.Size = GenerationSettings.size,
    negative: options.Negative = GenerationSettings.negative,
    model: options.ModelName = "papercut",
    normalize: options.Normalize = View.normalize,
    threshold: options.Threshold = View.threshold,
    opacity: options.Opacity = View.opacity,
    colormap: options.Colormap = View.colormap,
    resample: options.Resample = View.resample,
    save: options.Save = None,
    animate: options.Animate = None,
    masks: options.MaskFolder = None,
    device: options.Device = "auto",
) -> None:
    """Make a picture of PROMPT and draw what each word painted, over all steps."""
    view: dict[str, Any] = {
        "normalize": normalize, "threshold": threshold, "opacity": opacity,
        "colormap": colormap, "resample": resample,
    }  # fmt: skip
    selection = {"words": words, "tokens": tokens, "sites": sites, "heads": None, "refine": refine}
    wanted = _Wanted(output, mode, selection, view, save, animate, masks)
    wanted.check()
    if image is not None:
        check_image_path(image)
    check_prompt(prompt)
    kept = wanted.bins(bins)
    asked = GenerationSettings(prompt, negative, seed, steps, guidance, size)
    loaded = load_quietly(model, device)
    from vxa.tracing import trace as traced

    with (
        progress("denoising", steps) as advance,
        quiet(),
        traced(loaded, bins=kept, self_attention=refine) as found,
    ):
        picture = make_image(loaded, asked, advance)
    rows = wanted.write(found.maps[0], picture)
    if image is not None:
        save_image(picture, image)
        rows.append(("image", image))
    typer.echo(columns(*rows))


def attribute(
    image: options.ImagePath,
    prompt: options.Prompt,
    *,
    output: options.Output,
    words: options.Words = None,
    tokens: options.Tokens = None,
    sites: options.Sites = None,
    refine: options.Refine = False,
    mode: options.Mode = "words",
    timesteps: options.Timesteps = None,
    seeds: options.Seeds = "0",
    inversion: options.Inversion = None,
    steps: options.Steps = 20,
    bins: options.StepBins = "",
    max_side: options.MaxSide = 1024,
    model: options.ModelName = "papercut",
    normalize: options.Normalize = View.normalize,
    threshold: options.Threshold = View.threshold,
    opacity: options.Opacity = View.opacity,
    colormap: options.Colormap = View.colormap,
    resample: options.Resample = View.resample,
    save: options.Save = None,
    animate: options.Animate = None,
    masks: options.MaskFolder = None,
    device: options.Device = "auto",
) -> None:
    """Draw where the model sees each word of PROMPT in IMAGE, averaged over noise levels."""
    view: dict[str, Any] = {
        "normalize": normalize, "threshold": threshold, "opacity": opacity,
        "colormap": colormap, "resample": resample,
    }  # fmt: skip
    selection = {"words": words, "tokens": tokens, "sites": sites, "heads": None, "refine": refine}
    wanted = _Wanted(output, mode, selection, view, save, animate, masks)
    wanted.check()
    drawn = _seeds(seeds)
    check_prompt(prompt)
    kept = wanted.bins(bins)
    picture = read_image(image)
    loaded = load_quietly(model, device)
    levels = None if timesteps is None else parse_timesteps(timesteps, loaded.num_timesteps)
    from vxa.tracing.attribute import DEFAULT_LEVELS
    from vxa.tracing.attribute import attribute as attributed

    total = steps if inversion else len(levels or DEFAULT_LEVELS) * len(drawn)
    with progress("denoising", total) as advance, quiet():
        maps = attributed(
            loaded, picture, prompt, levels, drawn, inversion,  # type: ignore[arg-type]
            steps=steps, bins=kept, self_attention=refine, max_side=max_side,
            advance=lambda done, count: advance(),
        )  # fmt: skip
    typer.echo(columns(*wanted.write(maps, picture)))


def compare(
    first: options.FirstMaps,
    second: options.SecondMaps,
    *,
    output: options.Output,
    first_image: options.FirstImage = None,
    second_image: options.SecondImage = None,
    words: options.Words = None,
    tokens: options.Tokens = None,
    sites: options.Sites = None,
    against: options.AgainstInSecond = None,
    refine: options.Refine = False,
    normalize: options.Normalize = View.normalize,
    opacity: options.Opacity = View.opacity,
    colormap: options.Colormap = View.colormap,
    resample: options.Resample = View.resample,
) -> None:
    """Draw two saved runs and their signed difference: two seeds, two prompts, with and without a LoRA."""
    check_image_path(output)
    from vxa.pictures.compare import compare as compared

    how: dict[str, Any] = {
        "refine": refine, "normalize": normalize, "opacity": opacity, "colormap": colormap,
        "resample": resample,
    }  # fmt: skip
    maps = [saved_maps(path, None) for path in (first, second)]
    one, other = maps
    drawn = compared(one, other, first_image, second_image, words, tokens, sites, against=against, **how)
    save_image(drawn, output)
    heats = [
        each.heat_map(words=chosen, tokens=tokens, sites=sites, refine=refine)
        for each, chosen in zip(maps, (words, words if against is None else against), strict=True)
    ]
    apart = (heats[0] - heats[1]).upsampled()
    rows = [(name, each.provenance.prompt) for name, each in zip("AB", maps, strict=True)]
    typer.echo(columns(*rows, ("A - B", f"{apart.min():.3g} … {apart.max():.3g}"), ("picture", str(output))))


def _seeds(text: str) -> tuple[int, ...]:
    """Seeds written as "0, 1, 2". Raises SettingError."""
    entries = [entry.strip() for entry in text.split(",")]
    if not all(entry.isascii() and entry.isdigit() and len(entry) < 20 for entry in entries):
        raise SettingError(f'seeds {text[:80]!r} cannot be read; write whole numbers as in "0, 1, 2"')
    return tuple(dict.fromkeys(map(int, entries)))
