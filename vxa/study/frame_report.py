"""Report of a study: tables with 95 % intervals as JSON, CSV, Markdown, LaTeX, and a page with pictures."""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vxa.io.atomic import atomic_file
from vxa.study.metrics import bootstrap, paired

__all__ = ["Row", "markdown", "summarize", "write_tables"]

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }}
table {{ border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto }}
th, td {{ padding: .3rem .7rem; text-align: right; border-bottom: 1px solid #8885; white-space: nowrap }}
th:first-child, td:first-child {{ text-align: left }}
img {{ max-width: 100% }}
</style>
<h1>{title}</h1>
<p>{model}, {pictures} cases a part from seed {seed}; means with 95 % intervals, cases resampled.
Papercut is a synthetic world: not to be put beside figures of Stable Diffusion.</p>
{body}
</html>
"""


@dataclass(frozen=True, eq=False)
class Row:
    """Figures of one case under one condition, in one table."""

    seed: int
    table: str
    condition: str
    figures: Mapping[str, float | None]


def summarize(
    rows: Sequence[Row], about: Mapping[str, str], reference: str
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return each table's figures by condition: mean, interval, failures, difference to the reference."""
    tables = dict.fromkeys(row.table for row in rows)
    return {table: _table([row for row in rows if row.table == table], about, reference) for table in tables}


def _table(rows: Sequence[Row], about: Mapping[str, str], reference: str) -> dict[str, dict[str, Any]]:
    conditions = dict.fromkeys(row.condition for row in rows)
    by_condition = {name: {row.seed: row for row in rows if row.condition == name} for name in conditions}
    return {
        name: {
            figure: _figure(own, by_condition.get(reference, {}), figure)
            for figure in about
            if any(figure in row.figures for row in own.values())
        }
        for name, own in by_condition.items()
    }


def _figure(own: Mapping[int, Row], other: Mapping[int, Row], figure: str) -> dict[str, Any]:
    values = {seed: row.figures.get(figure) for seed, row in own.items()}
    known = {seed: value for seed, value in values.items() if value is not None}
    found: dict[str, Any] = {"cases": len(known), "failures": len(values) - len(known)}
    if known:
        mean, low, high = bootstrap(list(known.values()))
        found |= {"mean": round(mean, 4), "low": round(low, 4), "high": round(high, 4)}
    theirs = {seed: row.figures.get(figure) for seed, row in other.items()}
    both = [seed for seed in known if theirs.get(seed) is not None]
    if both:
        ours, base = ([float(each[seed] or 0) for seed in both] for each in (known, theirs))
        found["difference"] = [round(each, 4) for each in paired(ours, base, both)]
        found["ratio"] = round(sum(ours) / sum(base), 4) if sum(base) else None
    return found


def _cells(found: Mapping[str, Any]) -> str:
    if "mean" not in found:
        return "–"
    lost = f", {found['failures']} without" if found["failures"] else ""
    return f"{found['mean']:.3g} ({found['low']:.3g}–{found['high']:.3g}{lost})"


def _lines(report: Mapping[str, Any]) -> Iterable[tuple[str, list[str], list[list[str]]]]:
    """Yield each table's title, head and lines."""
    for part, tables in report["parts"].items():
        for table, conditions in tables.items():
            figures = list(dict.fromkeys(name for each in conditions.values() for name in each))
            lines = [
                [name, *(_cells(found[figure]) if figure in found else "–" for figure in figures)]
                for name, found in conditions.items()
            ]
            yield f"{table} ({part})", ["condition", *figures], lines


def markdown(report: Mapping[str, Any]) -> str:
    """Return the tables in Markdown."""
    parts = []
    for title, head, lines in _lines(report):
        rows = [head, ["---"] * len(head), *lines]
        parts.append(f"**{title}**\n\n" + "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n")
    return "\n".join(parts)


def _latex(report: Mapping[str, Any]) -> str:
    parts = []
    for title, head, lines in _lines(report):
        rows = [" & ".join(row) + r" \\" for row in (head, *lines)]
        body = "\n".join([r"\toprule", rows[0], r"\midrule", *rows[1:], r"\bottomrule"])
        columns = "l" + "r" * (len(head) - 1)
        parts.append(f"% {title}\n\\begin{{tabular}}{{{columns}}}\n{body}\n\\end{{tabular}}\n")
    return "\n".join(parts).replace("%)", r"\%)").replace("–", "--").replace("_", r"\_")


def _csv(report: Mapping[str, Any]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = ("mean", "low", "high", "cases", "failures", "ratio")
    writer.writerow(("part", "table", "condition", "figure", *columns))
    for part, tables in report["parts"].items():
        for table, conditions in tables.items():
            for condition, figures in conditions.items():
                for figure, found in figures.items():
                    writer.writerow(
                        (part, table, condition, figure, *(found.get(column, "") for column in columns))
                    )
    return text.getvalue()


def _page(report: Mapping[str, Any], pictures: Mapping[str, Sequence[str]]) -> str:
    body = []
    for part, about in report["about"].items():
        body.append(f"<h2>{html.escape(part)}</h2><p>{html.escape(about)}</p>")
        for title, head, lines in _lines({"parts": {part: report["parts"][part]}}):
            cells = [
                "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row)
                for tag, row in (("th", head), *(("td", line) for line in lines))
            ]
            rows = "".join(f"<tr>{row}</tr>" for row in cells)
            body.append(f"<h3>{html.escape(title)}</h3><table>{rows}</table>")
        body += [f'<p><img src="{name}" alt="{html.escape(name)}"></p>' for name in pictures[part]]
    plan = report["plan"]
    return _PAGE.format(
        title=html.escape(report["title"]),
        body="\n".join(body),
        model=html.escape(plan["model"]),
        pictures=plan["pictures"],
        seed=plan["seed"],
    )


def write_tables(report: Mapping[str, Any], pictures: Mapping[str, Sequence[str]], folder: Path) -> None:
    """Write the report's files into the folder, each atomically; `pictures` are in it, by part."""
    texts = {
        "report.json": json.dumps(report, indent=1, ensure_ascii=False) + "\n",
        "report.csv": _csv(report),
        "report.md": markdown(report),
        "report.tex": _latex(report),
        "index.html": _page(report, pictures),
    }
    for name, text in texts.items():
        with atomic_file(folder / name) as file:
            file.write(text.encode("utf-8"))
