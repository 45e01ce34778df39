"""The whole truth bench: choose the peers' best settings on `dev`, ask everything, make the report.

report, pictures = run(load("papercut"), Plan(("default", "daam", "daam (best)"), scenes=50))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from PIL import Image

from vxa.errors import SettingError
from vxa.models.diffusers import DiffusersModel
from vxa.study.causal import correlations
from vxa.study.evaluate import (
    Answer,
    Plan,
    answers,
    best_settings,
    generated_evidence,
    rendered_evidence,
)
from vxa.study.evidence import Evidence
from vxa.study.methods import BEST, METHODS, SETTINGS, Method
from vxa.study.metrics import bootstrap
from vxa.study.report import comparison
from vxa.study.summary import summary
from vxa.version import __version__

__all__ = ["NAMES", "run"]

NAMES = (*METHODS, *(name + BEST for name in SETTINGS))
"""The methods that can be asked for."""

Advance = Callable[[], None]


def run(
    model: DiffusersModel, plan: Plan, advance: Advance = lambda: None
) -> tuple[dict[str, Any], dict[str, Image.Image]]:
    """The report, and pictures of the best, median and worst answer of the first method, by name.

    `advance` is called after each picture: `plan.pictures` times. Raises SettingError for an unknown method.
    """
    methods = _chosen(model, plan, advance)
    seeds = range(plan.seed, plan.seed + plan.scenes)
    generated = range(plan.seed, plan.seed + plan.generated)
    tracks = {
        "rendered": _asked(rendered_evidence(model, plan.split, seeds), methods, advance),
        "generated": _asked(generated_evidence(model, plan.split, generated), methods, advance, causal=True),
    }
    figures = _figures(methods, {name: track.answers for name, track in tracks.items()})
    for name, values in tracks["generated"].causes.items():
        figures[name]["causal_correlation"] = bootstrap(values) if values else None
    report = {
        "plan": asdict(plan),
        "version": __version__,
        "tracks": {name: _facts(track) for name, track in tracks.items()},
        "methods": figures,
    }
    return report, _pictures(model, plan, methods, tracks["rendered"].answers)


def _chosen(model: DiffusersModel, plan: Plan, advance: Advance) -> dict[str, Method]:
    unknown = [name for name in plan.methods if name not in NAMES]
    if unknown or not plan.methods:
        raise SettingError(
            f"there is no method {', '.join(unknown) or '…'}; choose some of {', '.join(NAMES)}"
        )
    tuned = [name.removesuffix(BEST) for name in plan.methods if name.endswith(BEST)]
    best: Mapping[str, Method] = {}
    if tuned:
        developed = rendered_evidence(model, "dev", range(plan.developed))
        best = best_settings(_counted(developed, advance), tuned)
    return {
        name: best[name.removesuffix(BEST)] if name.endswith(BEST) else METHODS[name] for name in plan.methods
    }


@dataclass
class _Track:
    """What was found in some pictures: answers, nouns that are absent from each, correlations by method."""

    answers: list[Answer] = field(default_factory=list)
    absent: list[int] = field(default_factory=list)
    causes: dict[str, list[float]] = field(default_factory=dict)


def _asked(
    looked_at: Iterable[Evidence], methods: Mapping[str, Method], advance: Advance, causal: bool = False
) -> _Track:
    track = _Track()
    for evidence in _counted(looked_at, advance):
        track.answers += answers(evidence, methods)
        track.absent.append(len(evidence.picture.absent))
        for name, found in (correlations(evidence, methods) if causal else {}).items():
            track.causes.setdefault(name, []).extend(found)
    return track


def _counted(looked_at: Iterable[Evidence], advance: Advance) -> Iterator[Evidence]:
    for evidence in looked_at:
        yield evidence
        advance()


def _facts(track: _Track) -> dict[str, int]:
    words = {
        (answer.seed, answer.question.word) for answer in track.answers if answer.question.kind == "noun"
    }
    return {"pictures": len(track.absent), "words": len(words), "absent": sum(track.absent)}


def _figures(methods: Mapping[str, Method], tracks: Mapping[str, list[Answer]]) -> dict[str, Any]:
    reference = next(iter(methods))
    summed = {track: summary(given, reference) for track, given in tracks.items()}
    return {
        name: {
            "about": method.about, "cut": method.cut, "threshold": method.threshold,
            **{track: figures.get(name, {"words": 0}) for track, figures in summed.items()},
        }
        for name, method in methods.items()
    }  # fmt: skip


def _pictures(
    model: DiffusersModel, plan: Plan, methods: Mapping[str, Method], given: list[Answer]
) -> dict[str, Image.Image]:
    first = next(iter(methods))
    ranked = sorted(
        (answer for answer in given if answer.method == first and answer.question.kind == "noun"),
        key=lambda answer: -answer.own,
    )
    if not ranked:
        return {}
    places = {"best": 0, "median": len(ranked) // 2, "worst": -1}
    return {name: _comparison(model, plan, methods, ranked[place]) for name, place in places.items()}


def _comparison(
    model: DiffusersModel, plan: Plan, methods: Mapping[str, Method], answer: Answer
) -> Image.Image:
    evidence = next(rendered_evidence(model, plan.split, [answer.seed]))
    return comparison(evidence, answer.question, methods)
