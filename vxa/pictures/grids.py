"""Grids of heat maps: one cell for each word, site, pair of both, or pass."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from PIL import Image

from vxa.attention.sites import Site
from vxa.errors import SettingError
from vxa.maps.heat_map import HeatMap
from vxa.pictures.image_regions import mark_image_region
from vxa.pictures.layout import (
    GAP,
    LETTER,
    MUTED,
    SMALL,
    above,
    beside,
    blank,
    cell,
    colour_bar,
    figure,
    fitting,
    grid,
    text,
)
from vxa.pictures.picture_spec import PictureSpec, number
from vxa.tokens import Word

__all__ = [
    "MAX_CELLS", "heats_grid", "heats_table", "matrix", "sites_grid", "timesteps_strip", "words_grid",
]  # fmt: skip

MAX_CELLS = 1024

_WIDE = 960  # pixels available to the cells of one row
_MAX_PASSES = 24  # cells in one row of timesteps
_BAR_ENDS = {"max": ("0", "max"), "minmax": ("min", "max"), "absolute": ("0", "1"), "original": ("0", "max")}


def words_grid(spec: PictureSpec) -> Image.Image:
    """Draw one labelled overlay for each chosen word or token, with its largest value."""
    chosen = _subjects(spec)
    _check_count("words", len(chosen), "choose fewer words")
    heats = spec.heats(chosen)
    labels = [word.text for word in chosen]
    return heats_grid(spec, labels, heats, spec.maps.provenance.prompt, spec.place(heats[0]))


def heats_grid(
    spec: PictureSpec, labels: Sequence[str], heats: Sequence[HeatMap], left: str, right: str
) -> Image.Image:
    """Draw one labelled overlay for each map, with its largest value, under one line of text."""
    size, columns = _layout(spec, len(heats))
    cells = [_cell(spec, label, heat, size) for label, heat in zip(labels, heats, strict=True)]
    return _figure(spec, grid(cells, columns, GAP), left, right)


def sites_grid(spec: PictureSpec) -> Image.Image:
    """Draw one labelled overlay for each chosen site (by default every recorded one)."""
    chosen = _sites(spec)
    _check_count("sites", len(chosen), "choose fewer sites")
    heats = [spec.heat(sites=site.name) for site in chosen]
    size, columns = _layout(spec, len(chosen))
    cells = [
        _cell(spec, _site_label(spec, site), heat, size, site.name)
        for site, heat in zip(chosen, heats, strict=True)
    ]
    place = f"{len(chosen)} sites · {spec.maps.provenance.level}"
    return _figure(spec, grid(cells, columns, GAP), spec.subject(heats[0]), place)


def matrix(spec: PictureSpec) -> Image.Image:
    """Draw overlays with a row for each chosen word or token and a column for each chosen site."""
    rows, columns = _subjects(spec), _sites(spec)
    _check_count("matrix", len(rows) * len(columns), "choose fewer words or sites")
    size = fitting(spec.maps.image_size, min(160, max(64, _WIDE // len(columns))))
    names = [text(word.text, LETTER, width=160) for word in rows]
    left = max(name.width for name in names)
    body = [beside([blank(left, 1), *(_site_heading(spec, site, size[1]) for site in columns)], GAP // 2)]
    heats = zip(*(spec.heats(rows, site.name) for site in columns), strict=True)
    for name, row in zip(names, heats, strict=True):
        cells = [_small_cell(spec, heat, size, site.name) for heat, site in zip(row, columns, strict=True)]
        body.append(beside([_row_heading(name, left, size[0]), *cells], GAP // 2))
    place = f"words by sites · {spec.maps.provenance.level}"
    return _figure(spec, above(body, GAP // 2), spec.maps.provenance.prompt, place)


def heats_table(
    spec: PictureSpec,
    labels: Sequence[str],
    headings: Sequence[str],
    rows: Sequence[Sequence[HeatMap | None]],
    left: str,
    right: str,
) -> Image.Image:
    """Draw overlays with a label per row and a heading per column; None shows the image alone."""
    size = fitting(spec.image_size, min(160, max(64, _WIDE // len(headings))))
    names = [text(label, LETTER, width=160) for label in labels]
    first = max(name.width for name in names)
    columns = [above([text(heading, SMALL, size[1]), blank(size[1], 1)], gap=0) for heading in headings]
    body = [beside([blank(first, 1), *columns], GAP // 2)]
    for name, row in zip(names, rows, strict=True):
        cells = [_small_cell(spec, heat, size) for heat in row]
        body.append(beside([_row_heading(name, first, size[0]), *cells], GAP // 2))
    return _figure(spec, above(body, GAP // 2), left, right)


def timesteps_strip(spec: PictureSpec) -> Image.Image:
    """Draw one row of overlays, one for each pass, labelled with its timestep."""
    passes = spec.passes or (spec.maps,)
    if len(passes) > _MAX_PASSES:
        raise SettingError(f"one row has room for {_MAX_PASSES} timesteps, not {len(passes)}; give fewer")
    size = fitting(spec.maps.image_size, min(360, max(112, _WIDE // len(passes))))
    specs = [spec.for_pass(maps) for maps in passes]
    heats = [each.heat() for each in specs]
    cells = [
        _cell(each, each.maps.provenance.level, heat, size, None, index)
        for index, (each, heat) in enumerate(zip(specs, heats, strict=True))
    ]
    place = f"{spec.where(heats[0])} · noise {spec.maps.provenance.noise}"
    return _figure(spec, beside(cells, GAP), spec.subject(heats[0]), place)


def _subjects(spec: PictureSpec) -> list[Word]:
    """Return the chosen words, or tokens as one-token words; repeated words are numbered."""
    maps = spec.maps
    if spec.tokens not in (None, ""):
        indices = maps.heat_map(tokens=spec.tokens, words=spec.words, sites=maps.sites[0].name).tokens
        return [Word(f"{index} {maps.tokens[index].text}", (index,)) for index in indices]
    if spec.words is None or spec.words == "":
        spoken = [word for word in maps.words if word.is_spoken]
        return _number_repeats(spoken or maps.words, maps.words)
    return _number_repeats(maps.find_words(spec.words or ""), maps.words)


def _number_repeats(chosen: Sequence[Word], prompt: Sequence[Word]) -> list[Word]:
    texts = Counter(word.text for word in prompt)
    order: dict[tuple[int, ...], int] = {}
    seen: Counter[str] = Counter()
    for word in prompt:
        seen[word.text] += 1
        order[word.tokens] = seen[word.text]
    return [
        Word(f"{word.text}#{order[word.tokens]}", word.tokens)
        if texts[word.text] > 1 and word.tokens in order
        else word
        for word in chosen
    ]


def _sites(spec: PictureSpec) -> tuple[Site, ...]:
    return spec.maps.select_sites("all" if spec.sites in (None, "") else spec.sites)


def _site_label(spec: PictureSpec, site: Site) -> str:
    return "{}  {} x {}".format(site.label, *site.grid(spec.maps.latent_size))


def _overlay(spec: PictureSpec, heat: HeatMap, size: tuple[int, int]) -> tuple[Image.Image, float]:
    """Return the overlay at (height, width), and the value of its lightest colour."""
    picture, _, high = spec.overlaid(heat, size)
    return picture, high


def _cell(
    spec: PictureSpec,
    label: str,
    heat: HeatMap,
    size: tuple[int, int],
    site: str | None = None,
    of_pass: int = 0,
) -> Image.Image:
    picture, high = _overlay(spec, heat, size)
    return cell(label, number(high), mark_image_region(picture, site, of_pass))


def _small_cell(
    spec: PictureSpec, heat: HeatMap | None, size: tuple[int, int], site: str | None = None
) -> Image.Image:
    picture, note = spec.scaled(size), "–"
    if heat is not None:
        picture, high = _overlay(spec, heat, size)
        picture, note = mark_image_region(picture, site), number(high)
    return above([picture, text(note, SMALL - 2, width=size[1], colour=MUTED)], gap=1)


def _site_heading(spec: PictureSpec, site: Site, width: int) -> Image.Image:
    grid_text = "{} x {}".format(*site.grid(spec.maps.latent_size))
    lines = [text(site.label, SMALL, width), text(grid_text, SMALL - 2, width, MUTED)]
    return above([*lines, blank(width, 1)], gap=0)


def _row_heading(name: Image.Image, width: int, height: int) -> Image.Image:
    """Draw the word, right-aligned and vertically centred beside its row's pictures."""
    heading = blank(width, height)
    heading.paste(name, (width - name.width, max(0, (height - name.height) // 2)))
    return heading


def _figure(spec: PictureSpec, body: Image.Image, left: str, right: str) -> Image.Image:
    """Draw the cells and their shared colour bar, under one line of text."""
    view = spec.view
    bar = colour_bar(view.colormap, min(body.height, 360), _BAR_ENDS[view.normalize], SMALL)
    return figure(beside([body, bar], GAP), left, right)


def _layout(spec: PictureSpec, count: int) -> tuple[tuple[int, int], int]:
    """Return the (height, width) of a cell's picture and the number of columns, for a figure about 3:2."""
    height, width = spec.image_size
    columns = min(count, max(1, round(math.sqrt(1.5 * count * height / width))))
    return fitting(spec.image_size, min(360, max(112, _WIDE // columns))), columns


def _check_count(mode: str, count: int, cure: str) -> None:
    if count > MAX_CELLS:
        raise SettingError(f"mode {mode!r} would draw {count} cells, and at most {MAX_CELLS} fit; {cure}")
