"""Many maps side by side: one cell for each word, for each site, for each pair of both, for each pass."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from PIL import Image

from vxa.attention.sites import Site
from vxa.errors import SettingError
from vxa.maps.heat_map import HeatMap
from vxa.pictures.image_regions import show_image_region
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

_WIDE = 960  # pixels that the cells of one row may take
_MAX_CELLS = 24  # in one row of timesteps
_BAR_ENDS = {"max": ("0", "max"), "minmax": ("min", "max"), "absolute": ("0", "1"), "original": ("0", "max")}


def words_grid(question: PictureSpec) -> Image.Image:
    """One labelled overlay for each chosen word or token, each with its largest value."""
    chosen = _subjects(question)
    _check_count("words", len(chosen), "choose fewer words")
    heats = question.heats(chosen)
    labels = [word.text for word in chosen]
    return heats_grid(question, labels, heats, question.maps.provenance.prompt, question.place(heats[0]))


def heats_grid(
    question: PictureSpec, labels: Sequence[str], heats: Sequence[HeatMap], left: str, right: str
) -> Image.Image:
    """One labelled overlay for each map, each with its largest value, under one line of text."""
    size, columns = _layout(question, len(heats))
    cells = [_cell(question, label, heat, size) for label, heat in zip(labels, heats, strict=True)]
    return _figure(question, grid(cells, columns, GAP), left, right)


def sites_grid(question: PictureSpec) -> Image.Image:
    """One labelled overlay for each chosen site (by default every recorded one)."""
    chosen = _sites(question)
    _check_count("sites", len(chosen), "choose fewer sites")
    heats = [question.heat(sites=site.name) for site in chosen]
    size, columns = _layout(question, len(chosen))
    cells = [
        _cell(question, _site_label(question, site), heat, size, site.name)
        for site, heat in zip(chosen, heats, strict=True)
    ]
    place = f"{len(chosen)} sites · {question.maps.provenance.level}"
    return _figure(question, grid(cells, columns, GAP), question.subject(heats[0]), place)


def matrix(question: PictureSpec) -> Image.Image:
    """Overlays with a row for each chosen word or token and a column for each chosen site."""
    rows, columns = _subjects(question), _sites(question)
    _check_count("matrix", len(rows) * len(columns), "choose fewer words or sites")
    size = fitting(question.maps.image_size, min(160, max(64, _WIDE // len(columns))))
    names = [text(word.text, LETTER, width=160) for word in rows]
    left = max(name.width for name in names)
    body = [beside([blank(left, 1), *(_site_heading(question, site, size[1]) for site in columns)], GAP // 2)]
    heats = zip(*(question.heats(rows, site.name) for site in columns), strict=True)
    for name, row in zip(names, heats, strict=True):
        cells = [
            _small_cell(question, heat, size, site.name) for heat, site in zip(row, columns, strict=True)
        ]
        body.append(beside([_row_heading(name, left, size[0]), *cells], GAP // 2))
    place = f"words by sites · {question.maps.provenance.level}"
    return _figure(question, above(body, GAP // 2), question.maps.provenance.prompt, place)


def heats_table(
    question: PictureSpec,
    labels: Sequence[str],
    headings: Sequence[str],
    rows: Sequence[Sequence[HeatMap | None]],
    left: str,
    right: str,
) -> Image.Image:
    """Overlays in rows of one label each, under one heading a column; where no map is, the image alone."""
    size = fitting(question.image_size, min(160, max(64, _WIDE // len(headings))))
    names = [text(label, LETTER, width=160) for label in labels]
    first = max(name.width for name in names)
    columns = [above([text(heading, SMALL, size[1]), blank(size[1], 1)], gap=0) for heading in headings]
    body = [beside([blank(first, 1), *columns], GAP // 2)]
    for name, row in zip(names, rows, strict=True):
        cells = [_small_cell(question, heat, size) for heat in row]
        body.append(beside([_row_heading(name, first, size[0]), *cells], GAP // 2))
    return _figure(question, above(body, GAP // 2), left, right)


def timesteps_strip(question: PictureSpec) -> Image.Image:
    """One row of overlays, labelled with its timestep: one for each pass."""
    passes = question.passes or (question.maps,)
    if len(passes) > _MAX_CELLS:
        raise SettingError(f"one row has room for {_MAX_CELLS} timesteps, not {len(passes)}; give fewer")
    size = fitting(question.maps.image_size, min(360, max(112, _WIDE // len(passes))))
    asked = [question.asked_of(maps) for maps in passes]
    heats = [each.heat() for each in asked]
    cells = [
        _cell(each, each.maps.provenance.level, heat, size, None, number)
        for number, (each, heat) in enumerate(zip(asked, heats, strict=True))
    ]
    place = f"{question.where(heats[0])} · noise {question.maps.provenance.noise}"
    return _figure(question, beside(cells, GAP), question.subject(heats[0]), place)


def _subjects(question: PictureSpec) -> list[Word]:
    """The chosen words, or tokens as words of one; of a text that occurs often, each with its number."""
    maps = question.maps
    if question.tokens not in (None, ""):
        indices = maps.heat_map(tokens=question.tokens, words=question.words, sites=maps.sites[0].name).tokens
        return [Word(f"{index} {maps.tokens[index].text}", (index,)) for index in indices]
    blank = question.words is None or question.words == ""
    if blank:
        spoken = [word for word in maps.words if word.is_spoken]
        return _numbered(spoken or maps.words, maps.words)
    return _numbered(maps.find_words(question.words or ""), maps.words)


def _numbered(chosen: Sequence[Word], prompt: Sequence[Word]) -> list[Word]:
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


def _sites(question: PictureSpec) -> tuple[Site, ...]:
    return question.maps.select_sites("all" if question.sites in (None, "") else question.sites)


def _site_label(question: PictureSpec, site: Site) -> str:
    return "{}  {} x {}".format(site.label, *site.grid(question.maps.latent_size))


def _overlay(question: PictureSpec, heat: HeatMap, size: tuple[int, int]) -> tuple[Image.Image, float]:
    """The overlay of (height, width), and the value its lightest colour stands for."""
    picture, _, high = question.overlaid(heat, size)
    return picture, high


def _cell(
    question: PictureSpec,
    label: str,
    heat: HeatMap,
    size: tuple[int, int],
    site: str | None = None,
    of_pass: int = 0,
) -> Image.Image:
    picture, high = _overlay(question, heat, size)
    return cell(label, number(high), show_image_region(picture, site, of_pass))


def _small_cell(
    question: PictureSpec, heat: HeatMap | None, size: tuple[int, int], site: str | None = None
) -> Image.Image:
    picture, said = question.scaled(size), "–"
    if heat is not None:
        picture, high = _overlay(question, heat, size)
        picture, said = show_image_region(picture, site), number(high)
    return above([picture, text(said, SMALL - 2, width=size[1], colour=MUTED)], gap=1)


def _site_heading(question: PictureSpec, site: Site, width: int) -> Image.Image:
    grid_text = "{} x {}".format(*site.grid(question.maps.latent_size))
    lines = [text(site.label, SMALL, width), text(grid_text, SMALL - 2, width, MUTED)]
    return above([*lines, blank(width, 1)], gap=0)


def _row_heading(name: Image.Image, width: int, height: int) -> Image.Image:
    """The word, centred beside its row's pictures."""
    heading = blank(width, height)
    heading.paste(name, (width - name.width, max(0, (height - name.height) // 2)))
    return heading


def _figure(question: PictureSpec, body: Image.Image, left: str, right: str) -> Image.Image:
    """The cells and the one colour bar that they share, under one line of text."""
    view = question.view
    bar = colour_bar(view.colormap, min(body.height, 360), _BAR_ENDS[view.normalize], SMALL)
    return figure(beside([body, bar], GAP), left, right)


def _layout(question: PictureSpec, count: int) -> tuple[tuple[int, int], int]:
    """The (height, width) of a cell's picture and the number of columns of a figure about 3:2."""
    height, width = question.image_size
    columns = min(count, max(1, round(math.sqrt(1.5 * count * height / width))))
    return fitting(question.image_size, min(360, max(112, _WIDE // columns))), columns


def _check_count(mode: str, count: int, cure: str) -> None:
    if count > MAX_CELLS:
        raise SettingError(f"mode {mode!r} would draw {count} cells, and at most {MAX_CELLS} fit; {cure}")
