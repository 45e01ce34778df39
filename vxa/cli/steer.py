"""`vxa invert` and `vxa edit`: real images, inverted and edited."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from vxa.cli import options
from vxa.cli.console import columns, note, progress, quiet
from vxa.cli.options import with_settings
from vxa.models.settings import LoadSettings
from vxa.settings import same
from vxa.tracing.settings import InversionSettings

if TYPE_CHECKING:
    from PIL import Image

    from vxa.steering.trajectory import Trajectory

__all__ = ["edit", "invert", "invert_quietly", "load_with_ddim"]

_GAP = 8  # pixels between source and target


@dataclass(frozen=True)
class EditSettings(InversionSettings):
    """Settings of an inversion that is made to edit the image."""

    method: str = same(InversionSettings, "method", "direct")


@with_settings
def invert(
    image: options.ImagePath,
    prompt: options.Prompt,
    *,
    output: options.TrajectoryOutput,
    settings: InversionSettings,
    model: options.ModelName = "papercut",
    loading: LoadSettings,
) -> None:
    """Invert IMAGE, which PROMPT describes, to the latents from which the model makes it again."""
    from vxa.cli.model import check_prompt
    from vxa.io.images import read_image
    from vxa.steering.trajectory import check_trajectory_path

    check_trajectory_path(output)
    check_prompt(prompt)
    picture = read_image(image)
    found = invert_quietly(load_with_ddim(model, loading, prompt), picture, prompt, settings)
    found.write(output)
    size = "x".join(map(str, found.latent_size))
    typer.echo(
        columns(("trajectory", output), ("method", found.method), ("steps", found.steps), ("latents", size))
    )


@with_settings
def edit(
    image: options.ImagePath,
    source: options.SourcePrompt,
    target: options.TargetPrompt,
    *,
    output: options.Output,
    settings: EditSettings,
    cross_until: options.CrossUntil = None,
    self_until: options.SelfUntil = None,
    local_blend: options.LocalBlend = None,
    model: options.ModelName = "papercut",
    loading: LoadSettings,
) -> None:
    """Change IMAGE from what SOURCE says to what TARGET says; write it made again, and changed."""
    from vxa.cli.model import check_prompt
    from vxa.generation.generate import generate
    from vxa.io.images import check_image_path, read_image, save_image
    from vxa.pictures.layout import beside
    from vxa.steering import FromTrajectory, PromptToPrompt

    check_image_path(output)
    for text in (source, target):
        check_prompt(text)
    asked = {"cross_until": cross_until, "self_until": self_until, "local_blend": local_blend}
    given: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    control = PromptToPrompt(**given)
    picture = read_image(image)
    loaded = load_with_ddim(model, loading, f"{source} {target}")
    path = invert_quietly(loaded, picture, source, settings)
    with progress("denoising", settings.steps) as advance, quiet():
        made = generate(
            loaded, [source, target], steps=settings.steps, guidance=settings.guidance,
            controls=[FromTrajectory(path), control], on_step=advance,
        )  # fmt: skip
    pair = [path.crop(each) for each in made.images]
    save_image(beside(pair, _GAP), output)
    size = f"{pair[0].height}x{pair[0].width}"
    typer.echo(columns(("picture", output), ("method", settings.method), ("size", f"two of {size}")))


def load_with_ddim(name: str, loading: LoadSettings, prompt: str) -> Any:
    """Load the named model, with a DDIM scheduler."""
    from vxa.cli.model import load_quietly, tell_unknown_words

    model: Any = load_quietly(name, loading)
    tell_unknown_words(model.name, prompt)
    from vxa.models.loading import set_ddim

    if replaced := set_ddim(model):
        note(f"the model's {replaced} was exchanged for DDIM's, which an inversion needs")
    return model


def invert_quietly(model: Any, picture: Image.Image, prompt: str, settings: InversionSettings) -> Trajectory:
    """Invert a picture, with its progress."""
    from vxa.steering.invert import invert as inverted

    total = settings.steps * (2 if settings.method == "null-text" else 1)
    with progress("inverting", total) as advance, quiet():
        return inverted(model, picture, prompt, **vars(settings), on_step=advance)
