"""What the page shows, as the settings of an infotext, and back: a picture tells how it was made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from vxa.io.infotext import Infotext
from vxa.maps.attention_maps import AttentionMaps
from vxa.maps.settings import Selection
from vxa.pictures.modes import MODES
from vxa.pictures.view import COLORMAPS, RESAMPLES, VIEW_NORMALIZATIONS, View
from vxa.settings import settings_of
from vxa.tokens import parse_indices
from vxa.tracing.settings import NOISES, PassSettings
from vxa.ui import strings
from vxa.ui.asked import Asked, usual_threshold
from vxa.version import __version__

__all__ = ["ENTRIES", "Entry", "recorded", "written"]

_VERSION = "VXA version"
_MOST = 2000  # characters of what people write into a box


class Entry(NamedTuple):
    """A setting of an infotext, and the control of the page that it is of.

    Attributes:
        control: the control's elem_id.
        name: the setting's name.
        read: the control's value. Raises ValueError where the control knows no such value.
        default: the control's value in a record of ours that does not name it; None where it always does.
    """

    control: str
    name: str
    read: Callable[[str], Any]
    default: Any = None


def _one_of(choices: Sequence[str]) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in choices:
            raise ValueError(value)
        return value

    return read


def _fraction(value: str) -> float:
    if not 0 <= (number := float(value)) <= 1:
        raise ValueError(value)
    return number


def _short(value: str) -> str:
    if len(value) > _MOST:
        raise ValueError(value)
    return value


def _up_to(most: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if len(value) > 20 or not 0 <= (number := int(value)) <= most:
            raise ValueError(value)
        return number

    return read


def _truth(value: str) -> bool:
    if value not in ("True", "False"):
        raise ValueError(value)
    return value == "True"


# The names of the settings in an infotext; two are not of the schema.
_NAMES = {"mode": "VXA mode", "against_tokens": "VXA against"} | {
    name: one.entry for kind in (Selection, View, PassSettings) for name, one in settings_of(kind).items()
}

ENTRIES = (
    Entry("vxa_noise_seed", _NAMES["seed"], _up_to(2**53 - 1)),
    Entry("vxa_timestep", _NAMES["timestep"], _up_to(999)),
    Entry("vxa_noise", _NAMES["noise"], _one_of(NOISES)),
    Entry("vxa_indices", _NAMES["tokens"], _short, Asked.selection),
    Entry("vxa_against", "VXA against", _short, Asked.against),
    Entry("vxa_sites", _NAMES["sites"], _short, strings.DEFAULT_SITES),
    Entry("vxa_heads", _NAMES["heads"], _short, Asked.heads),
    Entry("vxa_refine", _NAMES["refine"], _truth, Asked.refine),
    Entry("vxa_mode", "VXA mode", _one_of(tuple(MODES))),
    Entry("vxa_opacity", _NAMES["opacity"], _fraction, Asked.opacity),
    Entry("vxa_threshold", _NAMES["threshold"], _fraction, Asked.threshold),
    Entry("vxa_colormap", _NAMES["colormap"], _one_of(tuple(COLORMAPS)), Asked.colormap),
    Entry("vxa_normalize", _NAMES["normalize"], _one_of(VIEW_NORMALIZATIONS), Asked.normalize),
    Entry("vxa_resample", _NAMES["resample"], _one_of(RESAMPLES), Asked.resample),
    Entry("vxa_timesteps", "VXA timesteps", _short),
)
"""All but the prompt, which is an infotext's own."""
_SELECTIONS = ("vxa_indices", "vxa_against")


def written(passes: Sequence[AttentionMaps], asked: Asked) -> Infotext:
    """How the page's picture was made, of these passes over one image."""
    made, settings = passes[0].provenance, asked.settings()
    height, width = passes[0].image_size
    named = {
        "Seed": made.seed,
        "Size": f"{width}x{height}",
        "Model": made.model,
        _VERSION: __version__,
        "VXA timestep": made.timestep,
        "VXA noise": made.noise,
        **({"VXA timesteps": _several(passes)} if asked.mode == "timesteps" else {}),
        **({"VXA words": _words(passes[0], settings["tokens"])} if "tokens" in settings else {}),
        **{_NAMES[name]: value for name, value in settings.items()},
    }
    return Infotext(made.prompt, {name: str(value) for name, value in named.items() if str(value).strip()})


def _several(passes: Sequence[AttentionMaps]) -> str:
    return ", ".join(str(maps.provenance.timestep) for maps in passes)


def _words(maps: AttentionMaps, tokens: str) -> str:
    """The words that the indices choose, for people; blank where they choose no whole word."""
    chosen = set(parse_indices(tokens, len(maps.tokens)))
    return ", ".join(word.text for word in maps.words if chosen.issuperset(word.tokens))


def recorded(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the controls that the settings tell, by elem_id.

    A record of ours tells all of them; another's tells that words of the prompt before are no longer chosen.
    A value that its control does not know is left out. Such a selection is blank, for what stands in its box
    is of another prompt.
    """
    ours = _VERSION in settings
    found: dict[str, Any] = {}
    for entry in ENTRIES:
        if entry.name in settings:
            try:
                found[entry.control] = entry.read(str(settings[entry.name]).strip())
            except ValueError:
                if entry.control not in _SELECTIONS:
                    continue
                found[entry.control] = entry.default
        elif entry.default is not None and (ours or entry.control in _SELECTIONS):
            found[entry.control] = entry.default
    if found.get("vxa_refine") and "VXA threshold" not in settings:
        found["vxa_threshold"] = usual_threshold(True)
    return found
