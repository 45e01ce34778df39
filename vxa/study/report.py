"""A report folder: `report.json` for programs, `report.md` for a README, `index.html` for readers."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template

import numpy as np
from PIL import Image

from vxa.io.atomic import atomic_file
from vxa.io.images import save_image
from vxa.pictures.layout import cell, grid
from vxa.pictures.shading import normalized, outlined, overlaid
from vxa.study.evidence import Evidence
from vxa.study.methods import Method
from vxa.study.metrics import iou
from vxa.study.pictures import Question
from vxa.study.tables import Report, further_tables, main_tables, short_table

__all__ = ["Report", "comparison", "markdown", "table_text", "write_report"]


_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }
body { color: #1b1b1f; background: #fff }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap }
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
$further
</html>
""")


def write_report(report: Report, pictures: Mapping[str, Image.Image], folder: Path) -> None:
    """Write the three files and the pictures, by name, into the folder; every file is written atomically."""
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
    """Return the short table of all methods, then the tables of the tracks and of the causal check."""
    tables = (short_table(report), *main_tables(report))
    return "\n".join(f"**{title}**\n\n{table_text(head, rows)}\n" for title, head, rows in tables)


def table_text(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def comparison(evidence: Evidence, question: Question, methods: Mapping[str, Method]) -> Image.Image:
    """Draw the outlined truth of one question and every method's map over the picture."""
    image = evidence.picture.image
    cells = [cell(f"“{question.word}”", "truth", outlined(image, question.truth, 2.0))]
    for name, method in methods.items():
        values = method.read(evidence, question.word)
        shade, _, _ = normalized(values)
        score = iou(method.mask(values), question.truth)
        cells.append(cell(name, f"IoU {score:.2f}", overlaid(image, np.asarray(shade), "inferno", 0.8)))
    return grid(cells, 5, 8).quantize(128)  # a third of the file


def _page(report: Report, pictures: Sequence[str]) -> str:
    """Return a page without scripts, in light and dark."""
    plan = ", ".join(f"{name} {value}" for name, value in report["plan"].items() if name != "methods")
    tables, further = (
        "".join(f"<h2>{title}</h2>{_html(head, rows)}" for title, head, rows in group if rows)
        for group in ((short_table(report), *main_tables(report)), further_tables(report))
    )
    about = [
        f"<li><b>{html.escape(name)}</b>: {html.escape(figures['about'])}</li>"
        for name, figures in report["methods"].items()
    ]
    images = [
        f'<figure><img src="{name}.png" alt="The {name} answer"><figcaption>{name}</figcaption></figure>'
        for name in pictures
    ]
    return _PAGE.substitute(
        style=_STYLE,
        plan=html.escape(plan),
        tables=tables,
        further=further,
        methods="".join(about),
        first=html.escape(next(iter(report["methods"]))),
        pictures="".join(images),
    )


def _html(head: list[str], rows: list[list[str]]) -> str:
    top = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(value)}</td>" for value in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{top}</tr>{body}</table>"
