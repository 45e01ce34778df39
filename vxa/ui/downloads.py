"""Files that a page gives away, below one folder of the app; only the most recent ones are kept."""

from __future__ import annotations

import shutil
import threading
from collections import deque
from pathlib import Path

from PIL import Image

from vxa.io import file_names
from vxa.io.images import save_image
from vxa.io.maps_file import sidecar_path, write_maps
from vxa.maps.heat_map import HeatMap
from vxa.ui.pages import Kept
from vxa.ui.pictures import new_folder

__all__ = ["Downloads", "file_stem"]


class Downloads:
    """The files of the last `most` downloads, each in a folder of its own below `folder`."""

    def __init__(self, folder: Path, most: int = 8) -> None:
        self.folder = folder
        self.most = most
        self._made: deque[Path] = deque()
        self._lock = threading.Lock()

    def write(
        self, kept: Kept, mode: str, picture: Image.Image, heat: HeatMap, threshold: float, edges: bool
    ) -> list[Path]:
        """The picture and the mask as PNG, and the maps as npz with its JSON; in mode timesteps of each pass.

        The mask follows the image's edges where `edges` says so, and then its name does too. With maps that
        were traced goes the image that they are of; so do those that were made together with it.
        """
        mask = heat.mask(threshold=threshold, edges=kept.image if edges else None)
        folder, stem = self._new_folder(), file_stem(kept.name)
        written = [
            save_image(picture, folder / f"{stem}-{mode}.png"),
            save_image(Image.fromarray(mask), folder / f"{stem}-mask{'-edges' if edges else ''}.png"),
        ]
        traced = [each for each in kept.pictures if each.wanted.traced]
        written += [save_image(each.image, folder / f"{file_stem(each.name)}.png") for each in traced]
        passes = kept.passes if mode == "timesteps" else ()
        named = {f"{stem}-t{maps.provenance.timestep}": maps for maps in passes}
        named = named or {file_stem(each.name): each.maps for each in kept.pictures}
        for name, maps in named.items():
            path = write_maps(maps, folder / f"{name}.npz")
            written += [path, sidecar_path(path)]
        return written

    def _new_folder(self) -> Path:
        folder = new_folder(self.folder)
        with self._lock:
            self._made.append(folder)
            gone = [self._made.popleft() for _ in range(len(self._made) - self.most)]
        for old in gone:
            shutil.rmtree(old, ignore_errors=True)
        return folder


def file_stem(name: str) -> str:
    """The name of an image without its suffix, as a file name that is fit for every system."""
    return file_names.file_stem(Path(name).stem, "image")
