"""The pictures that pages show, as PNG files below one folder: the last few of the last few pages."""

from __future__ import annotations

import secrets
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from vxa.pictures.image_regions import ImageRegion, image_regions
from vxa.recent import Recent

__all__ = ["Pictures", "new_folder"]


class Pictures:
    """Files for the pages' `img` elements, each in a folder whose name nobody can guess.

    Of each page the last `each` stay, for one may still be on its way when the next is there; of all pages
    the last `pages`.
    """

    def __init__(self, folder: Path, each: int = 3, pages: int = 20) -> None:
        self.folder = folder
        self.each = each
        self._pages: Recent[str, _PagePictures] = Recent(pages)
        self._lock = threading.Lock()

    def write(self, page: str, name: str, picture: Image.Image) -> Path:
        """The file of that name with the picture in it."""
        path = new_folder(self.folder) / name
        picture.save(path, "PNG", compress_level=1)  # shown once: quick to write is better than small
        with self._lock:
            gone = self._keep(page, path.parent, image_regions(picture))
        for folder in gone:
            shutil.rmtree(folder, ignore_errors=True)
        return path

    def _keep(self, page: str, folder: Path, regions: tuple[ImageRegion, ...]) -> list[Path]:
        """Note the page's newest folder; the folders whose time is over."""
        earlier = self._pages.peek(page) or _PagePictures(())
        folders = (*earlier.folders, folder)
        dropped = self._pages.put(page, _PagePictures(folders[-self.each :], regions))
        return [*folders[: -self.each], *(old for each in dropped for old in each.folders)]

    def image_regions(self, page: str) -> tuple[ImageRegion, ...]:
        """Where the page's newest picture shows the image; nowhere, where it has none."""
        found = self._pages.peek(page)
        return () if found is None else found.regions


@dataclass(frozen=True)
class _PagePictures:
    """Folders of one page's newest pictures, oldest first, and the image regions of the newest."""

    folders: tuple[Path, ...]
    regions: tuple[ImageRegion, ...] = ()


def new_folder(within: Path) -> Path:
    """A new folder with a name that nobody can guess."""
    folder = within / secrets.token_urlsafe(24)
    folder.mkdir(parents=True)
    return folder
