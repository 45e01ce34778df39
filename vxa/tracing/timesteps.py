"""Several noise levels to look at the same image with, as people write them: "1, 100, 300"."""

from __future__ import annotations

from vxa.errors import SettingError

__all__ = ["DEFAULT_TIMESTEPS", "MAX_TIMESTEPS", "parse_timesteps"]

DEFAULT_TIMESTEPS = (1, 100, 300, 500, 700, 900)
"""From the clean image to almost nothing but noise, in a model of 1000 levels."""

MAX_TIMESTEPS = 24
"""Each one is a pass of the model, and a picture in one row."""


def parse_timesteps(text: str, count: int) -> tuple[int, ...]:
    """The timesteps that `text` lists, in its order and without repeats; blank is DEFAULT_TIMESTEPS.

    Raises SettingError where an entry is no whole number below `count`, or there are more than MAX_TIMESTEPS.
    """
    entries = [entry.strip() for entry in text.rstrip(", ").split(",")] if text.strip() else []
    wrong = next((entry for entry in entries if not _allowed(entry, count)), None)
    if wrong is not None:
        raise SettingError(
            f"timesteps {text[:80]!r}: {wrong[:40]!r} is not a whole number from 0 to {count - 1}; "
            'write some as in "1, 100, 300"'
        )
    chosen = tuple(dict.fromkeys(map(int, entries))) or tuple(t for t in DEFAULT_TIMESTEPS if t < count)
    if len(chosen) > MAX_TIMESTEPS:
        raise SettingError(f"{len(chosen)} timesteps are too many for one row; give at most {MAX_TIMESTEPS}")
    return chosen


def _allowed(entry: str, count: int) -> bool:
    return entry.isascii() and entry.isdigit() and len(entry) < 10 and int(entry) < count
