"""Pictures of what a page keeps, and of what it will keep of an image that is yet to be made."""

from __future__ import annotations

from PIL import Image

from vxa.errors import SettingError
from vxa.generation.expected import expected_image
from vxa.maps.attention_maps import AttentionMaps
from vxa.pictures.render import render
from vxa.ui import strings
from vxa.ui.asked import Asked
from vxa.ui.pages import Kept, Wanted

__all__ = ["check_drawable", "checked", "drawn"]


def checked(kept: Kept, asked: Asked) -> Kept:
    """What is kept, where that answers what is asked. Raises SettingError where it does not."""
    if asked.refine and not kept.maps.self_sites:
        raise SettingError(strings.NOT_TRACED_REFINED if kept.wanted.traced else strings.NOT_REFINED)
    if kept.wanted.traced and "heads" in asked.place():
        raise SettingError(strings.ONE_HEAD)
    return kept


def drawn(kept: Kept, asked: Asked) -> Image.Image:
    """The picture that is asked for of what is kept."""
    return render(kept.shown(asked.mode), kept.image, **asked.settings())


def check_drawable(maps: AttentionMaps, asked: Asked) -> None:
    """Raise what the picture would raise that is asked for of traced maps like these."""
    wanted = Wanted(prompt=maps.provenance.prompt, traced=True)
    drawn(checked(Kept(expected_image(maps), "", maps, wanted), asked), asked)
