"""Pictures, masks and animations that `vxa trace` and `attribute` write."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vxa.cli.outputs import check_outputs, summary, write_outputs
from vxa.errors import SettingError
from vxa.io.masks import check_masks_folder, write_masks
from vxa.maps.settings import Selection
from vxa.maps.steps import Bins, check_bins
from vxa.pictures.animation import check_animation_path, write_animation
from vxa.pictures.render import check_mode, render
from vxa.pictures.view import View

if TYPE_CHECKING:
    from PIL.Image import Image

    from vxa.maps.attention_maps import AttentionMaps

__all__ = ["TraceOutputs"]


@dataclass(frozen=True)
class TraceOutputs:
    """Picture, maps, masks and animation that a command is to write."""

    output: Path
    mode: str
    selection: Selection
    view: View
    save: Path | None
    animate: Path | None
    masks: Path | None

    def check(self) -> None:
        """Raise a VxaError, before the model is loaded, for what could not be drawn or written."""
        check_outputs(self.output, self.save)
        check_mode(self.mode)
        if self.mode == "difference":
            raise SettingError(
                "mode 'difference' compares two selections; use vxa show --maps, or vxa compare"
            )
        if self.animate is not None:
            check_animation_path(self.animate)
        if self.masks is not None:
            check_masks_folder(self.masks)

    def bins(self, given: str) -> Bins:
        """Return the step bins given, or as many as are shown."""
        if given.strip() == "each":
            return "each"
        if not given.strip():
            return 8 if self.mode == "timesteps" or self.animate is not None else 1
        return check_bins(int(given) if given.strip().isdigit() else given)

    def write(self, maps: AttentionMaps, image: Image, named: Path | None = None) -> list[tuple[str, object]]:
        """Draw and write all of it; return rows of name and value that say so.

        `named` is the file that the image is written to, if any.
        """
        asked: dict[str, Any] = {**vars(self.selection), "heads": None}
        shown = maps.each_bin() if self.mode == "timesteps" else maps
        drawn = render(shown, image, self.mode, **asked, **vars(self.view))
        rows: list[tuple[str, object]] = [*summary([maps], maps.heat_map(**asked))]
        write_outputs(drawn, self.output, maps, self.save)
        rows.append(("picture", f"{self.output} ({self.mode})"))
        chosen: dict[str, Any] = {name: asked[name] for name in ("words", "sites", "refine")}
        if self.masks is not None:
            written = write_masks(
                maps, self.masks, threshold=self.view.threshold, image=named or image, **chosen
            )
            rows.append(("masks", f"{len(written) - 1} and coco.json in {self.masks}"))
        if self.animate is not None:
            write_animation(
                maps, image, self.animate, tokens=self.selection.tokens, **chosen, **vars(self.view)
            )
            rows.append(("animation", self.animate))
        return rows
