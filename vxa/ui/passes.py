"""The passes that a page asks for: one over what is set, or several at other timesteps of the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from vxa.errors import ImageError, SettingError
from vxa.io.images import read_image
from vxa.maps.attention_maps import AttentionMaps
from vxa.papercut.vocabulary import unknown_words, unknown_words_note
from vxa.ui import strings
from vxa.ui.backend import Backend, Progress, is_offered, site_labels, site_spec
from vxa.ui.pages import Kept, Wanted, maps_bytes

__all__ = [
    "Looked",
    "Offered",
    "digest",
    "earlier",
    "looked",
    "offered",
    "one_pass",
    "several_passes",
    "uploaded",
    "whole",
]


@dataclass(frozen=True)
class Offered:
    """The labels to choose a site by, and the one that is chosen."""

    sites: tuple[str, ...]
    site: str


@dataclass(frozen=True)
class Looked(Offered):
    """What a pass gives the page: the sites as they are for this image, and what was looked at."""

    summary: str


def one_pass(
    backend: Backend,
    image: str | None,
    prompt: str | None,
    timestep: Any,
    noise: str,
    seed: Any,
    refine: bool,
    told: Progress,
) -> Kept:
    """What a page keeps of one pass over the image file."""
    if not image:
        raise ImageError(strings.NO_IMAGE)
    picture = uploaded(image)
    numbers = whole("timestep", timestep), noise, whole("seed", seed)
    wanted = Wanted(digest(image), prompt or "", *numbers, bool(refine))
    maps = backend.run(picture, wanted.prompt, *numbers, told, refine=wanted.refine)
    return Kept(picture, Path(image).name, maps, wanted)


def uploaded(path: str) -> Image.Image:
    """The image in an uploaded file. Raises ImageError, which says its name and not our folder's."""
    try:
        return read_image(path)
    except ImageError as error:
        raise ImageError(str(error).replace(repr(path), repr(Path(path).name))) from error


def several_passes(
    backend: Backend, kept: Kept, timesteps: Sequence[int], room: int, told: Progress
) -> Iterator[Kept]:
    """What the page keeps after each further pass; those that it has already are not made again.

    Raises SettingError where the maps of all would take more than `room` bytes.
    """
    needed = len(timesteps) * maps_bytes(kept.maps)
    if needed > room:
        raise SettingError(strings.too_much(len(timesteps), needed, room))
    known = {maps.provenance.timestep: maps for maps in (kept.maps, *kept.passes)}
    missing = [timestep for timestep in timesteps if timestep not in known]
    yield _with_passes(kept, known, timesteps)
    for done, timestep in enumerate(missing):
        part = _part(told, done, len(missing))
        set_once = (kept.wanted.noise, kept.wanted.seed)
        known[timestep] = backend.run(
            kept.image, kept.wanted.prompt, timestep, *set_once, part, refine=kept.wanted.refine
        )
        yield _with_passes(kept, known, timesteps)


def _with_passes(kept: Kept, known: dict[int, Any], timesteps: Sequence[int]) -> Kept:
    return replace(kept, passes=tuple(known[timestep] for timestep in timesteps if timestep in known))


def _part(told: Progress, done: int, count: int) -> Progress:
    """The progress of one pass as that of all."""
    return lambda fraction, what: told((done + fraction) / count, strings.one_of(what, done + 1, count))


def earlier(
    kept: Kept, image: str | None, prompt: str | None, timestep: Any, noise: str, seed: Any
) -> list[str]:
    """What the page's maps are of that is set otherwise now, in words."""
    was = kept.wanted
    changed = {
        strings.EARLIER_IMAGE: was.digest != digest(image),
        strings.earlier_prompt(was.prompt): was.prompt != (prompt or ""),
    }
    settings = {
        strings.earlier_setting("timestep", was.timestep): was.timestep != timestep,
        strings.earlier_setting("noise", was.noise): was.noise != noise,
        strings.earlier_setting("seed", was.seed): was.seed != seed and "none" not in (was.noise, noise),
    }
    return [what for what, other in {**changed, **({} if was.traced else settings)}.items() if other]


def looked(kept: Kept, site: str | None, seconds: float | None) -> Looked:
    """What the page is told of its maps; `site` is the label it had chosen, `seconds` what new ones took."""
    maps, made = kept.maps, kept.maps.provenance
    labels = site_labels(maps.sites, maps.default_sites, maps.latent_size)
    said = strings.summary(made.prompt, made.model, _origin(kept), len(maps.sites), seconds)
    if made.model == "papercut" and (unknown := unknown_words(made.prompt)):
        said = f"{said} · {unknown_words_note(unknown)}"
    return Looked(labels, _same_site(site, labels), said)


def _origin(kept: Kept) -> str:
    """Where the page's maps come from."""
    steps = kept.maps.steps
    if steps:
        return strings.traced(sum(each.last - each.first + 1 for each in steps))
    timesteps = [maps.provenance.timestep for maps in kept.passes or (kept.maps,)]
    return strings.passes(timesteps, kept.maps.provenance.noise)


def offered(labels: tuple[str, ...], site: str | None, maps: AttentionMaps | None) -> Offered:
    """What the page is told of the model that a host has now; `site` is the label it had chosen.

    Where the page's maps are of these sites, their labels stay: they say the grids.
    """
    if maps is not None and site_labels(maps.sites, maps.default_sites, None) == labels:
        labels = site_labels(maps.sites, maps.default_sites, maps.latent_size)
    chosen = _same_site(site, labels)
    gone = chosen not in labels and is_offered(chosen)
    return Offered(labels, labels[0] if gone else chosen)


def whole(name: str, value: Any) -> int:
    """A number box's value, which may be a float, as a whole number."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None or number != value:
        raise SettingError(strings.strange_number(name, value))
    return number


def _same_site(label: str | None, labels: tuple[str, ...]) -> str:
    """The label among these that means what `label` means: a grid's numbers differ with the image's size."""
    wanted = site_spec(label)
    return next((known for known in labels if site_spec(known) == wanted), label or labels[0])


def digest(image: str | None) -> str:
    """What tells the image's file from others; blank for none, and for one that is gone by now."""
    try:
        return hashlib.sha256(Path(image).read_bytes()).hexdigest() if image else ""
    except OSError:
        return ""
