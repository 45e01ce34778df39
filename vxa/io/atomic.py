"""Atomic writing of files."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["atomic_file", "check_folder_writable", "move_into_place", "restored_on_failure", "temporary_path"]

_PAUSE = 0.2  # seconds


@contextmanager
def atomic_file(path: str | Path) -> Iterator[BinaryIO]:
    """Yield a binary handle whose content becomes `path` if the block succeeds, and is deleted otherwise.

    The bytes go to a hidden file in the same folder, so that the final move stays on one file system. The
    move replaces `path` in one step: a reader sees the old file or the new one.

    Raises OSError as `open` and `move_into_place` do.
    """
    path = Path(path)
    temporary = temporary_path(path.parent)
    try:
        with open(temporary, "x+b") as handle:
            yield handle
        move_into_place(temporary, path)
    except BaseException:
        _remove(temporary)
        raise


@contextmanager
def restored_on_failure(path: str | Path) -> Iterator[None]:
    """Put the file back as it was if the block, which may replace it, fails; delete it if there was none.

    So several files can be replaced together or not at all. The file keeps its name throughout: only a hidden
    second link (or a copy, where the file system has no links) is made beside it.

    Raises OSError; if the old file could not be put back, its message names the hidden one.
    """
    path = Path(path)
    aside = temporary_path(path.parent)
    is_file = os.path.lexists(path) and not path.is_dir()  # a folder is refused by the block
    try:
        if is_file:
            _link_or_copy(path, aside)
        yield
    except BaseException as error:
        try:
            if is_file and aside.exists() and not _is_same(path, aside):
                move_into_place(aside, path)
            elif not is_file and not path.is_dir():
                path.unlink(missing_ok=True)
        except OSError as failure:
            reason = f"{failure.strerror or failure}; the file that was there is kept as {aside.name}"
            raise OSError(failure.errno, reason) from error
        _remove(aside)
        raise
    _remove(aside)


def _is_same(path: Path, aside: Path) -> bool:
    """Return whether the path is still the file that was linked aside."""
    return path.exists() and os.path.samefile(path, aside)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def move_into_place(source: Path, target: Path) -> None:
    """Move a file or folder to `target`, replacing a file that is there.

    Windows moves no file that is open, and replaces none. Virus scanners open each new file for a moment, so
    a move that is refused is tried once more after a fifth of a second.

    Raises OSError; a PermissionError says that the file may be open.
    """
    try:
        _try_twice(lambda: os.replace(source, target))
    except PermissionError as error:
        reason = f"{error.strerror or error} (is it protected, or open in another program?)"
        raise PermissionError(error.errno, reason, str(target)) from error


def check_folder_writable(folder: str | Path) -> None:
    """Raise OSError where no file can be made in the folder; one is made, since rights alone do not tell."""
    probe = temporary_path(Path(folder))
    with open(probe, "xb"):
        pass
    _try_twice(probe.unlink)


def temporary_path(folder: Path) -> Path:
    """Return a new hidden name in the folder.

    It is not derived from a target's name, which may already be as long as the file system allows.
    """
    return folder / f".vxa-{secrets.token_hex(8)}.tmp"


def _try_twice(action: Callable[[], object]) -> None:
    """Run the action, after a pause once more if it is not permitted."""
    try:
        action()
    except PermissionError:
        time.sleep(_PAUSE)
        action()


def _remove(path: Path) -> None:
    """Delete a temporary file; one that cannot be deleted must not hide why it is deleted."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
