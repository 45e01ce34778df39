"""Atomic writing of files."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["atomic_file", "check_folder_writable"]


@contextmanager
def atomic_file(path: str | Path) -> Iterator[BinaryIO]:
    """Yield a binary handle whose content becomes `path` if the block succeeds, and is deleted otherwise.

    The bytes go to a hidden file in the same folder, so that the final move stays on one file system. The
    move replaces `path` in one step: a reader sees the old file or the new one.

    Raises OSError as `open` does.
    """
    path = Path(path)
    # Not derived from the target's name, which may already be as long as the file system allows.
    temporary = path.parent / f".vxa-{secrets.token_hex(8)}.tmp"
    try:
        with open(temporary, "x+b") as handle:
            yield handle
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def check_folder_writable(folder: str | Path) -> None:
    """Raise OSError where no file can be made in the folder; one is made, since rights alone do not tell."""
    probe = Path(folder) / f".vxa-{secrets.token_hex(8)}.tmp"
    with open(probe, "xb"):
        pass
    probe.unlink()
