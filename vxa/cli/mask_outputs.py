"""Masks that commands write into a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vxa.errors import SettingError
from vxa.io.masks import check_masks_folder, write_masks
from vxa.maps.settings import MaskSettings, Selection

if TYPE_CHECKING:
    from PIL.Image import Image

    from vxa.maps.attention_maps import AttentionMaps

__all__ = ["MaskOutputs"]


@dataclass(frozen=True)
class MaskOutputs:
    """The folder that a command is to write masks into, if any, and how they are cut out."""

    folder: Path | None
    settings: MaskSettings

    def check(self) -> None:
        """Raise a VxaError for masks that could not be written, and for settings of masks without any."""
        if self.folder is not None:
            check_masks_folder(self.folder)
        elif self.settings.edges:
            raise SettingError("--edges is for masks, and none are written; give --masks FOLDER too")

    def write(
        self,
        maps: AttentionMaps,
        image: Image,
        selection: Selection,
        threshold: float | None,
        named: Path | None = None,
    ) -> list[tuple[str, str]]:
        """Write the masks; return a row of name and value that says so, or none without a folder.

        `named` is the file that the image is written to, if any.
        """
        if self.folder is None:
            return []
        edges = image if self.settings.edges else None
        chosen = {**vars(selection), "sites": selection.sites or None}
        written = write_masks(
            maps, self.folder, threshold=threshold, image=named or image, edges=edges, **chosen
        )
        along = ", along the picture's edges" if self.settings.edges else ""
        return [("masks", f"{len(written) - 1} and coco.json in {self.folder}{along}")]
