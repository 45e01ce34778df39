"""The whole truth bench: choose the peers' best settings on `dev`, run every method, make the report.

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
from vxa.study.methods import METHODS, TUNED, Method, methods_for
from vxa.study.pictures import Track
from vxa.study.report import comparison
from vxa.study.summary import below, summary, with_interval
from vxa.version import __version__

__all__ = ["NAMES", "run"]

NAMES = (*METHODS, *TUNED)
"""Names of all methods."""

Advance = Callable[[], None]
_EVIDENCE = {"rendered": rendered_evidence, "generated": generated_evidence}


def run(
    model: DiffusersModel, plan: Plan, advance: Advance = lambda: None
) -> tuple[dict[str, Any], dict[str, Image.Image]]:
    """Run the bench; return the report and comparison pictures, by name.

    The pictures are of each track's best, median and worst answer of the first method. `advance` is called
    after each picture: `plan.pictures` times. Raises SettingError for an unknown method.
    """
    methods = _select_methods(model, plan, advance)
    seeds = range(plan.seed, plan.seed + plan.scenes)
    generated = range(plan.seed, plan.seed + plan.generated)
    tracks: dict[Track, _Track] = {
        "rendered": _run_track(rendered_evidence(model, plan.split, seeds), methods, advance),
        "generated": _run_track(
            generated_evidence(model, plan.split, generated), methods, advance, causal=True
        ),
    }
    figures = _figures(methods, {name: track.answers for name, track in tracks.items()})
    for name, causal in _causes(tracks["generated"].causes, next(iter(methods))).items():
        figures[name] |= causal
    report = {
        "plan": asdict(plan),
        "version": __version__,
        "tracks": {name: _facts(track) for name, track in tracks.items()},
        "methods": figures,
    }
    pictures = [_pictures(model, plan, methods, name, track.answers) for name, track in tracks.items()]
    return report, pictures[0] | pictures[1]


def _select_methods(model: DiffusersModel, plan: Plan, advance: Advance) -> dict[str, Method]:
    unknown = [name for name in plan.methods if name not in NAMES]
    if unknown or not plan.methods:
        raise SettingError(
            f"there is no method {', '.join(unknown) or '…'}; choose some of {', '.join(NAMES)}"
        )
    tuned = [name for name in plan.methods if name in TUNED]
    best: Mapping[str, Method] = {}
    if tuned:
        developed = rendered_evidence(model, "dev", range(plan.developed))
        best = best_settings(_count(developed, advance), tuned)
    return {name: best[name] if name in TUNED else METHODS[name] for name in plan.methods}


@dataclass
class _Track:
    """Results of some pictures.

    `absent` is the number of absent nouns per picture. `causes` holds, per method, the correlations of the
    causal check, each with its picture's seed."""

    answers: list[Answer] = field(default_factory=list)
    absent: list[int] = field(default_factory=list)
    causes: dict[str, list[tuple[int, float]]] = field(default_factory=dict)


def _run_track(
    pictures: Iterable[Evidence], methods: Mapping[str, Method], advance: Advance, causal: bool = False
) -> _Track:
    track = _Track()
    for evidence in _count(pictures, advance):
        track.answers += answers(evidence, methods)
        track.absent.append(len(evidence.picture.absent))
        for name, values in (correlations(evidence, methods) if causal else {}).items():
            pairs = [(evidence.picture.seed, value) for value in values]
            track.causes.setdefault(name, []).extend(pairs)
    return track


def _count(pictures: Iterable[Evidence], advance: Advance) -> Iterator[Evidence]:
    for evidence in pictures:
        yield evidence
        advance()


def _facts(track: _Track) -> dict[str, int]:
    words = {
        (answer.seed, answer.question.word) for answer in track.answers if answer.question.kind == "noun"
    }
    return {"pictures": len(track.absent), "words": len(words), "absent": sum(track.absent)}


def _figures(methods: Mapping[str, Method], tracks: Mapping[str, list[Answer]]) -> dict[str, Any]:
    reference = next(iter(methods))
    summaries = {track: summary(answers, reference) for track, answers in tracks.items()}
    return {
        name: {
            "about": method.about, "cut": method.cut, "threshold": method.threshold,
            **{track: figures.get(name, {"words": 0}) for track, figures in summaries.items()},
        }
        for name, method in methods.items()
    }  # fmt: skip


def _causes(causes: Mapping[str, list[tuple[int, float]]], reference: str) -> dict[str, dict[str, Any]]:
    """Return each method's mean correlation and its distance below the reference's, with intervals."""
    ours = [value for _, value in causes.get(reference, [])]
    figures = {}
    for name, pairs in causes.items():
        if pairs:
            seeds, values = [seed for seed, _ in pairs], [value for _, value in pairs]
            figures[name] = {
                "causal_correlation": with_interval(values, seeds),
                "causal_below_reference": below(values, ours, seeds),
            }
    return figures


def _pictures(
    model: DiffusersModel, plan: Plan, methods: Mapping[str, Method], track: Track, answers: list[Answer]
) -> dict[str, Image.Image]:
    first = next(iter(methods))
    ranked = sorted(
        (answer for answer in answers if answer.method == first and answer.question.kind == "noun"),
        key=lambda answer: -answer.own,
    )
    if not ranked:
        return {}
    places = {"best": ranked[0], "median": ranked[len(ranked) // 2], "worst": ranked[-1]}
    seeds = dict.fromkeys(answer.seed for answer in places.values())
    evidence = dict(zip(seeds, _EVIDENCE[track](model, plan.split, seeds), strict=True))
    serving = methods_for(methods, track)
    return {
        f"{track}-{name}": comparison(evidence[answer.seed], answer.question, serving)
        for name, answer in places.items()
    }
