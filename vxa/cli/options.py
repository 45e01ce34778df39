"""Arguments and options of the command line: their names and help.

A command takes a settings class as one parameter, and `with_settings` gives it an option for each field:

    @with_settings
    def show(image: options.ImagePath, *, view: View) -> None: …
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from typer import Argument, Option

from vxa.generation.settings import GenerationSettings
from vxa.pictures.modes import MODES
from vxa.settings import Setting, Settings, setting_of, settings_of
from vxa.tracing.settings import PassSettings


def help_of(facts: Setting) -> str:
    """Return a setting's help, with the values it allows where the text does not say them."""
    return facts.help + (f" {facts.range.capitalize()}." if facts.choices else "")


def option(kind: type[Settings], name: str) -> Any:
    """Return the typer option of one setting."""
    facts = setting_of(kind, name)
    return Option(*facts.flags, help=help_of(facts))


@dataclass(frozen=True)
class Without:
    """Names of a settings class that a command does not take: `Annotated[View, Without("threshold")]`."""

    names: tuple[str, ...]

    def __init__(self, *names: str) -> None:
        object.__setattr__(self, "names", names)


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with an option for each field of the settings classes among its parameters."""
    hints = get_type_hints(command, include_extras=True)
    taken = {name: found for name, hint in hints.items() if (found := _settings_class(hint)) is not None}
    signature = inspect.signature(command)
    expanded: list[inspect.Parameter] = []
    for name, parameter in signature.parameters.items():
        if name in taken:
            expanded += [_parameter(kind, each) for kind, names in (taken[name],) for each in names]
        else:
            expanded.append(parameter.replace(annotation=hints[name]))

    @wraps(command)
    def run(**given: Any) -> None:
        for name, (kind, names) in taken.items():
            given[name] = kind(**{each: given.pop(each) for each in names})
        command(**given)

    del run.__wrapped__  # typer reads what the signature says
    run.__signature__ = signature.replace(parameters=expanded)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in expanded}
    return run


def _settings_class(hint: Any) -> tuple[type[Settings], tuple[str, ...]] | None:
    left_out: tuple[str, ...] = ()
    if get_origin(hint) is Annotated:
        hint, *marks = get_args(hint)
        left_out = tuple(name for mark in marks if isinstance(mark, Without) for name in mark.names)
    if not (isinstance(hint, type) and issubclass(hint, Settings)):
        return None
    return hint, tuple(name for name in settings_of(hint) if name not in left_out)


def _parameter(kind: type[Settings], name: str) -> inspect.Parameter:
    default = next(one.default for one in fields(kind) if one.name == name)  # type: ignore[arg-type]
    hint: Any = Annotated[_type_of(default, setting_of(kind, name)), option(kind, name)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)


def _type_of(default: Any, facts: Setting) -> Any:
    """Return the type of a value on the command line; choices stay text, to be refused in one sentence."""
    if default is None:
        return float | None if facts.high is not None else str | None
    return type(default)


def _one_of(names: Any) -> str:
    return f"One of {', '.join(names)}."


ImagePath = Annotated[Path, Argument(help="The image to look at.", show_default=False)]
Prompts = Annotated[
    list[str], Argument(help="What each picture shows, in words.", show_default=False, metavar="PROMPT")
]
SourceImage = Annotated[
    Path | None,
    Option(
        "--image",
        help="A real image that the first prompt describes: inverted, and kept as the first picture.",
        show_default=False,
    ),
]
Controls = Annotated[
    list[str],
    Option(
        "--control",
        help="Steer with NAME, or NAME:setting=value,…; see vxa controls. The first of several is outermost.",
        show_default=False,
    ),
]
Prompt = Annotated[str, Argument(help="What the image shows, in words.", show_default=False)]
OptionalPrompt = Annotated[str | None, Argument(help="Its prompt; not with --maps.", show_default=False)]
Output = Annotated[Path, Option("--output", "-o", help="The picture to write: .png, .jpg, .webp …")]
SceneOutput = Annotated[
    Path, Option("--output", "-o", help="The folder to write, new or empty; or a picture, such as scene.png.")
]
WebuiFolder = Annotated[
    Path, Argument(help="The webui's models/Stable-diffusion, or any folder.", show_default=False)
]
ModelName = Annotated[
    str, Option("--model", help="papercut, a diffusers folder, a .safetensors checkpoint, or a hub id.")
]
ModelNames = Annotated[
    list[str],
    Option(
        "--model",
        help="papercut, a diffusers folder, a .safetensors checkpoint, or a hub id. Give several to choose "
        "among them on the page, the first one to begin with.",
        show_default=False,
    ),
]
ModelFolders = Annotated[
    list[Path],
    Option("--models", help="Choose on the page among the models in this folder, too.", show_default=False),
]
Version = Annotated[bool, Option("--version", help="Show the version and leave.")]

Mode = Annotated[str, Option(help=_one_of(MODES))]
Against = Annotated[str | None, Option(help="Words to compare with, in mode difference. Blank: all.")]
AgainstTokens = Annotated[str | None, Option(help="Token indices to compare with, instead of words.")]
Timesteps = Annotated[str | None, Option(help="Several noise levels: 1, 100, 300.")]
MaxSide = Annotated[int, option(PassSettings, "max_side")]
Steps = Annotated[int, option(GenerationSettings, "steps")]
Save = Annotated[Path | None, Option(help="Save the maps here too: an .npz, and a .json beside it.")]
SavedMaps = Annotated[Path | None, Option("--maps", help="Read maps saved before; no model runs.")]

GeneratedImage = Annotated[Path | None, Option("--image", help="Write the picture that was made here.")]
StepBins = Annotated[
    str, Option("--bins", help="Step bins to keep: a number, or each. Blank: as few as shown.")
]
Animate = Annotated[Path | None, Option(help="Write the maps over the steps here: .gif, .png or .apng.")]
MaskFolder = Annotated[Path | None, Option("--masks", help="Write a mask of each word, and coco.json, here.")]
Seeds = Annotated[str, Option(help="Seeds of the noise, averaged: 0, 1, 2.")]
Inversion = Annotated[str | None, Option(help="ddim: follow the sampler backwards instead of adding noise.")]
FirstMaps = Annotated[Path, Argument(help="Saved maps, an .npz.", show_default=False)]
SecondMaps = Annotated[Path, Argument(help="The saved maps to compare them with.", show_default=False)]
FirstImage = Annotated[Path | None, Option("--image", help="The first run's image.")]
SecondImage = Annotated[Path | None, Option("--second-image", help="The second run's image.")]
AgainstInSecond = Annotated[str | None, Option("--against", help="Words to ask the second run instead.")]

Host = Annotated[str, Option(help="The address to listen at; 0.0.0.0 is every one of this machine.")]
Port = Annotated[int, Option(help="The port to listen at.", min=1, max=65535)]
Browser = Annotated[bool, Option("--browser/--no-browser", help="Open the page in the browser.")]

TrajectoryOutput = Annotated[
    Path, Option("--output", "-o", help="The trajectory to write: .safetensors.", show_default=False)
]
SourcePrompt = Annotated[str, Argument(help="What the image shows, in words.", show_default=False)]
TargetPrompt = Annotated[str, Argument(help="What it is to show instead.", show_default=False)]
CrossUntil = Annotated[
    float | None, Option(help="Share of the steps in which words attend as the source's do. [default: 0.8]")
]
SelfUntil = Annotated[
    float | None, Option(help="Share of the steps in which the layout is the source's. [default: 0.4]")
]
LocalBlend = Annotated[
    str | None, Option(help="Words that name what may change: all else stays. Blank: everything may.")
]

SceneSeed = Annotated[int, Option("--seed", help="Which scene.")]
Split = Annotated[str, Option(help="train, dev or test.")]

Methods = Annotated[str | None, Option(help="Names, as in default, daam, daam (best). Blank: all.")]
Scenes = Annotated[int, Option(help="How many rendered scenes.")]
Generated = Annotated[int, Option(help="How many pictures made from their captions.")]
FirstSeed = Annotated[int, Option("--seed", help="The first scene, and seed of the pictures.")]
ReportFolder = Annotated[Path | None, Option("--report", help="A new folder for the report and its page.")]
