"""What a person wants of a traced generation: the accordion's controls, the API's arguments, the infotext."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from vxa.errors import SettingError
from vxa.pictures.view import View
from vxa.webui import strings

__all__ = ["EACH", "ENTRY", "GRID", "NEGATIVE", "SHOWN", "STEPS", "TraceOptions", "pasted"]

EACH, GRID, NEGATIVE, STEPS = "each word", "grid", "negative words", "steps"
SHOWN = (EACH, GRID, NEGATIVE, STEPS)

ENTRY = "VXA trace"
"""The infotext's entry of every traced image; its other entries begin with it."""


@dataclass(frozen=True)
class TraceOptions:
    """The controls, in the order in which the webui's API takes them.

    Attributes:
        enabled: whether to trace at all.
        words: as in `vxa.maps.heat_map`; blank is every word.
        show: some of SHOWN.
        colormap, opacity: as in View.
        sites: in the grammar of `vxa.attention.sites`; blank is the model's choice.
        save: whether heat maps are saved beside their image.
        live: whether the webui's live preview shows the maps so far.
        refine: whether maps are spread by self-attention, which is traced too then.
    """

    enabled: bool = False
    words: str = ""
    show: tuple[str, ...] = (EACH,)
    colormap: str = View.colormap
    opacity: float = View.opacity
    sites: str = ""
    save: bool = False
    live: bool = False
    refine: bool = False

    @classmethod
    def of(cls, given: Sequence[Any], instead: Mapping[str, Any] | None = None) -> TraceOptions:
        """What the arguments mean: in order, or by name in one object that stands first.

        `instead` stands over them, and wants to be traced: the axes of a plot.

        Raises:
            SettingError: a name or a value that is none of ours.
        """
        names = cls.names()
        by_name = bool(given) and isinstance(given[0], Mapping)
        named = dict(given[0]) if by_name else dict(zip(names, given, strict=False))
        for name in named:
            if name not in names:
                raise SettingError(strings.unknown_name(str(name), names))
        if by_name:
            named.setdefault("enabled", True)
        if instead:
            named |= {"enabled": True, **instead}
        wanted = cls(**{name: value for name, value in named.items() if value is not None})
        return wanted._checked() if wanted.enabled else cls()

    @classmethod
    def names(cls) -> list[str]:
        """The arguments' names, in order."""
        return [one.name for one in fields(cls)]

    @property
    def view(self) -> View:
        """How maps are shown."""
        return View(colormap=self.colormap, opacity=self.opacity)

    @property
    def phrases(self) -> tuple[str, ...]:
        """The words, one by one; none where every word is wanted."""
        return tuple(dict.fromkeys(part.strip() for part in self.words.split(",") if part.strip()))

    def entries(self) -> dict[str, str]:
        """The infotext's entries: what is shown, and the rest where it is not the default."""
        mine, usual = asdict(self), asdict(TraceOptions())
        rest = {name: mine[name] for name in _ENTRIES if mine[name] != usual[name]}
        return {ENTRY: " + ".join(self.show), **{_ENTRIES[name]: str(value) for name, value in rest.items()}}

    def _checked(self) -> TraceOptions:
        if not isinstance(self.show, (str, list, tuple)):
            raise SettingError(strings.wrong_type("show", self.show, "array"))
        shown = (self.show,) if isinstance(self.show, str) else tuple(self.show)
        for one in shown:
            if one not in SHOWN:
                raise SettingError(strings.not_shown(str(one), SHOWN))
        for name in ("words", "sites"):
            if not isinstance(getattr(self, name), str):
                raise SettingError(strings.wrong_type(name, getattr(self, name), "string"))
        checked = replace(
            self, words=self.words.strip(), show=shown, sites=self.sites.strip(), save=bool(self.save),
            live=bool(self.live), refine=bool(self.refine),
        )  # fmt: skip
        checked.view  # noqa: B018  raises for what it does not know
        return checked


_ENTRIES = {
    "words": f"{ENTRY} words",
    "colormap": f"{ENTRY} colour map",
    "opacity": f"{ENTRY} opacity",
    "sites": f"{ENTRY} sites",
    "save": f"{ENTRY} saved",
    "live": f"{ENTRY} live",
    "refine": f"{ENTRY} refined",
}


def pasted(name: str, told: Mapping[str, Any]) -> Any:
    """The control's value that an infotext's entries tell; None leaves the control as it is."""
    if ENTRY not in told:
        return None
    if name == "enabled":
        return True
    if name == "show":
        return [one for one in str(told[ENTRY]).split(" + ") if one in SHOWN]
    usual = getattr(TraceOptions(), name)
    value = told.get(_ENTRIES[name])
    return usual if value is None else _as(usual, str(value))


def _as(usual: Any, value: str) -> Any:
    if isinstance(usual, bool):
        return value == "True"
    if not isinstance(usual, float):
        return value
    try:
        return float(value)
    except ValueError:
        return usual
