"""Lists of noise levels for one image, as users type them: "1, 100, 300"."""

from __future__ import annotations

from vxa.errors import SettingError

__all__ = ["DEFAULT_TIMESTEPS", "MAX_TIMESTEPS", "parse_timesteps"]

DEFAULT_TIMESTEPS = (1, 100, 300, 500, 700, 900)
"""Noise levels from the clean image to almost pure noise, for a model of 1000 levels."""

MAX_TIMESTEPS = 24
"""Limit on the levels in one list: each costs one pass of the model and is one picture in a row."""


def parse_timesteps(text: str, count: int) -> tuple[int, ...]:
    """Return the timesteps listed in `text`, in its order and without repeats; blank is DEFAULT_TIMESTEPS.

    Raises SettingError if an entry is not a whole number below `count`, or for more than MAX_TIMESTEPS.
    """
    entries = [entry.strip() for entry in text.rstrip(", ").split(",")] if text.strip() else []
    wrong = next((entry for entry in entries if not _is_timestep(entry, count)), None)
    if wrong is not None:
        raise SettingError(
            f"timesteps {text[:80]!r}: {wrong[:40]!r} is not a whole number from 0 to {count - 1}; "
            'write some as in "1, 100, 300"'
        )
    chosen = tuple(dict.fromkeys(map(int, entries))) or tuple(t for t in DEFAULT_TIMESTEPS if t < count)
    if len(chosen) > MAX_TIMESTEPS:
        raise SettingError(f"{len(chosen)} timesteps are too many for one row; give at most {MAX_TIMESTEPS}")
    return chosen


def _is_timestep(entry: str, count: int) -> bool:
    return entry.isascii() and entry.isdigit() and len(entry) < 10 and int(entry) < count
