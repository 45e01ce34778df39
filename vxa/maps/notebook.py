"""Maps as a notebook shows them: small grey pictures in HTML, nothing else loaded."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from vxa.tokens import shorten

if TYPE_CHECKING:
    from vxa.maps.attention_maps import AttentionMaps
    from vxa.maps.heat_map import HeatMap

__all__ = ["heat_html", "maps_html"]

_SIDE = 160  # pixels of a picture's longer side
_MOST = 24  # words shown, the first of the prompt


def heat_html(heat: HeatMap) -> str:
    """Return the map as an HTML figure, white where it has its maximum."""
    name = ", ".join(dict.fromkeys(heat.words)) or f"tokens {', '.join(map(str, heat.tokens[:8]))}"
    return _figure(heat, name)


def maps_html(maps: AttentionMaps) -> str:
    """Return the map of each word at the default sites, in the order of the prompt."""
    spoken = [word for word in maps.words if word.is_spoken][:_MOST]
    figures = [_figure(heat, word.text) for word, heat in zip(spoken, maps.heat_maps(spoken), strict=True)]
    row = f'<div style="display:flex;flex-wrap:wrap;gap:8px">{"".join(figures)}</div>'
    return f"<p>{escape(repr(maps))}</p>{row}" if figures else f"<p>{escape(repr(maps))}</p>"


def _figure(heat: HeatMap, name: str) -> str:
    peak = float(heat.values.max())
    caption = f"{escape(shorten(name))}<br><small>peak {peak:.3g}</small>"
    return (
        f'<figure style="margin:0"><img alt="{escape(name, quote=True)}" src="{_picture(heat)}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _picture(heat: HeatMap) -> str:
    """Return the map as a data URL of a grey PNG, scaled to its own maximum."""
    scale = _SIDE / max(heat.image_size)
    height, width = (max(1, round(side * scale)) for side in heat.image_size)
    values = heat.upsampled(height, width)
    levels = (255 * values / max(float(values.max()), 1e-30)).astype(np.uint8)
    content = io.BytesIO()
    Image.fromarray(levels).save(content, "PNG")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"
