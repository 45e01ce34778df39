"""Options of a traced generation: the accordion's controls, the API's arguments, the infotext's entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from vxa.errors import SettingError
from vxa.maps.settings import Selection
from vxa.pictures.view import View
from vxa.settings import same, setting, settings_of
from vxa.webui import strings

__all__ = ["EACH", "ENTRY", "GRID", "NEGATIVE", "PICTURES", "STEPS", "TraceOptions", "pasted_value"]

EACH, GRID, NEGATIVE, STEPS = "each word", "grid", "negative words", "steps"
PICTURES = (EACH, GRID, NEGATIVE, STEPS)

ENTRY = "VXA trace"
"""Entry in the infotext of every traced image; the names of the other entries begin with it."""


@dataclass(frozen=True)
class TraceOptions:
    """Values of the controls, in the order in which the webui's API takes them.

    Attributes:
        enabled: whether to trace at all.
        words: as in `AttentionMaps.heat_map`; blank is every word.
        show: some of PICTURES.
        colormap, opacity: as in View.
        sites: in the grammar of `vxa.attention.sites`; blank is the model's default sites.
        save: whether heat maps are saved beside their image.
        live: whether the webui's live preview shows the maps so far.
        refine: whether maps are refined by self-attention, which is then traced too.
    """

    enabled: bool = False
    words: str = setting("", strings.TRACED_WORDS, strings.TRACED_WORDS_HINT, entry=f"{ENTRY} words")
    show: tuple[str, ...] = (EACH,)
    colormap: str = same(View, "colormap", entry=f"{ENTRY} colour map")
    opacity: float = same(View, "opacity", entry=f"{ENTRY} opacity")
    sites: str = setting("", strings.TRACED_SITES, strings.TRACED_SITES_HINT, entry=f"{ENTRY} sites")
    save: bool = setting(False, strings.TRACED_SAVE, "", entry=f"{ENTRY} saved")
    live: bool = setting(False, strings.TRACED_LIVE, "", entry=f"{ENTRY} live")
    refine: bool = same(Selection, "refine", entry=f"{ENTRY} refined")

    @classmethod
    def of(cls, arguments: Sequence[Any], overrides: Mapping[str, Any] | None = None) -> TraceOptions:
        """Return the options that the script's arguments mean: in order, or by name in a first object.

        `overrides`, from the axes of a plot, take precedence and turn tracing on.

        Raises:
            SettingError: a name or a value is unknown.
        """
        names = cls.names()
        by_name = bool(arguments) and isinstance(arguments[0], Mapping)
        named = dict(arguments[0]) if by_name else dict(zip(names, arguments, strict=False))
        for name in named:
            if name not in names:
                raise SettingError(strings.unknown_name(str(name), names))
        if by_name:
            named.setdefault("enabled", True)
        if overrides:
            named |= {"enabled": True, **overrides}
        options = cls(**{name: value for name, value in named.items() if value is not None})
        return options._validate() if options.enabled else cls()

    @classmethod
    def names(cls) -> list[str]:
        """Return the names of the arguments, in order."""
        return [one.name for one in fields(cls)]

    @property
    def view(self) -> View:
        """Colour map and opacity of the pictures."""
        return View(colormap=self.colormap, opacity=self.opacity)

    @property
    def phrases(self) -> tuple[str, ...]:
        """Requested words and phrases without duplicates; empty for every word."""
        return tuple(dict.fromkeys(part.strip() for part in self.words.split(",") if part.strip()))

    def entries(self) -> dict[str, str]:
        """Return the infotext's entries: always `show`, and every other option that is not the default."""
        mine, defaults = asdict(self), asdict(TraceOptions())
        rest = {name: mine[name] for name in _ENTRIES if mine[name] != defaults[name]}
        return {ENTRY: " + ".join(self.show), **{_ENTRIES[name]: str(value) for name, value in rest.items()}}

    def _validate(self) -> TraceOptions:
        """Return the options with values of the right type. Raises SettingError for a wrong value."""
        if not isinstance(self.show, (str, list, tuple)):
            raise SettingError(strings.wrong_type("show", self.show, "array"))
        show = (self.show,) if isinstance(self.show, str) else tuple(self.show)
        for one in show:
            if one not in PICTURES:
                raise SettingError(strings.not_shown(str(one), PICTURES))
        for name in ("words", "sites"):
            if not isinstance(getattr(self, name), str):
                raise SettingError(strings.wrong_type(name, getattr(self, name), "string"))
        valid = replace(
            self, words=self.words.strip(), show=show, sites=self.sites.strip(), save=bool(self.save),
            live=bool(self.live), refine=bool(self.refine),
        )  # fmt: skip
        valid.view  # noqa: B018  raises for an unknown colour map or opacity
        return valid


_ENTRIES = {name: facts.entry for name, facts in settings_of(TraceOptions).items()}


def pasted_value(name: str, entries: Mapping[str, Any]) -> Any:
    """Return the control's value from an infotext's entries; None leaves the control as it is."""
    if ENTRY not in entries:
        return None
    if name == "enabled":
        return True
    if name == "show":
        return [one for one in str(entries[ENTRY]).split(" + ") if one in PICTURES]
    default = getattr(TraceOptions(), name)
    value = entries.get(_ENTRIES[name])
    return default if value is None else _parse(str(value), default)


def _parse(value: str, default: Any) -> Any:
    """Parse a value of the default's type; return the default for a number that cannot be read."""
    if isinstance(default, bool):
        return value == "True"
    if not isinstance(default, float):
        return value
    try:
        return float(value)
    except ValueError:
        return default
