"""Where a chip's word is, while it is pointed at: the picture of it alone, over the page's own.

The page's script (javascript/vxa.js) writes the chip's indices and a number into a hidden box, and shows what
comes back under that number for as long as the chip is pointed at; the choice and the picture stay.
"""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace

from PIL import Image

from vxa.pictures.render import render
from vxa.ui.asked import Asked
from vxa.ui.pages import Kept

__all__ = ["peek_html", "peeked"]

_ALONE = ("masked", "grey", "overlay", "contour")  # the pictures of one selection
_SIDE = 768  # pixels


def peeked(asked: Asked, pointed: str) -> Asked:
    """What is asked, of the tokens alone that are `pointed` at, as the page writes it: "5, 6 #12"."""
    tokens, _ = _pointed_at(pointed) or ("", "")
    return replace(asked, selection=tokens, mode=asked.mode if asked.mode in _ALONE else "overlay")


def peek_html(kept: Kept, asked: Asked, prompt: str, pointed: str) -> str:
    """The picture that is asked for, under the number of the question in `pointed`.

    Blank where the page has no maps of this prompt.
    """
    found = _pointed_at(pointed)
    if found is None or kept.wanted.prompt != (prompt or ""):
        return ""
    picture = render(kept.maps, kept.image, **asked.settings())
    return f'<img data-peek="{found[1]}" alt="" src="data:image/jpeg;base64,{_jpeg(picture)}">'


def _pointed_at(pointed: str) -> tuple[str, str] | None:
    """The tokens, and the number of the question."""
    found = re.fullmatch(r"([\d\s,-]{1,200}) #(\d{1,9})", pointed or "")
    return (found[1], found[2]) if found else None


def _jpeg(picture: Image.Image) -> str:
    """Small and quick, for it is there but for a moment."""
    picture.thumbnail((_SIDE, _SIDE))
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=90)
    return base64.b64encode(written.getvalue()).decode("ascii")
