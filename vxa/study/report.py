"""A report folder: `report.json` for programs, `report.md` for a README, `index.html` for people."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from PIL import Image

from vxa.atomic import atomic_file
from vxa.cells import cell
from vxa.drawing import grid
from vxa.images import save_image
from vxa.shading import normalized, outlined, overlaid
from vxa.study.evidence import Evidence
from vxa.study.methods import Method
from vxa.study.metrics import iou
from vxa.study.pictures import Question

__all__ = ["Report", "comparison", "markdown", "write_report"]

Report = Mapping[str, Any]

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }
body { color: #1b1b1f; background: #fff }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid #ddd }
th:first-child, td:first-child { text-align: left }
img { max-width: 100% } figure { margin: 1rem 0 }
@media (prefers-color-scheme: dark) {
  body { color: #eee; background: #17181c }
  th, td { border-color: #444 }
}
"""

_PAGE = Template("""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>How true are the maps?</title><style>$style</style>
<h1>How true are the maps?</h1>
<p>Measured on papercut, a synthetic world: not to be put beside figures of Stable Diffusion. $plan.</p>
$tables
<h2>Methods</h2><ul>$methods</ul>
<h2>Best, median and worst of “$first”</h2>
$pictures
</html>
""")

_COLUMNS: tuple[tuple[str, Callable[[Mapping[str, Any]], str]], ...] = (
    ("mIoU (95 % interval)", lambda row: f"{row['object_miou']:.3f} ({row['low']:.3f}–{row['high']:.3f})"),
    ("pointing", lambda row: f"{row['pointing']:.3f}"),
    ("average precision", lambda row: f"{row['average_precision']:.3f}"),
    ("leakage", lambda row: f"{row['leakage']:.3f}"),
    ("oracle τ", lambda row: f"{row['oracle_miou']:.3f}"),
    ("adjectives", lambda row: _or_dash(row["adjective_miou"])),
    ("verbs", lambda row: _or_dash(row["verb_miou"])),
    ("below ours", lambda row: _difference(row["below_reference"])),
)


def write_report(report: Report, pictures: Mapping[str, Image.Image], folder: Path) -> None:
    """Write the three files and the pictures, by name, into the folder; each is whole or not there."""
    for name, picture in pictures.items():
        save_image(picture, folder / f"{name}.png")
    texts = {
        "report.json": json.dumps(report, indent=1, ensure_ascii=False) + "\n",
        "report.md": markdown(report),
        "index.html": _page(report, list(pictures)),
    }
    for name, text in texts.items():
        with atomic_file(folder / name) as file:
            file.write(text.encode("utf-8"))


def markdown(report: Report) -> str:
    """The tables of the tracks and of the causal check."""
    parts = []
    for title, head, rows in _tables(report):
        lines = [head, ["---"] * len(head), *rows]
        text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        parts.append(f"**{title}**\n\n{text}\n")
    return "\n".join(parts)


def comparison(looked_at: Evidence, question: Question, methods: Mapping[str, Method]) -> Image.Image:
    """One question with every method's map: the truth outlined, then the maps over the picture."""
    image = looked_at.picture.image
    cells = [cell(f"“{question.word}”", "truth", outlined(image, question.truth, 2.0))]
    for name, method in methods.items():
        values = method.read(looked_at, question.word)
        shade, _, _ = normalized(values)
        found = iou(method.mask(values), question.truth)
        cells.append(cell(name, f"IoU {found:.2f}", overlaid(image, np.asarray(shade), "inferno", 0.8)))
    return grid(cells, 5, 8)


def _tables(report: Report) -> list[tuple[str, list[str], list[list[str]]]]:
    """Title, head and rows of every table that has rows."""
    tables = [(_title(report, track), *_table(report, track)) for track in report["tracks"]]
    causes = {name: figures.get("causal_correlation") for name, figures in report["methods"].items()}
    rows = [[name, _spread(cause)] for name, cause in causes.items() if cause]
    title = "causal check: correlation of the map with what changes when its noun is taken out of the prompt"
    tables.append((title, ["method", "correlation (95 % interval)"], rows))
    return [table for table in tables if table[2]]


def _table(report: Report, track: str) -> tuple[list[str], list[list[str]]]:
    head = ["method", *(name for name, _ in _COLUMNS)]
    rows = [
        [name, *(show(figures[track]) for _, show in _COLUMNS)]
        for name, figures in report["methods"].items()
        if figures.get(track, {}).get("words")
    ]
    return head, rows


def _title(report: Report, track: str) -> str:
    facts = report["tracks"][track]
    absent = f"; {facts['absent']} further nouns were not found in the pictures" if facts["absent"] else ""
    return f"{track}: {facts['words']} nouns in {facts['pictures']} pictures{absent}"


def _page(report: Report, pictures: Sequence[str]) -> str:
    """A page without scripts, in light and dark."""
    plan = ", ".join(f"{name} {value}" for name, value in report["plan"].items() if name != "methods")
    tables = [f"<h2>{title}</h2>{_html(head, rows)}" for title, head, rows in _tables(report)]
    about = [
        f"<li><b>{html.escape(name)}</b>: {html.escape(figures['about'])}</li>"
        for name, figures in report["methods"].items()
    ]
    shown = [
        f'<figure><img src="{name}.png" alt="The {name} answer"><figcaption>{name}</figcaption></figure>'
        for name in pictures
    ]
    return _PAGE.substitute(
        style=_STYLE,
        plan=html.escape(plan),
        tables="".join(tables),
        methods="".join(about),
        first=html.escape(next(iter(report["methods"]))),
        pictures="".join(shown),
    )


def _html(head: list[str], rows: list[list[str]]) -> str:
    top = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(value)}</td>" for value in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{top}</tr>{body}</table>"


def _spread(value: Sequence[float]) -> str:
    return f"{value[0]:.3f} ({value[1]:.3f}–{value[2]:.3f})"


def _or_dash(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _difference(value: Sequence[float] | None) -> str:
    return "–" if value is None else f"{value[0]:+.3f} ({value[1]:+.3f} to {value[2]:+.3f})"
