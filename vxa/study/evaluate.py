"""Evaluation of all methods on the same pictures, whose answers are known.

A peer's settings (sites, steps, cut, τ) are chosen on `dev` by mean IoU; the reported split is not used for
any choice. Every figure is over words; intervals resample the pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from vxa.models.diffusers import DiffusersModel
from vxa.papercut import scene
from vxa.papercut.scene import Split
from vxa.study.evidence import Evidence, evidence_of_generation, evidence_of_picture
from vxa.study.methods import BEST, EDGES, METHODS, TUNED, Cut, Method, Read, methods_for
from vxa.study.metrics import average_precision, iou, ious, leakage, pointing
from vxa.study.pictures import Question, judged, rendered
from vxa.study.segmentation import THRESHOLDS


@dataclass(frozen=True)
class Plan:
    """Methods and numbers of pictures of a bench.

    Attributes:
        methods: names in `METHODS`; or in `TUNED`: a peer at its best settings.
        split: split of the pictures that are reported.
        scenes: number of rendered pictures.
        generated: number of pictures generated from captions.
        developed: number of `dev` scenes on which the peers' settings are chosen.
        seed: seed of the first picture.
    """

    methods: tuple[str, ...]
    split: Split = "test"
    scenes: int = 200
    generated: int = 60
    developed: int = 60
    seed: int = 0

    @property
    def pictures(self) -> int:
        """Number of all pictures."""
        tuned = any(name in TUNED for name in self.methods)
        return self.scenes + self.generated + (self.developed if tuned else 0)


@dataclass(frozen=True, eq=False)
class Answer:
    """Scores of one method for one word; `precision` is computed for nouns only, since it takes long."""

    method: str
    seed: int
    question: Question
    objects: int
    by_cut: Mapping[Cut, NDArray[np.float64]]
    own: float
    precision: float | None
    pointed: bool
    leaked: float

    @property
    def oracle(self) -> float:
        """IoU at this word's own best threshold of the maximum."""
        return float(self.by_cut["max"].max())


def rendered_evidence(model: DiffusersModel, split: Split, seeds: Iterable[int]) -> Iterator[Evidence]:
    """Yield the evidence of rendered scenes."""
    for seed in seeds:
        yield evidence_of_picture(model, rendered(seed, split))


def generated_evidence(model: DiffusersModel, split: Split, seeds: Iterable[int]) -> Iterator[Evidence]:
    """Yield the evidence of pictures generated from the captions and seeds of scenes."""
    for seed in seeds:
        sample = scene(seed, split)
        yield evidence_of_generation(model, sample.caption, seed, partial(judged, sample=sample))


def answers(evidence: Evidence, methods: Mapping[str, Method]) -> Iterator[Answer]:
    """Yield the answer of every method to every question about a picture."""
    picture = evidence.picture
    nouns = sum(question.kind == "noun" for question in picture.questions)
    for question in picture.questions:
        for name, method in methods_for(methods, picture.track).items():
            values = method.read(evidence, question.word)
            mask = method.mask(values)
            yield Answer(
                name, picture.seed, question, nouns, _by_cut(values, question),
                iou(mask, question.truth),
                average_precision(values, question.truth) if question.kind == "noun" else None,
                pointing(values, question.truth),
                leakage(mask, question.others),
            )  # fmt: skip


def best_settings(developed: Iterable[Evidence], names: Iterable[str]) -> dict[str, Method]:
    """Return each method of `TUNED` at the settings, cut and τ with the best mean IoU of objects here."""
    readers = {(name, setting): read for name in names for setting, read in TUNED[name].items()}
    tables: dict[tuple[str, str, Cut], list[NDArray[np.float64]]] = {}
    for evidence in developed:
        for question in evidence.picture.questions:
            if question.kind == "noun":
                for (name, setting), read in readers.items():
                    for cut, scores in _by_cut(read(evidence, question.word), question).items():
                        tables.setdefault((name, setting, cut), []).append(scores)
    return {name: _best(name, readers, tables) for name in dict.fromkeys(name for name, _ in readers)}


def _best(
    name: str,
    readers: Mapping[tuple[str, str], Read],
    tables: Mapping[tuple[str, str, Cut], list[NDArray[np.float64]]],
) -> Method:
    means = {key: np.mean(scores, axis=0) for key, scores in tables.items() if key[0] == name}
    _, setting, cut = key = max(means, key=lambda key: float(means[key].max()))
    threshold = THRESHOLDS[int(means[key].argmax())]
    about = f"{METHODS[name.partition(BEST)[0]].about}, at {setting}, τ {threshold} of the {cut}"
    along = ", along the picture's edges" if name.endswith(EDGES) else ""
    return Method(readers[name, setting], cut, threshold, about + along)


def _by_cut(values: NDArray[np.float32], question: Question) -> dict[Cut, NDArray[np.float64]]:
    return {
        "max": ious(values, question.truth, THRESHOLDS),
        "minmax": ious(values, question.truth, THRESHOLDS, floor=float(values.min())),
    }
