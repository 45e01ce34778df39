"""`vxa generate`, `trace`, `attribute` and `compare`: pictures, and maps of many passes."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from vxa.cli import options
from vxa.cli.console import columns, progress, quiet
from vxa.cli.options import Without, with_settings
from vxa.errors import SettingError
from vxa.generation.settings import GenerationSettings
from vxa.maps.settings import MaskSettings, Selection
from vxa.models.settings import LoadSettings
from vxa.pictures.view import View
from vxa.tokens import shorten
from vxa.tracing.settings import InversionSettings

__all__ = ["attribute", "compare", "generate", "trace"]

WordSelection = Annotated[Selection, Without("heads")]


@with_settings
def generate(
    prompts: options.Prompts,
    *,
    output: options.Output,
    control: options.Controls = [],  # noqa: B006
    image: options.SourceImage = None,
    settings: GenerationSettings,
    model: options.ModelName = "papercut",
    loading: LoadSettings,
) -> None:
    """Make a picture of each PROMPT with the model, side by side; with --image, the first is that image."""
    from vxa.cli.model import check_prompt, load_quietly, tell_unknown_words
    from vxa.cli.steer import invert_quietly, load_with_ddim
    from vxa.generation.generate import generate as generated
    from vxa.io.images import check_image_path, read_image, save_image
    from vxa.pictures.layout import beside
    from vxa.steering import FromTrajectory
    from vxa.steering.control import describe
    from vxa.steering.spec import parse_control

    check_image_path(output)
    for prompt in prompts:
        check_prompt(prompt)
    controls = [parse_control(text) for text in control]
    words = " ".join([*prompts, settings.negative])
    path = None
    if image is None:
        loaded = load_quietly(model, loading)
        tell_unknown_words(loaded.name, words)
    else:
        picture = read_image(image)
        loaded = load_with_ddim(model, loading, words)
        inversion = InversionSettings("direct", settings.steps, settings.guidance)
        path = invert_quietly(loaded, picture, prompts[0], inversion)
        controls = [FromTrajectory(path), *controls]
    steps = settings.steps * (1 if controls else len(prompts))
    with progress("denoising", steps) as advance, quiet():
        made = generated(loaded, prompts, **vars(settings), controls=controls, on_step=advance)
    pictures = [each if path is None else path.crop(each) for each in made.images]
    save_image(beside(pictures, 0) if len(pictures) > 1 else pictures[0], output)
    size = f"{pictures[0].height}x{pictures[0].width}"
    steered = [("steered by", describe(each)) for each in controls]
    typer.echo(columns(("picture", output), ("seed", settings.seed), ("size", size), *steered))


@with_settings
def trace(
    prompt: options.Prompt,
    *,
    output: options.Output,
    image: options.GeneratedImage = None,
    selection: WordSelection,
    mode: options.Mode = "words",
    bins: options.StepBins = "",
    settings: GenerationSettings,
    model: options.ModelName = "papercut",
    view: View,
    save: options.Save = None,
    animate: options.Animate = None,
    masks: options.MaskFolder = None,
    mask_settings: MaskSettings,
    loading: LoadSettings,
) -> None:
    """Make a picture of PROMPT and draw what each word painted, over all steps."""
    from vxa.cli.mask_outputs import MaskOutputs
    from vxa.cli.model import check_prompt, load_quietly, tell_unknown_words
    from vxa.cli.trace_outputs import TraceOutputs, image_kept
    from vxa.generation.expected import expected_image, expected_maps
    from vxa.generation.traced_image import make_traced
    from vxa.io.images import check_image_path, save_image

    outputs = TraceOutputs(output, mode, selection, view, save, animate, MaskOutputs(masks, mask_settings))
    outputs.check()
    if image is not None:
        check_image_path(image)
    check_prompt(prompt)
    kept = outputs.bins(bins)
    loaded = load_quietly(model, loading)
    tell_unknown_words(loaded.name, f"{prompt} {settings.negative}")
    options: dict[str, Any] = {"bins": kept, "self_attention": selection.refine}
    expected = expected_maps(loaded, prompt, settings, **options)
    outputs.check_maps(expected, expected_image(expected))
    with progress("denoising", settings.steps) as advance, quiet():
        made = make_traced(loaded, prompt, settings, lambda found: advance(), options)
    if image is not None:
        save_image(made.image, image)
    with image_kept(made.image, image, output):
        made.check()
        rows = outputs.write(made.maps[0], made.image, image)
    if image is not None:
        rows.append(("image", image))
    typer.echo(columns(*rows))


@with_settings
def attribute(
    image: options.ImagePath,
    prompt: options.Prompt,
    *,
    output: options.Output,
    selection: WordSelection,
    mode: options.Mode = "words",
    timesteps: options.Timesteps = None,
    seeds: options.Seeds = "0",
    inversion: options.Inversion = None,
    steps: options.Steps = 20,
    bins: options.StepBins = "",
    max_side: options.MaxSide = 1024,
    model: options.ModelName = "papercut",
    view: View,
    save: options.Save = None,
    animate: options.Animate = None,
    masks: options.MaskFolder = None,
    mask_settings: MaskSettings,
    loading: LoadSettings,
) -> None:
    """Draw where the model sees each word of PROMPT in IMAGE, averaged over noise levels."""
    from vxa.cli.mask_outputs import MaskOutputs
    from vxa.cli.model import check_prompt, load_quietly, tell_unknown_words
    from vxa.cli.trace_outputs import TraceOutputs
    from vxa.io.images import read_image
    from vxa.maps.selection import token_groups
    from vxa.tracing.attribute import DEFAULT_LEVELS
    from vxa.tracing.attribute import attribute as attributed
    from vxa.tracing.timesteps import parse_timesteps

    outputs = TraceOutputs(output, mode, selection, view, save, animate, MaskOutputs(masks, mask_settings))
    outputs.check()
    drawn = _seeds(seeds)
    check_prompt(prompt)
    kept = outputs.bins(bins)
    picture = read_image(image)
    loaded = load_quietly(model, loading)
    tell_unknown_words(loaded.name, prompt)
    token_groups(loaded.tokenize(prompt), selection.words, selection.tokens)  # raises, before the passes
    levels = None if timesteps is None else parse_timesteps(timesteps, loaded.num_timesteps)
    total = steps if inversion else len(levels or DEFAULT_LEVELS) * len(drawn)
    with progress("denoising", total) as advance, quiet():
        maps = attributed(
            loaded, picture, prompt, levels, drawn, inversion,  # type: ignore[arg-type]
            steps=steps, bins=kept, self_attention=selection.refine, max_side=max_side,
            advance=lambda done, count: advance(),
        )  # fmt: skip
    typer.echo(columns(*outputs.write(maps, picture)))


@with_settings
def compare(
    first: options.FirstMaps,
    second: options.SecondMaps,
    *,
    output: options.Output,
    first_image: options.FirstImage = None,
    second_image: options.SecondImage = None,
    selection: WordSelection,
    against: options.AgainstInSecond = None,
    view: Annotated[View, Without("threshold")],
) -> None:
    """Draw two saved runs and their signed difference: two seeds, two prompts, with and without a LoRA."""
    from vxa.cli.outputs import saved_maps
    from vxa.io.images import check_image_path, save_image
    from vxa.pictures.compare import compare as compared

    check_image_path(output)
    one, other = (saved_maps(path, None) for path in (first, second))
    asked: dict[str, Any] = {**vars(selection), "heads": None}
    drawn = compared(one, other, first_image, second_image, **asked, against=against, **vars(view))
    save_image(drawn, output)
    instead = {} if against is None else {"words": against}
    apart = (one.heat_map(**asked) - other.heat_map(**{**asked, **instead})).upsampled()
    rows = [(name, shorten(each.provenance.prompt)) for name, each in (("A", one), ("B", other))]
    typer.echo(columns(*rows, ("A - B", f"{apart.min():.3g} … {apart.max():.3g}"), ("picture", str(output))))


def _seeds(text: str) -> tuple[int, ...]:
    """Return seeds written as "0, 1, 2". Raises SettingError."""
    entries = [entry.strip() for entry in text.split(",")]
    if not all(entry.isascii() and entry.isdigit() and len(entry) < 20 for entry in entries):
        raise SettingError(f'seeds {text[:80]!r} cannot be read; write whole numbers as in "0, 1, 2"')
    return tuple(dict.fromkeys(map(int, entries)))
