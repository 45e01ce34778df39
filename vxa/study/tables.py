"""Tables of a report: short, main and further ones.

for title, head, rows in (short_table(report), *main_tables(report)): …
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from vxa.study.summary import CUTS, REPORTED

__all__ = ["Report", "Table", "further_tables", "main_tables", "short_table"]

Report = Mapping[str, Any]
Row = Mapping[str, Any]
Table = tuple[str, list[str], list[list[str]]]
"""Title, head and rows."""

_COLUMNS: tuple[tuple[str, Callable[[Row], str]], ...] = (
    ("mIoU (95 % interval)", lambda row: _mean(row)),
    ("pointing", lambda row: f"{row['pointing']:.3f}"),
    ("average precision", lambda row: f"{row['average_precision']:.3f}"),
    ("leakage", lambda row: f"{row['leakage']:.3f}"),
    ("oracle τ", lambda row: f"{row['oracle_miou']:.3f}"),
    ("adjectives", lambda row: _mean(row["by_class"].get("adjective"))),
    ("verbs", lambda row: _mean(row["by_class"].get("verb"))),
    ("below ours", lambda row: _difference(row["below_reference"])),
)

_SPREADS = {
    "pointing": "pointing", "average precision": "average_precision", "leakage": "leakage",
    "oracle τ": "oracle_miou",
}  # fmt: skip

_GROUPS = {"size of the thing": "by_size", "objects in the picture": "by_objects", "class": "by_class"}


def short_table(report: Report) -> Table:
    """Return one row per method: its mean IoU on each track, and its causal correlation."""
    head = ["method", *(f"{track}: mIoU (95 % interval)" for track in report["tracks"]), "causal correlation"]
    rows = [
        [
            name,
            *(_mean(figures[track] if figures[track]["words"] else None) for track in report["tracks"]),
            _spread(cause) if (cause := figures.get("causal_correlation")) else "–",
        ]
        for name, figures in report["methods"].items()
    ]
    return "; ".join(_title(report, track) for track in report["tracks"]), head, rows


def main_tables(report: Report) -> list[Table]:
    """Return the main tables: one for each track, and the causal check."""
    tables = [(_title(report, track), *_columns(report, track, _COLUMNS)) for track in report["tracks"]]
    rows = [
        [name, _spread(cause), _difference(figures["causal_below_reference"])]
        for name, figures in report["methods"].items()
        if (cause := figures.get("causal_correlation"))
    ]
    title = "causal check: correlation of the map with what another noun in the word's place changes"
    tables.append((title, ["method", "correlation (95 % interval)", "below ours"], rows))
    return [table for table in tables if table[2]]


def further_tables(report: Report) -> Iterator[Table]:
    """Yield the further tables: intervals, every τ and cut, sizes, numbers of objects, classes, nouns."""
    spreads = [(title, partial(_figure, name=name)) for title, name in _SPREADS.items()]
    cuts = [(f"{tau} of the {cut}", partial(_at, cut=cut, tau=str(tau))) for cut in CUTS for tau in REPORTED]
    for track in report["tracks"]:
        yield (f"{track}: with their 95 % intervals", *_columns(report, track, spreads))
        yield (f"{track}: mIoU at τ", *_columns(report, track, cuts))
        for title, name in _GROUPS.items():
            yield (
                f"{track}: mIoU by {title} (number)",
                *_columns(report, track, _grouped(report, track, name)),
            )
        head, rows = _columns(report, track, _grouped(report, track, "by_noun"))
        turned = [list(row) for row in zip(head, *rows, strict=True)]
        yield (f"{track}: mIoU by noun (number)", turned[0], turned[1:])


def _columns(
    report: Report, track: str, columns: Sequence[tuple[str, Callable[[Row], str]]]
) -> tuple[list[str], list[list[str]]]:
    """Return head and rows of a table of the methods."""
    rows = [
        [name, *(show(figures[track]) for _, show in columns)]
        for name, figures in report["methods"].items()
        if figures.get(track, {}).get("words")
    ]
    return ["method", *(name for name, _ in columns)], rows


def _grouped(report: Report, track: str, name: str) -> list[tuple[str, Callable[[Row], str]]]:
    """Return a column for each group of words that any method has figures of."""
    by_method = [figures.get(track, {}).get(name, {}) for figures in report["methods"].values()]
    groups = sorted({group for each in by_method for group in each})
    return [(group, partial(_of_group, name=name, group=group)) for group in groups]


def _of_group(row: Row, name: str, group: str) -> str:
    figures = row[name].get(group)
    return f"{_mean(figures)} ({figures['words']})" if figures else "–"


def _title(report: Report, track: str) -> str:
    facts = report["tracks"][track]
    absent = f"; {facts['absent']} further nouns were not found in the pictures" if facts["absent"] else ""
    return f"{track}: {facts['words']} nouns in {facts['pictures']} pictures{absent}"


def _mean(row: Row | None) -> str:
    return "–" if row is None else _spread((row["object_miou"], row["low"], row["high"]))


def _figure(row: Row, name: str) -> str:
    return _spread((row[name], *row["intervals"][name]))


def _at(row: Row, cut: str, tau: str) -> str:
    return _spread(row["miou_at"][cut][tau])


def _spread(value: Sequence[float]) -> str:
    return f"{value[0]:.3f} ({value[1]:.3f}–{value[2]:.3f})"


def _difference(value: Sequence[float] | None) -> str:
    return "–" if value is None else f"{value[0]:+.3f} ({value[1]:+.3f} to {value[2]:+.3f})"
