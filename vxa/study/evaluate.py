"""Every method on the same pictures, measured against what is known of them.

What is chosen for a peer (sites, steps, cut, τ) is chosen on `dev` by its mean IoU; the split that is asked
for only reports. Every figure is over words; intervals draw the pictures again.
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
from vxa.study import evidence as seen
from vxa.study.evidence import Evidence
from vxa.study.methods import BEST, METHODS, SETTINGS, Cut, Method, Read, serving
from vxa.study.metrics import average_precision, iou, ious, leakage, pointing
from vxa.study.pictures import Question, judged, rendered
from vxa.study.segmentation import THRESHOLDS


@dataclass(frozen=True)
class Plan:
    """How much is looked at.

    Attributes:
        methods: names in `METHODS`, with `BEST` behind a peer's for its best settings.
        split: whose pictures are reported on.
        scenes: rendered pictures.
        generated: pictures made from captions.
        developed: `dev` scenes that the peers' settings are chosen on.
        seed: of the first picture.
    """

    methods: tuple[str, ...]
    split: Split = "test"
    scenes: int = 200
    generated: int = 60
    developed: int = 60
    seed: int = 0

    @property
    def pictures(self) -> int:
        """How many pictures are looked at."""
        tuned = any(name.endswith(BEST) for name in self.methods)
        return self.scenes + self.generated + (self.developed if tuned else 0)


@dataclass(frozen=True, eq=False)
class Answer:
    """How well one method found what one word speaks of; `precision` of nouns alone, for it takes long."""

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
        """The IoU at this word's own best threshold, of the maximum."""
        return float(self.by_cut["max"].max())


def rendered_evidence(model: DiffusersModel, split: Split, seeds: Iterable[int]) -> Iterator[Evidence]:
    """The evidence of scenes."""
    for seed in seeds:
        yield seen.of_rendered(model, rendered(seed, split))


def generated_evidence(model: DiffusersModel, split: Split, seeds: Iterable[int]) -> Iterator[Evidence]:
    """The evidence of pictures made from the captions of scenes, from the scenes' seeds."""
    for seed in seeds:
        made_from = scene(seed, split)
        yield seen.of_generated(model, made_from.caption, seed, partial(judged, shown=made_from))


def answers(looked_at: Evidence, methods: Mapping[str, Method]) -> Iterator[Answer]:
    """Every method's answer to every question about a picture."""
    picture = looked_at.picture
    nouns = sum(question.kind == "noun" for question in picture.questions)
    for question in picture.questions:
        for name, method in serving(methods, picture.track).items():
            values = method.read(looked_at, question.word)
            mask = method.mask(values)
            yield Answer(
                name, picture.seed, question, nouns, _by_cut(values, question),
                iou(mask, question.truth),
                average_precision(values, question.truth) if question.kind == "noun" else None,
                pointing(values, question.truth),
                leakage(mask, question.others),
            )  # fmt: skip


def best_settings(developed: Iterable[Evidence], peers: Iterable[str]) -> dict[str, Method]:
    """Each peer at the settings, cut and τ with the best mean IoU of objects on these pictures."""
    tried = {(peer, setting): read for peer in peers for setting, read in SETTINGS[peer].items()}
    tables: dict[tuple[str, str, Cut], list[NDArray[np.float64]]] = {}
    for looked_at in developed:
        for question in looked_at.picture.questions:
            if question.kind == "noun":
                for (peer, setting), read in tried.items():
                    for cut, scores in _by_cut(read(looked_at, question.word), question).items():
                        tables.setdefault((peer, setting, cut), []).append(scores)
    return {peer: _best(peer, tried, tables) for peer in dict.fromkeys(peer for peer, _ in tried)}


def _best(
    peer: str,
    tried: Mapping[tuple[str, str], Read],
    tables: Mapping[tuple[str, str, Cut], list[NDArray[np.float64]]],
) -> Method:
    means = {key: np.mean(scores, axis=0) for key, scores in tables.items() if key[0] == peer}
    _, setting, cut = key = max(means, key=lambda key: float(means[key].max()))
    threshold = THRESHOLDS[int(means[key].argmax())]
    return Method(
        tried[peer, setting],
        cut,
        threshold,
        f"{METHODS[peer].about}, at {setting}, τ {threshold} of the {cut}",
    )


def _by_cut(values: NDArray[np.float32], question: Question) -> dict[Cut, NDArray[np.float64]]:
    return {
        "max": ious(values, question.truth, THRESHOLDS),
        "minmax": ious(values, question.truth, THRESHOLDS, floor=float(values.min())),
    }
