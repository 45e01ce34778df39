"""Answers to figures: what a report says of each method.

    summary(answers, "default")["default"]["object_miou"]

Objects' nouns are the headline; adjectives and verbs, sizes and crowds have rows of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from vxa.study.evaluate import Answer
from vxa.study.metrics import paired
from vxa.study.segmentation import THRESHOLDS

Answers = Sequence[Answer]
REPORTED = (0.3, 0.4, 0.5)
"""τ of DAAM's table."""

SIZES = ((0.03, "under 3 %"), (0.12, "3 to 12 %"), (1.0, "over 12 %"))
"""Shares of the picture that things are called small, middling and large by."""


def summary(answers: Answers, reference: str) -> dict[str, dict[str, Any]]:
    """The figures of each method, by name, with its difference to the method called `reference`."""
    methods = dict.fromkeys(answer.method for answer in answers)
    by_method = {name: [answer for answer in answers if answer.method == name] for name in methods}
    ours = _objects(by_method[reference]) if reference in by_method else []
    return {name: _figures(given, ours) for name, given in by_method.items()}


def _figures(given: Answers, ours: Answers) -> dict[str, Any]:
    objects = _objects(given)
    if not objects:
        return {"words": 0}
    mean, low, high = interval(objects, lambda answer: answer.own)
    return {
        "words": len(objects),
        "object_miou": mean, "low": low, "high": high,
        "pointing": _mean(objects, lambda answer: float(answer.pointed)),
        "average_precision": _mean(objects, lambda answer: answer.precision),
        "leakage": _mean(objects, lambda answer: answer.leaked),
        "oracle_miou": _mean(objects, lambda answer: answer.oracle),
        "miou_at": {cut: _at_reported(objects, cut) for cut in ("max", "minmax")},
        "adjective_miou": _of_kind(given, "adjective"),
        "verb_miou": _of_kind(given, "verb"),
        "by_noun": _grouped(objects, lambda answer: answer.question.word),
        "by_size": _grouped(objects, lambda answer: _size(answer)),
        "by_objects": _grouped(objects, lambda answer: min(answer.objects, 5)),
        "below_reference": _below(objects, ours),
    }  # fmt: skip


def interval(answers: Answers, figure: Callable[[Answer], float]) -> tuple[float, float, float]:
    """The mean of a figure with its 95 % interval, the pictures drawn again."""
    values = [figure(answer) for answer in answers]
    return _rounded(paired(values, [0.0] * len(values), [answer.seed for answer in answers]))


def _below(theirs: Answers, ours: Answers) -> tuple[float, float, float] | None:
    """How far these are below ours, on the same questions."""
    if not ours or len(ours) != len(theirs):
        return None
    pairs = [answer.own for answer in ours], [answer.own for answer in theirs]
    return _rounded(paired(*pairs, [answer.seed for answer in ours]))


def _objects(answers: Answers) -> list[Answer]:
    return [answer for answer in answers if answer.question.kind == "noun"]


def _of_kind(answers: Answers, kind: str) -> float | None:
    chosen = [answer for answer in answers if answer.question.kind == kind]
    return _mean(chosen, lambda answer: answer.own) if chosen else None


def _grouped(answers: Answers, key: Callable[[Answer], Hashable]) -> Mapping[str, Any]:
    groups: dict[str, list[Answer]] = {}
    for answer in answers:
        groups.setdefault(str(key(answer)), []).append(answer)
    return {
        name: {"object_miou": _mean(group, lambda answer: answer.own), "words": len(group)}
        for name, group in sorted(groups.items())
    }


def _size(answer: Answer) -> str:
    share = float(answer.question.truth.mean())
    return next(name for limit, name in SIZES if share <= limit)


def _at_reported(answers: Answers, cut: Any) -> dict[str, float]:
    columns = [THRESHOLDS.index(tau) for tau in REPORTED]
    means = np.mean([answer.by_cut[cut][columns] for answer in answers], axis=0)
    return {str(tau): round(float(mean), 4) for tau, mean in zip(REPORTED, means, strict=True)}


def _mean(answers: Answers, figure: Callable[[Answer], float]) -> float:
    return round(float(np.mean([figure(answer) for answer in answers])), 4)


def _rounded(values: tuple[float, float, float]) -> tuple[float, float, float]:
    first, second, third = (round(value, 4) for value in values)
    return first, second, third
