"""Pictures, masks and animations that `vxa trace` and `attribute` write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vxa.cli.console import note
from vxa.cli.mask_outputs import MaskOutputs
from vxa.cli.outputs import check_outputs, summary, write_outputs
from vxa.errors import SettingError, VxaError
from vxa.io.images import save_image
from vxa.maps.settings import Selection
from vxa.maps.steps import Bins, check_bins
from vxa.pictures.animation import animation_frames, check_animation_path, write_animation
from vxa.pictures.render import check_mode, render
from vxa.pictures.view import View

if TYPE_CHECKING:
    from PIL.Image import Image

    from vxa.maps.attention_maps import AttentionMaps
    from vxa.maps.heat_map import HeatMap

__all__ = ["TraceOutputs", "image_kept"]


@dataclass(frozen=True)
class TraceOutputs:
    """Picture, maps, masks and animation that a command is to write."""

    output: Path
    mode: str
    selection: Selection
    view: View
    save: Path | None
    animate: Path | None
    masks: MaskOutputs

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
        self.masks.check()

    def bins(self, given: str) -> Bins:
        """Return the step bins given, or as many as are shown."""
        if given.strip() == "each":
            return "each"
        if not given.strip():
            return 8 if self.mode == "timesteps" or self.animate is not None else 1
        return check_bins(int(given) if given.strip().isdigit() else given)

    def check_maps(self, maps: AttentionMaps, image: Image) -> None:
        """Raise a VxaError for what maps and an image like these could not be drawn as."""
        self._draw(maps, image)
        if self.animate is not None:
            animation_frames(maps, image, **self._chosen(), tokens=self.selection.tokens, **vars(self.view))

    def _draw(self, maps: AttentionMaps, image: Image) -> tuple[Image, HeatMap]:
        """Draw the picture; return the map of its selection, too."""
        asked: dict[str, Any] = {**vars(self.selection), "heads": None}
        shown = maps.each_bin() if self.mode == "timesteps" else maps
        return render(shown, image, self.mode, **asked, **vars(self.view)), maps.heat_map(**asked)

    def _chosen(self) -> dict[str, Any]:
        """Return the part of the selection that animations take by the same names."""
        return {name: getattr(self.selection, name) for name in ("words", "sites", "refine")}

    def write(self, maps: AttentionMaps, image: Image, named: Path | None = None) -> list[tuple[str, object]]:
        """Draw and write all of it; return rows of name and value that say so.

        `named` is the file that the image is written to, if any.
        """
        drawn, heat = self._draw(maps, image)
        rows: list[tuple[str, object]] = [*summary([maps], heat)]
        write_outputs(drawn, self.output, maps, self.save)
        rows.append(("picture", f"{self.output} ({self.mode})"))
        rows += self.masks.write(maps, image, self.selection, self.view.threshold, named)
        if self.animate is not None:
            write_animation(
                maps, image, self.animate, tokens=self.selection.tokens, **self._chosen(), **vars(self.view)
            )
            rows.append(("animation", self.animate))
        return rows


@contextmanager
def image_kept(image: Image, saved: Path | None, output: Path) -> Iterator[None]:
    """Save the image that was made beside `output` if the block fails, unless it is `saved` already.

    The error says where the image is.
    """
    try:
        yield
    except Exception as error:
        kept = saved or save_image(image, _unused_name(output))
        said = f"the image itself was made and is in {kept}"
        if isinstance(error, VxaError):
            raise type(error)(f"{error}; {said}") from error
        note(said)
        raise


def _unused_name(output: Path) -> Path:
    """Return a name beside the output that no file has: hat-image.png, hat-image-2.png."""
    names = (f"-image{'' if number == 1 else f'-{number}'}" for number in count(1))
    paths = (output.with_name(f"{output.stem}{name}{output.suffix}") for name in names)
    return next(path for path in paths if not path.exists())
