"""What the panel is told: a model, or saved maps that stand for one, as plain values and functions.

    Backend(model="papercut", …, run=…)

The panel imports no model library; a host fills this in with its own model, its own lock and its defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PIL import Image

from vxa.attention.sites import Site
from vxa.io.infotext import Infotext, read_infotext
from vxa.maps.attention_maps import AttentionMaps
from vxa.tokens import Token
from vxa.tracing.settings import PassSettings
from vxa.ui import strings
from vxa.ui.steering import Steering

__all__ = [
    "Backend",
    "Example",
    "LoadStatus",
    "ModelFacts",
    "Models",
    "Paint",
    "Painted",
    "Progress",
    "Run",
    "is_offered",
    "site_labels",
    "site_spec",
]

Progress = Callable[[float, str], None]
"""Told a fraction done and what is being done, as often as one likes; it raises to stop the work."""

_SEPARATOR = " · "


class Run(Protocol):
    """One pass of the model, when its turn has come."""

    def __call__(
        self,
        image: Image.Image,
        prompt: str,
        timestep: int,
        noise: str,
        seed: int,
        progress: Progress,
        sites: str | None = None,
        refine: bool = False,
    ) -> AttentionMaps:
        """The maps of `sites`, in their grammar; None is every site that a person may ask for.

        `refine` records self-attention too.
        """


@dataclass(frozen=True, eq=False)
class Painted:
    """An image that the model made of a prompt, or is making, and its attention so far.

    Attributes:
        image: the image.
        maps: what was traced; None where that came to nothing, as `problem` says.
        problem: what went wrong beside the image: tracing it, or showing it while it was painted.
        others: those that a control made together with it.
    """

    image: Image.Image
    maps: AttentionMaps | None
    problem: Exception | None = None
    others: tuple[Painted, ...] = ()


class Paint(Protocol):
    """Making an image, when its turn has come."""

    def __call__(
        self,
        prompt: str,
        seed: int,
        refine: bool,
        progress: Progress,
        seen: Callable[[Painted], None],
        steering: Steering | None = None,
    ) -> Painted:
        """The image and what was traced; `seen` is shown both as far as they are, now and then.

        `refine` traces self-attention too. `steering` makes more pictures together with that of the prompt,
        which is what `seen` is shown.
        """


@dataclass(frozen=True, eq=False)
class Example:
    """An image file to begin with, and what it shows.

    Attributes:
        path: the file.
        prompt: what it shows.
        scene: the seed of the papercut scene that it is; None for another image.
    """

    path: Path
    prompt: str
    scene: int | None = None


@dataclass(frozen=True)
class LoadStatus:
    """What there is to say of the page's model.

    Attributes:
        number: another one after each change.
        model: the name of the model that is being loaded, or else of the one that is there.
        loading: how far it is, in words; blank while nothing is being loaded.
        fraction: how far it is.
        placed: the precision and the device of the model that is there, in words; blank for none.
        problem: why the last one was not loaded, in a sentence; blank for nothing.
    """

    number: int
    model: str
    loading: str = ""
    fraction: float = 0.0
    placed: str = ""
    problem: str = ""


@dataclass(frozen=True)
class ModelFacts:
    """The facts of a model that the page's controls depend on.

    Attributes:
        model: its name in provenance.
        sites: labels to choose a site by; see site_labels.
        timesteps: how many noise levels there are.
    """

    model: str
    sites: tuple[str, ...]
    timesteps: int


class Models(Protocol):
    """Models among which a page lets one choose. They are loaded while the page is up."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the models."""

    @property
    def status(self) -> LoadStatus:
        """What there is to say of the model now."""

    @property
    def facts(self) -> ModelFacts | None:
        """The facts of the model that is there; None while there is none."""

    def choose(self, name: str) -> None:
        """Begin to load the model of that name. Raises SettingError where no model has it."""

    def hold(self, progress: Progress) -> AbstractContextManager[object]:
        """A block in which the model stays the same; it begins when there is one."""


@dataclass(frozen=True, eq=False)
class Backend:
    """The facts of one model.

    Attributes:
        model: what people call it.
        source: what `vxa --model` and `vxa.load` are given for the model of that name.
        tokenize: a prompt's tokens, without running the model.
        run: see Run; the backend itself sees to it that one pass runs at a time, in the order of asking.
        sites: labels to choose a site by at first; see site_labels.
        timesteps: how many noise levels there are.
        timestep, noise: what the controls say at first.
        examples: pictures to begin with; the first one is shown.
        paint: see Paint; None where the model cannot.
        expected: stand-in maps like those that `paint` will give of a prompt, with self-attention where the
            second argument says so: what they cannot answer is refused before an image is made. None where
            they are not known.
        made: how the image in a file was made, where it says so.
        keep: saves a picture among the host's own, with how it was made; its name. None where it has none.
        keeps_all: whether the picture of every pass is to be saved so.
        current_sites: the labels for the model of this moment, none before there is one; None where the model
            never changes.
        models: models to choose among; None where the page offers no choice.
    """

    model: str
    source: Callable[[str], str]
    tokenize: Callable[[str], Sequence[Token]]
    run: Run
    sites: tuple[str, ...]
    timesteps: int = 1000
    timestep: int = PassSettings.timestep
    noise: str = PassSettings.noise
    examples: tuple[Example, ...] = ()
    paint: Paint | None = None
    expected: Callable[[str, bool], AttentionMaps] | None = None
    made: Callable[[str], Infotext | None] = read_infotext
    keep: Callable[[Image.Image, Infotext], str] | None = None
    keeps_all: Callable[[], bool] = lambda: False
    current_sites: Callable[[], tuple[str, ...]] | None = None
    models: Models | None = None


def site_labels(
    sites: Sequence[Site], default_sites: str, latent_size: tuple[int, int] | None
) -> tuple[str, ...]:
    """What the dropdown offers: the model's default, all, the parts, and each site: "mid 8×8 · M00".

    `default_sites` is blank where it is not known yet.
    """
    cross = [site for site in sites if site.kind == "cross"]
    default = f" ({default_sites.replace(',', ', ')})" if default_sites else ""
    parts = dict.fromkeys(site.part for site in cross)
    groups = [f"{strings.PARTS[part]}{_SEPARATOR}{part}" for part in parts if len(parts) > 1]
    return (
        f"{strings.DEFAULT_SITES}{default}",
        f"{strings.ALL_SITES}{_SEPARATOR}all",
        *groups,
        *(_site_label(site, latent_size) for site in cross),
    )


def _site_label(site: Site, latent_size: tuple[int, int] | None) -> str:
    grid = f"1/{site.factor}" if latent_size is None else "{}×{}".format(*site.grid(latent_size))
    return f"{site.part} {grid}{_SEPARATOR}{site.label}"


def is_offered(label: str) -> bool:
    """Whether the label is of a list, and not what somebody wrote themselves."""
    return _SEPARATOR in label or label.startswith(strings.DEFAULT_SITES)


def site_spec(label: str | None) -> str | None:
    """What the library calls the choice: None for the model's default, else in the grammar of sites.

    What somebody wrote themselves ("mid, OUT04") is taken as it is.
    """
    chosen = (label or "").strip()
    if not chosen or chosen.startswith(strings.DEFAULT_SITES):
        return None
    return chosen.rpartition(_SEPARATOR)[2].strip()
