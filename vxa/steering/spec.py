"""Controls written as text, as on a command line.

    parse_control("prompt-to-prompt:cross_until=0.6,local_blend=ball")
    parse_control("reweight:words=red*2,hat*0.5")
    parse_factors("red*2, hat*0.5")          # {"red": 2.0, "hat": 0.5}

A comma ends a value only where `name=` follows.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from typing import Any

from vxa.errors import SettingError
from vxa.settings import Setting, setting_of, settings_of
from vxa.steering import CONTROLS
from vxa.steering.control import Control

__all__ = ["name_of", "parse_control", "parse_factors", "values_of", "write_control"]

_BOOLEANS = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}


def name_of(kind: type[Control]) -> str:
    """Return a control's name on the command line: "prompt-to-prompt"."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower()


def parse_control(text: str) -> Control:
    """Return the control that a text describes. Raises SettingError."""
    name, _, rest = text.partition(":")
    kind = _kind_of(name.strip())
    settings = _settings(kind)
    given: dict[str, Any] = {}
    for part in re.split(r",(?=\s*\w+\s*=)", rest) if rest.strip() else ():
        key, equals, value = part.partition("=")
        key = key.strip()
        if not equals or key not in settings:
            raise SettingError(
                f"{part.strip()[:60]!r} is no setting of {name_of(kind)}; write NAME=VALUE with one of "
                f"{', '.join(settings)}"
            )
        facts = setting_of(kind, key)
        given[key] = _value(f"{name_of(kind)}: {key}", value.strip(), _default(settings[key]), facts)
    return kind(**given)


def _kind_of(name: str) -> type[Control]:
    kinds = {name_of(kind): kind for kind in CONTROLS.values()}
    key = name if name in kinds else name_of(CONTROLS[name]) if name in CONTROLS else name.lower()
    if key in kinds:
        return kinds[key]
    near = difflib.get_close_matches(key, kinds, n=1)
    suggestion = f"did you mean {near[0]}? " if near else ""
    raise SettingError(f"there is no control {name[:60]!r}; {suggestion}controls are {', '.join(kinds)}")


def _settings(kind: type[Control]) -> dict[str, Field[Any]]:
    """Return the fields that are settings; others, such as regions, can be given in Python alone."""
    return {each.name: each for each in fields(kind) if each.name in settings_of(kind)}  # type: ignore[arg-type]


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _value(name: str, text: str, default: Any, facts: Setting) -> Any:
    """Return a value of the default's type, or of its bounds' where that is None. Raises SettingError."""
    if default is None and facts.low is not None:
        default = int(facts.low) if isinstance(facts.step, int) else float(facts.low)
    if isinstance(default, Mapping):
        return parse_factors(text)
    if isinstance(default, bool):
        if text.lower() not in _BOOLEANS:
            raise SettingError(f"{name} {text[:60]!r} is unknown; give yes or no")
        return _BOOLEANS[text.lower()]
    if isinstance(default, (int, float)):
        try:
            return type(default)(text)
        except ValueError:
            raise SettingError(f"{name} {text[:60]!r} is no number; give one such as {default}") from None
    return text


def parse_factors(text: str) -> dict[str, float]:
    """Return words and their factors, written as "red*2, hat*0.5". Raises SettingError."""
    factors: dict[str, float] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        word, star, number = part.rpartition("*")
        try:
            factor = float(number)
        except ValueError:
            factor = math.nan
        if not star or not word.strip() or not math.isfinite(factor):
            raise SettingError(
                f'{part[:60]!r} is no word with its factor; write "red*2, hat*0.5" for twice red, half hat'
            )
        factors[word.strip()] = factor
    return factors


def write_control(control: Control) -> str:
    """Return the text that `parse_control` reads, with the settings that are not the defaults."""
    kind = type(control)
    written = {name: _written(getattr(control, name)) for name in values_of(kind)}
    changed = [f"{name}={value}" for name, value in written.items() if value != values_of(kind)[name]]
    return ":".join(filter(None, [name_of(kind), ",".join(changed)]))


def values_of(kind: type[Control]) -> dict[str, str]:
    """Return each setting of a control with its default as it is written on the command line."""
    return {name: _written(_default(each)) for name, each in _settings(kind).items()}


def _written(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{word}*{factor:g}" for word, factor in value.items())
    if isinstance(value, bool):
        return ("no", "yes")[value]
    return "" if value is None else str(value)
