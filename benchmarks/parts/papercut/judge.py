"""Accuracy of the judge, its false positives, and how well the colours of things are read."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from vxa import load
from vxa.papercut import judge, scene
from vxa.papercut.colour_reading import colour_of
from vxa.papercut.nouns import NOUNS
from vxa.training.judge import labels_of

from .autoencoder import reconstruct


def measure(scale: float) -> dict[str, Any]:
    """Score the judge on renders and on their reconstructions."""
    vae = load("papercut").pipeline.vae
    tables = {kind: np.zeros((len(judge.CLASSES),) * 2) for kind in ("renders", "reconstructions")}
    hits: dict[str, list[bool]] = {noun: [] for noun in NOUNS}
    for seed in tqdm(range(round(200 * scale)), "judge"):
        shown = scene(seed, "test")
        truth, on_render = labels_of(shown), judge.label(shown.image)
        again = to_image(reconstruct(vae, judge.to_tensor(shown.image)))
        for kind, labels in (("renders", on_render), ("reconstructions", judge.label(again))):
            np.add.at(tables[kind], (truth.ravel(), labels.ravel()), 1)
        for noun in absent(truth):
            hits[noun].append(judge.present(on_render, noun))
    ious = class_ious(tables["renders"])
    return {
        **{f"miou_{kind}": class_miou(table) for kind, table in tables.items()},
        **false_positives(hits),
        "iou_by_class_on_renders": {judge.CLASSES[i]: round(iou, 3) for i, iou in ious.items()},
    }


def measure_colours(scale: float) -> dict[str, Any]:
    """Return the share of things, by noun, whose colour is read right on their true masks, on dev.

    A thing counts if it shows in a hundredth of the picture, as a noun of a generated picture does.
    """
    vae = load("papercut").pipeline.vae
    right: dict[str, dict[str, list[bool]]] = {"painted": {}, "reconstructed": {}}
    for seed in tqdm(range(round(400 * scale)), "colours"):
        shown = scene(seed, "dev")
        pictures = {
            "painted": shown.image,
            "reconstructed": to_image(reconstruct(vae, judge.to_tensor(shown.image))),
        }
        for thing in shown.objects:
            if thing.colour and thing.mask.mean() >= judge.PRESENT:
                for kind, picture in pictures.items():
                    read = colour_of(picture, thing.mask, thing.noun)
                    right[kind].setdefault(thing.noun, []).append(read == thing.colour)
    by_noun = {
        kind: {noun: float(np.mean(hits)) for noun, hits in nouns.items()} for kind, nouns in right.items()
    }
    things = {noun: len(hits) for noun, hits in sorted(right["painted"].items())}
    means = {
        kind: float(np.mean([hit for hits in nouns.values() for hit in hits]))
        for kind, nouns in right.items()
    }
    worst = {
        kind: dict(sorted(nouns.items(), key=lambda item: item[1])[:3]) for kind, nouns in by_noun.items()
    }
    return {"right": means, "worst_nouns": worst, "things": things}


def absent(truth: np.ndarray) -> list[str]:
    """Return the nouns that are absent from a scene of these labels."""
    return [noun for noun in NOUNS if not (truth == judge.CLASSES.index(noun)).any()]


def false_positives(hits: dict[str, list[bool]]) -> dict[str, Any]:
    """Return how often an absent noun is found: the mean over nouns, and the worst noun."""
    rates = {noun: float(np.mean(found)) for noun, found in hits.items()}
    worst = max(rates, key=lambda noun: rates[noun])
    mean = float(np.mean(list(rates.values())))
    return {"false_positive_rate": mean, "worst_false_positive": {worst: rates[worst]}}


def class_ious(table: np.ndarray) -> dict[int, float]:
    """Return the IoU of each class that occurs in a confusion table [truth, found]."""
    union = table.sum(0) + table.sum(1) - np.diag(table)
    return {i: float(table[i, i] / union[i]) for i in range(len(table)) if table[i].sum() > 0}


def class_miou(table: np.ndarray) -> float:
    """Return the mean IoU over the classes that occur."""
    return float(np.mean(list(class_ious(table).values())))


def to_image(pixels: Tensor) -> Image.Image:
    """Convert pixels [3, h, w] in [−1, 1] to a picture."""
    return Image.fromarray(((pixels + 1) * 127.5).round().clamp(0, 255).byte().permute(1, 2, 0).numpy())
