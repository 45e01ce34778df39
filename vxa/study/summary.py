"""Figures of a report from the answers of each method.

    summary(answers, "default")["default"]["object_miou"]

The headline is over objects' nouns. Adjectives, verbs, sizes and numbers of objects have their own rows.
Every figure has a 95 % interval from resampled pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from vxa.study.evaluate import Answer
from vxa.study.metrics import paired
from vxa.study.segmentation import THRESHOLDS

__all__ = ["CUTS", "REPORTED", "below", "interval", "summary", "with_interval"]

Answers = Sequence[Answer]
Figure = Callable[[Answer], float]

REPORTED = (0.3, 0.4, 0.5)
"""Thresholds τ of DAAM's table."""

CUTS = ("max", "minmax")

SIZES = ((0.03, "under 3 %"), (0.12, "3 to 12 %"), (1.0, "over 12 %"))
"""Size classes: the upper limit of the share of the picture, and the name."""

_FIGURES: Mapping[str, Figure] = {
    "pointing": lambda answer: float(answer.pointed),
    "average_precision": lambda answer: answer.precision or 0.0,
    "leakage": lambda answer: answer.leaked,
    "oracle_miou": lambda answer: answer.oracle,
}


def summary(answers: Answers, reference: str) -> dict[str, dict[str, Any]]:
    """Return the figures of each method, by name, with the difference to the method called `reference`."""
    methods = dict.fromkeys(answer.method for answer in answers)
    by_method = {name: [answer for answer in answers if answer.method == name] for name in methods}
    ours = _objects(by_method[reference]) if reference in by_method else []
    return {name: _figures(group, ours) for name, group in by_method.items()}


def _figures(answers: Answers, ours: Answers) -> dict[str, Any]:
    objects = _objects(answers)
    if not objects:
        return {"words": 0}
    values = [answer.own for answer in objects], [answer.own for answer in ours]
    spreads = {name: interval(objects, figure) for name, figure in _FIGURES.items()}
    return {
        **_row(objects),
        **{name: spread[0] for name, spread in spreads.items()},
        "intervals": {name: spread[1:] for name, spread in spreads.items()},
        "miou_at": {cut: _at_reported(objects, cut) for cut in CUTS},
        "by_class": _grouped(answers, lambda answer: answer.question.kind),
        "by_noun": _grouped(objects, lambda answer: answer.question.word),
        "by_size": _grouped(objects, _size),
        "by_objects": _grouped(objects, lambda answer: min(answer.objects, 5)),
        "below_reference": below(*values, [answer.seed for answer in objects]),
    }


def interval(answers: Answers, figure: Figure) -> tuple[float, float, float]:
    """Return the mean of a figure with its 95 % interval from resampled pictures."""
    return with_interval([figure(answer) for answer in answers], [answer.seed for answer in answers])


def with_interval(values: Sequence[float], seeds: Sequence[int]) -> tuple[float, float, float]:
    """Return the mean of the values with its 95 % interval; `seeds` is the picture of each value."""
    return _rounded(paired(values, [0.0] * len(values), seeds))


def below(
    theirs: Sequence[float], ours: Sequence[float], seeds: Sequence[int]
) -> tuple[float, float, float] | None:
    """Return the mean of `ours - theirs` with its interval; None unless both have the same questions."""
    if not ours or len(ours) != len(theirs):
        return None
    return _rounded(paired(ours, theirs, seeds))


def _objects(answers: Answers) -> list[Answer]:
    return [answer for answer in answers if answer.question.kind == "noun"]


def _grouped(answers: Answers, key: Callable[[Answer], Hashable]) -> Mapping[str, Any]:
    groups: dict[str, list[Answer]] = {}
    for answer in answers:
        groups.setdefault(str(key(answer)), []).append(answer)
    return {name: _row(group) for name, group in sorted(groups.items())}


def _row(group: Answers) -> dict[str, Any]:
    mean, low, high = interval(group, lambda answer: answer.own)
    return {"words": len(group), "object_miou": mean, "low": low, "high": high}


def _size(answer: Answer) -> str:
    share = float(answer.question.truth.mean())
    return next(name for limit, name in SIZES if share <= limit)


def _at_reported(answers: Answers, cut: Any) -> dict[str, tuple[float, float, float]]:
    """Return the mean IoU at each τ of `REPORTED`, with its interval."""
    columns = {tau: THRESHOLDS.index(tau) for tau in REPORTED}
    return {
        str(tau): interval(answers, lambda answer, at=column: float(answer.by_cut[cut][at]))  # type: ignore[misc]
        for tau, column in columns.items()
    }


def _rounded(values: tuple[float, float, float]) -> tuple[float, float, float]:
    first, second, third = (round(value, 4) for value in values)
    return first, second, third
