"""What a page asks of its maps: its controls that need no model, as one value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vxa.maps.heat_map import DEFAULT_THRESHOLD, EDGES_THRESHOLD, REFINED_THRESHOLD
from vxa.pictures.view import View
from vxa.ui.backend import site_spec
from vxa.ui.selection import written_so_far

__all__ = ["Asked", "usual_threshold"]

_OF_MASKS = ("tokens", "sites", "heads", "refine", "threshold")
_VIEW = ("opacity", "threshold", "colormap", "normalize", "resample")


def usual_threshold(refine: bool, edges: bool = False) -> float:
    """The threshold of masks when none is given: of plain maps, of refined ones, or along the edges."""
    if edges:
        return EDGES_THRESHOLD
    return REFINED_THRESHOLD if refine else DEFAULT_THRESHOLD


@dataclass(frozen=True)
class Asked:
    """The controls of the page that need no model, as they stand, in their order.

    Attributes:
        selection: the indices box; blank is every word.
        sites: a label of the site dropdown, or sites written by hand.
        heads: "mean", or head numbers.
        mode: one of vxa.pictures.modes.MODES.
        opacity, threshold, colormap, normalize, resample: as in View.
        against: the indices box of what mode "difference" compares with; blank is every word.
        refine: whether maps are spread by self-attention.
        edges: whether the masks that the page gives away follow the picture's edges; no picture heeds it.
        anchor: the prompt that the indices are of, as vxa.ui.anchor writes it; blank where they are of the
            maps' own. It tells what they mean, and so two that differ in it alone ask for the same.
    """

    selection: str = ""
    sites: str | None = None
    heads: str = "mean"
    mode: str = "overlay"
    opacity: float = View.opacity
    threshold: float = DEFAULT_THRESHOLD
    colormap: str = View.colormap
    normalize: str = View.normalize
    resample: str = View.resample
    against: str = ""
    refine: bool = False
    edges: bool = False
    anchor: str = field(default="", compare=False)

    def place(self) -> dict[str, Any]:
        """The sites, the heads and refining, as `heat_map` takes them, where they are not the default."""
        heads = (self.heads or "").strip()
        asked = {
            "sites": site_spec(self.sites),
            "heads": None if heads.lower() in ("", "mean") else heads,
            "refine": True if self.refine else None,
        }
        return {name: value for name, value in asked.items() if value is not None}

    def settings(self) -> dict[str, Any]:
        """The arguments of `vxa.render` that are not its defaults, and the mode."""
        chosen = {"tokens": written_so_far(self.selection)}
        if self.mode == "difference":
            chosen["against_tokens"] = written_so_far(self.against)
        thresholds = {usual_threshold(self.refine, edges) for edges in (False, self.edges)}
        usual = {name: getattr(View, name) for name in _VIEW}
        usual |= {"threshold": thresholds.pop() if len(thresholds) == 1 else None}  # else it is told
        view = {name: getattr(self, name) for name in _VIEW}
        return {
            "mode": self.mode,
            **{name: value for name, value in chosen.items() if value},
            **self.place(),
            **{name: value for name, value in view.items() if value != usual[name]},
        }

    def mask_settings(self) -> dict[str, Any]:
        """The arguments of `vxa.write_masks` that are not its defaults, but for the picture."""
        return {name: value for name, value in self.settings().items() if name in _OF_MASKS}
