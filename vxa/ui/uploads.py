"""The image files that people gave: the last of them, bounded in number and bytes.

gradio keeps what is uploaded for an hour, however much it is. Here the file that was given longest ago goes
as soon as there is too much; the page that gave it is told so when it presses again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from vxa.recent import Recent
from vxa.ui.passes import digest

__all__ = ["Uploads"]


class Uploads:
    """The files that were uploaded, the last `most` of them and `most_bytes` of all; the newest always stays.

    Files with the content of one that is `spared` are not counted, and stay: the page begins with examples,
    and gradio gives files of one content one path.
    """

    def __init__(self, spared: Iterable[Path] = (), most: int = 100, most_bytes: int = 2**29) -> None:
        self._spared = frozenset(digest(str(path)) for path in spared)
        self._files: Recent[Path, tuple[Path, int]] = Recent(most, most_weight=most_bytes, weigh=_size)

    def add(self, name: str) -> None:
        """Count the file, as the newest; the oldest ones go where the bounds ask for it."""
        path = Path(name)
        if not path.is_file() or digest(name) in self._spared:
            return
        for old, _ in self._files.put(path, (path, path.stat().st_size)):
            _remove(old)


def _size(file: tuple[Path, int]) -> int:
    return file[1]


def _remove(path: Path) -> None:
    """Remove the file, and the folder that gradio made for it alone."""
    with contextlib.suppress(OSError):  # gradio's own clearing may have come first
        path.unlink()
        path.parent.rmdir()
