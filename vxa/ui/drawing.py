"""Pictures of what a page keeps, and of what it will keep of an image that is yet to be made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PIL import Image

from vxa.errors import SettingError, WordError
from vxa.generation.expected import expected_image
from vxa.maps.attention_maps import AttentionMaps
from vxa.pictures.render import render
from vxa.ui import strings
from vxa.ui.asked import Asked
from vxa.ui.chips import Chip, chips
from vxa.ui.pages import Kept, Wanted
from vxa.ui.selection import follow
from vxa.ui.together import drawn_together

__all__ = ["check_drawable", "checked", "drawn", "read_in"]


def read_in(asked: Asked, maps: AttentionMaps, given: Sequence[Chip] | None, strict: bool = True) -> Asked:
    """What is asked, with its selections in the tokens of these maps.

    `given` are the chips that the indices are of; None where they are the maps' own. Raises WordError where a
    selected word is not in the maps' prompt; not `strict`, that word is dropped.
    """
    if given is None:
        return replace(asked, anchor="")
    first, second = (follow(given, chips(maps.tokens), box or "") for box in (asked.selection, asked.against))
    gone = first.dropped + (second.dropped if asked.mode == "difference" else ())
    if strict and gone:
        raise WordError(strings.not_of_picture(gone))
    return replace(asked, selection=first.selection, against=second.selection, anchor="")


def checked(kept: Kept, asked: Asked) -> Kept:
    """What is kept, where that answers what is asked. Raises SettingError where it does not."""
    if asked.refine and not kept.maps.self_sites:
        raise SettingError(strings.NOT_TRACED_REFINED if kept.wanted.traced else strings.NOT_REFINED)
    if kept.wanted.traced and "heads" in asked.place():
        raise SettingError(strings.ONE_HEAD)
    return kept


def drawn(kept: Kept, asked: Asked) -> Image.Image:
    """The picture that is asked for of what is kept; of pictures that were made together, one figure."""
    if kept.batch:
        return drawn_together(kept, asked)
    return render(kept.shown(asked.mode), kept.image, **asked.settings())


def check_drawable(maps: AttentionMaps, asked: Asked) -> None:
    """Raise what the picture would raise that is asked for of traced maps like these."""
    wanted = Wanted(prompt=maps.provenance.prompt, traced=True)
    drawn(checked(Kept(expected_image(maps), "", maps, wanted), asked), asked)
