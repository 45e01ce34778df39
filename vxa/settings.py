"""One schema of settings: frozen dataclasses whose fields carry label, help, range and default.

    @dataclass(frozen=True)
    class View(Settings):
        opacity: float = setting(0.8, "Opacity", "Of an overlay, 0 to 1.", low=0, high=1)

    View(opacity=2)                       # SettingError: opacity 2 is out of range; give a number from 0 to 1
    setting_of(View, "opacity").label     # "Opacity"

The command line, the page, the webui's accordion, infotexts, the HTTP API and the documents are made from
these. Importing a settings class loads neither numpy nor torch, so that `vxa --help` answers at once.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any

from vxa.errors import SettingError

__all__ = ["Setting", "Settings", "same", "setting", "setting_of", "settings_of"]

_KEY = "setting"
_BOUNDLESS = 2**31  # a bound that nobody reaches is not told


@dataclass(frozen=True)
class Setting:
    """Facts of one field of a settings class.

    Attributes:
        label: its name on a page.
        help: what it does, in one sentence; the range in words, where it has one.
        choices: the values allowed; none for any.
        low, high: the least and greatest number allowed; None for no bound.
        step: how finely a slider moves.
        flags: what the command line calls it; none for --NAME.
        entry: its name in an infotext; blank where it is not written.
    """

    label: str
    help: str
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    step: float | None = None
    flags: tuple[str, ...] = ()
    entry: str = ""

    @property
    def range(self) -> str:
        """Allowed values in words; blank where every value is."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        if self.high is not None and self.high < _BOUNDLESS:
            return f"{self.low:g} to {self.high:g}"
        return f"{self.low:g} or more" if self.low is not None else ""


class Settings:
    """Base of the settings classes: every field made with `setting` is checked.

    Raises SettingError for a value that is not allowed.
    """

    def __post_init__(self) -> None:
        for name, facts in settings_of(type(self)).items():
            value = getattr(self, name)
            if value is not None or getattr(type(self), name, "") is not None:
                _check(name, value, facts)


def setting(default: Any, label: str, help: str, **facts: Any) -> Any:
    """Return the dataclass field of a setting; `facts` are those of `Setting`.

    A default that is a type, as dict, is called for each object.
    """
    metadata = {_KEY: Setting(label, help, **facts)}
    if isinstance(default, type):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def settings_of(kind: type[Any]) -> Mapping[str, Setting]:
    """Return the facts of every setting of a class, by name, in order."""
    return {one.name: one.metadata[_KEY] for one in fields(kind) if _KEY in one.metadata}


def setting_of(kind: type[Any], name: str) -> Setting:
    """Return the facts of one setting."""
    return settings_of(kind)[name]


def same(kind: type[Any], name: str, *default: Any, **facts: Any) -> Any:
    """Return a field with the default and the facts of another class's setting, but for those given."""
    found: Field[Any] = next(one for one in fields(kind) if one.name == name)
    return field(
        default=default[0] if default else found.default,
        metadata={_KEY: replace(found.metadata[_KEY], **facts)},
    )


def _check(name: str, value: Any, facts: Setting) -> None:
    if facts.choices and not (isinstance(value, str) and value in facts.choices):
        raise SettingError(f"{name} {value!r} is unknown; choose one of {', '.join(facts.choices)}")
    if facts.low is None and facts.high is None:
        return
    kind = numbers.Integral if isinstance(facts.step, int) else numbers.Real
    number = isinstance(value, kind) and not isinstance(value, bool) and math.isfinite(value)
    low = -math.inf if facts.low is None else facts.low
    high = math.inf if facts.high is None else facts.high
    if not number or not low <= value <= high:
        whole = "a whole number" if isinstance(facts.step, int) else "a number"
        bounds = f"from {facts.low} to {facts.high}" if facts.high is not None else f"of {facts.low} or more"
        raise SettingError(f"{name} {value!r} is out of range; give {whole} {bounds}")
