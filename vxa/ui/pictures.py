"""The pictures that pages show, as PNG files below one folder: the last few of the last few pages."""

from __future__ import annotations

import secrets
import shutil
import threading
from collections import OrderedDict, deque
from pathlib import Path

from PIL import Image

from vxa.pictures.image_regions import ImageRegion, image_regions
from vxa.ui.png import png_bytes

__all__ = ["Pictures", "new_folder"]


class Pictures:
    """Files for the pages' `img` elements, each in a folder whose name nobody can guess.

    Of each page the last `each` stay, for one may still be on its way when the next is there; of all pages
    the last `pages`.
    """

    def __init__(self, folder: Path, each: int = 3, pages: int = 20) -> None:
        self.folder = folder
        self.each = each
        self.pages = pages
        self._made: OrderedDict[str, deque[Path]] = OrderedDict()
        self._windows: dict[str, tuple[ImageRegion, ...]] = {}
        self._lock = threading.Lock()

    def write(self, page: str, name: str, picture: Image.Image) -> Path:
        """The file of that name with the picture in it."""
        path = new_folder(self.folder) / name
        path.write_bytes(png_bytes(picture))
        with self._lock:
            gone = self._keep(page, path.parent)
            self._windows[page] = image_regions(picture)
        for folder in gone:
            shutil.rmtree(folder, ignore_errors=True)
        return path

    def _keep(self, page: str, folder: Path) -> list[Path]:
        """Note the page's newest folder; the folders whose time is over."""
        made = self._made.setdefault(page, deque())
        self._made.move_to_end(page)
        made.append(folder)
        gone = [made.popleft() for _ in range(len(made) - self.each)]
        while len(self._made) > self.pages:
            oldest, folders = self._made.popitem(last=False)
            del self._windows[oldest]
            gone += folders
        return gone

    def image_regions(self, page: str) -> tuple[ImageRegion, ...]:
        """Where the page's newest picture shows the image; nowhere, where it has none."""
        return self._windows.get(page, ())


def new_folder(within: Path) -> Path:
    """A new folder with a name that nobody can guess."""
    folder = within / secrets.token_urlsafe(24)
    folder.mkdir(parents=True)
    return folder
