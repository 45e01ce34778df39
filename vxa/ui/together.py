"""Pictures that were made together, as one figure: each with its maps of the words that are chosen.

The words are chosen in the prompt of one of the pictures. Another picture shows their counterparts in its own
prompt, as prompt-to-prompt aligns the two (`vxa.steering.alignment`).
"""

from __future__ import annotations

from dataclasses import replace

from PIL import Image

from vxa.maps.attention_maps import AttentionMaps
from vxa.pictures.image_regions import mark_image_region, renumber
from vxa.pictures.layout import GAP, LETTER, above, beside, fitting, framed, text
from vxa.pictures.render import render
from vxa.steering.alignment import align
from vxa.tokens import Token, parse_indices
from vxa.ui import strings
from vxa.ui.asked import Asked
from vxa.ui.chips import indices_text
from vxa.ui.pages import Kept
from vxa.ui.selection import written_so_far

__all__ = ["counterpart", "drawn_together"]

_ROW_MODES = ("masked", "grey", "overlay", "contour")
_OWN_SIZE_MODES = ("masked", "grey")
_SIDE = 512  # pixels on the longer side of a picture without a map, in a figure
_MARGIN = 18  # pixels around a prompt, and of a letter, as the figures below it have


def drawn_together(kept: Kept, asked: Asked) -> Image.Image:
    """Draw every picture that was made together with this one, whose tokens `asked` is in."""
    cells, number = [], 0
    for each in kept.pictures:
        cells.append(renumber(_cell(kept.maps, each, asked), number))
        number += len(each.shown(asked.mode))
    return beside(cells, GAP) if asked.mode in _ROW_MODES else above(cells, 2 * GAP)


def _cell(chosen: AttentionMaps, kept: Kept, asked: Asked) -> Image.Image:
    """Draw one picture under its prompt; without a map where its prompt has none of the words."""
    own, lacking = counterpart(asked, chosen, kept.maps)
    prompt, is_figure = kept.maps.provenance.prompt, asked.mode not in _OWN_SIZE_MODES
    said = strings.lacking(prompt, lacking) if lacking else strings.quoted(prompt)
    if own is not None:
        picture = render(kept.shown(own.mode), kept.image, **own.settings())
    elif is_figure:
        picture, said = _figure_without_map(kept.image, said), strings.quoted(prompt)
    else:
        picture = mark_image_region(kept.image.convert("RGB"))
    margin = _MARGIN if is_figure else 0
    line = framed(text(said, LETTER, width=picture.width - 2 * margin), margin)
    return above([line, picture], gap=0 if is_figure else GAP // 3)


def _figure_without_map(image: Image.Image, said: str) -> Image.Image:
    """Draw the picture as large as one with a map is, under a line that says why it has none."""
    height, width = fitting((image.height, image.width), _SIDE)
    picture = mark_image_region(image.convert("RGB").resize((width, height)))
    return framed(above([text(said, _MARGIN, width=width), picture], gap=_MARGIN // 2), _MARGIN)


def counterpart(
    asked: Asked, chosen: AttentionMaps, maps: AttentionMaps
) -> tuple[Asked | None, tuple[str, ...]]:
    """Return what is asked of the chosen picture's maps in another's tokens, and the words that these lack.

    None where a selection has no counterpart at all. Raises TokenIndexError.
    """
    if maps is chosen:
        return asked, ()
    selection, lacking = _follow(asked.selection, chosen, maps)
    against, lacking_too = _follow(asked.against, chosen, maps) if asked.mode == "difference" else ("", ())
    lacking = tuple(dict.fromkeys([*lacking, *lacking_too]))
    if selection is None or against is None:
        return None, lacking
    return replace(asked, selection=selection, against=against), lacking


def _follow(box: str, chosen: AttentionMaps, maps: AttentionMaps) -> tuple[str | None, tuple[str, ...]]:
    """Return a selection of one prompt's tokens in another's, None where nothing is left; the words gone."""
    written = written_so_far(box)
    if not written:
        return "", ()
    alignment = align(chosen.tokens, maps.tokens)
    followers = {index: alignment.to_target([index]) for index in parse_indices(written, len(chosen.tokens))}
    found = dict.fromkeys(follower for all_of_one in followers.values() for follower in all_of_one)
    gone = [_name(chosen.tokens[index]) for index, own in followers.items() if not own]
    return indices_text(tuple(found)) if found else None, tuple(dict.fromkeys(gone))


def _name(token: Token) -> str:
    return token.text if token.special is None else strings.SPECIALS[token.special]
