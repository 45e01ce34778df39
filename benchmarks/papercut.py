"""Every figure of papercut's model card, measured.

    python benchmarks/papercut.py world autoencoder judge generation attention

Each part writes its figures into benchmarks/papercut.json, beside those of the other parts. Scenes are of
the `test` split; what is chosen (sites, threshold) is chosen on `dev`.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from vxa import load
from vxa.models.papercut import FOLDER
from vxa.papercut import judge, scene
from vxa.papercut.nouns import NOUNS, held_out
from vxa.papercut.train.judge import labels_of
from vxa.study import segmentation as seg
from vxa.study.metrics import bootstrap

REPORT = Path(__file__).parent / "papercut.json"


def world(scale: float) -> dict[str, Any]:
    """How hard the world is."""
    scenes = [scene(seed, "test") for seed in tqdm(range(round(1000 * scale)), "world")]
    learned = np.mean(
        [m for s in range(300) for m in seg.object_nouns(scene(s, "train")).values()],
        axis=0,
        dtype=np.float32,
    )
    truths = [m for s in scenes for m in seg.object_nouns(s).values()]
    things = [t for s in scenes for t in s.objects if t.span]
    centre = seg.summed(
        np.stack([seg.ious(learned, m, seg.THRESHOLDS) for m in truths]),
        [seg.pointing(learned, m) for m in truths],
    )
    return {
        "scenes": len(scenes),
        "whole_image_miou": float(np.mean([m.mean() for m in truths])),
        "centre_prior_miou": centre.miou,
        "centre_prior_pointing": centre.pointing,
        "median_object_share": float(np.median([t.mask.mean() for t in things])),
        "scenes_with_two_objects": float(
            np.mean([sum(t.span is not None for t in s.objects) >= 2 for s in scenes])
        ),
    }


@torch.no_grad()
def size(scale: float) -> dict[str, Any]:
    """How large the model is, what a row of its UNet costs, and how long it takes to load."""
    from torch.utils.flop_counter import FlopCounterMode

    pipeline = load("papercut").pipeline  # the first load pays for the imports
    times = []
    for _ in range(5):
        start = time.perf_counter()
        load("papercut")
        times.append(time.perf_counter() - start)
    with FlopCounterMode(display=False) as counter:
        pipeline.unet(torch.zeros(1, 4, 32, 32), torch.tensor([1]), torch.zeros(1, 77, 128))
    files = [path for path in FOLDER.rglob("*.safetensors") if path != judge.WEIGHTS]
    return {
        "megabytes": sum(path.stat().st_size for path in files) / 1e6,
        "judge_megabytes": judge.WEIGHTS.stat().st_size / 1e6,
        "unet_row_gflop": counter.get_total_flops() / 1e9,
        "load_seconds": sorted(times)[2],
    }


@torch.no_grad()
def autoencoder(scale: float) -> dict[str, Any]:
    """PSNR of reconstructions at 256², from the posterior's mode."""
    vae = load("papercut").pipeline.vae
    scores = []
    for seed in tqdm(range(round(100 * scale)), "autoencoder"):
        pixels = judge.to_tensor(scene(seed, "test").image)[None]
        error = (vae.decode(vae.encode(pixels).latent_dist.mode()).sample.clamp(-1, 1) - pixels).pow(2).mean()
        scores.append(float(10 * torch.log10(4 / error)))
    return {"scenes": len(scores), "psnr_db": bootstrap(scores)}


@torch.no_grad()
def judged(scale: float) -> dict[str, Any]:
    """The judge on renders and reconstructions, and how often it sees what is not there."""
    vae = load("papercut").pipeline.vae
    table = {kind: np.zeros((len(judge.CLASSES),) * 2) for kind in ("renders", "reconstructions")}
    false = {noun: [] for noun in NOUNS}
    for seed in tqdm(range(round(200 * scale)), "judge"):
        shown = scene(seed, "test")
        truth = labels_of(shown)
        decoded = vae.decode(vae.encode(judge.to_tensor(shown.image)[None]).latent_dist.mode()).sample[0]
        for kind, image in (("renders", shown.image), ("reconstructions", to_image(decoded))):
            found = judge.label(image)
            np.add.at(table[kind], (truth.ravel(), found.ravel()), 1)
            if kind == "renders":
                for noun in NOUNS:
                    if not (truth == judge.CLASSES.index(noun)).any():
                        false[noun].append(judge.present(found, noun))
    rates = {noun: float(np.mean(hits)) for noun, hits in false.items()}
    worst = max(rates, key=lambda noun: rates[noun])
    return {
        **{f"miou_{kind}": class_miou(counts) for kind, counts in table.items()},
        "false_positive_rate": float(np.mean(list(rates.values()))),
        "worst_false_positive": {worst: rates[worst]},
        "iou_by_class_on_renders": dict(
            zip(judge.CLASSES, class_ious(table["renders"]).round(3).tolist(), strict=True)
        ),
    }


def class_ious(counts: np.ndarray) -> np.ndarray:
    """IoU per class of a confusion table [truth, found]."""
    return np.diag(counts) / np.maximum(counts.sum(0) + counts.sum(1) - np.diag(counts), 1)


def class_miou(counts: np.ndarray) -> float:
    """Mean over the classes that occur."""
    return float(class_ious(counts)[counts.sum(1) > 0].mean())


def to_image(pixels: torch.Tensor) -> Any:
    """A PIL image of float [3, h, w] in [−1, 1]."""
    from PIL import Image

    return Image.fromarray(((pixels + 1) * 127.5).round().clamp(0, 255).byte().permute(1, 2, 0).numpy())


def generation(scale: float) -> dict[str, Any]:
    """Whether the prompted nouns, and their colours, are there: 20 DDIM steps, guidance 5."""
    rng = random.Random(0)
    ones = [(noun,) for noun in NOUNS for _ in range(max(1, round(4 * scale)))]
    free = [n.name for n in NOUNS.values() if n.place in ("floor", "air")]
    twos = [tuple(rng.sample(free, 2)) for _ in range(round(100 * scale))]
    colours = [tuple(rng.choice(NOUNS[n].colours) for n in pair) for pair in twos]
    one = [
        judge.present(judge.label(image), nouns[0])
        for image, nouns in generate([a(n) for (n,) in ones], ones)
    ]
    plain = [
        all(judge.present(judge.label(i), n) for n in ns)
        for i, ns in generate([f"{a(x)} and {a(y)}" for x, y in twos], twos)
    ]
    prompts = [f"{a(f'{c} {x}')} and {a(f'{d} {y}')}" for (x, y), (c, d) in zip(twos, colours, strict=True)]
    coloured = [(image, nouns) for image, nouns in generate(prompts, twos)]
    there = [all(judge.present(judge.label(image), n) for n in nouns) for image, nouns in coloured]
    bound = [
        ok
        and all(
            judge.colour_of(image, judge.mask(judge.label(image), n)) == c
            for n, c in zip(nouns, cs, strict=True)
        )
        for ok, (image, nouns), cs in zip(there, coloured, colours, strict=True)
    ]
    absent = sorted({n for (n,), hit in zip(ones, one, strict=True) if not hit})
    return {
        "one_noun_present": bootstrap(one), "one_noun_prompts": len(one),
        "nouns_missed_at_least_once": absent,
        "two_nouns_present": bootstrap(plain), "two_coloured_nouns_present": bootstrap(there),
        "two_nouns_present_with_their_colours": bootstrap(bound), "two_noun_prompts": len(twos),
    }  # fmt: skip


def a(phrase: str) -> str:
    """The phrase with its article, as the captions write it."""
    if phrase.split()[-1] in ("hair", "glasses"):
        return phrase
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def generate(
    prompts: list[str], nouns: list[tuple[str, ...]], batch: int = 8
) -> list[tuple[Any, tuple[str, ...]]]:
    """An image for each prompt, the i-th from seed i."""
    pipeline = load("papercut").pipeline
    pipeline.set_progress_bar_config(disable=True)
    images = []
    for start in tqdm(range(0, len(prompts), batch), "generation"):
        part = prompts[start : start + batch]
        seeds = [torch.Generator().manual_seed(start + i) for i in range(len(part))]
        images += pipeline(part, num_inference_steps=20, guidance_scale=5.0, generator=seeds).images
    return list(zip(images, nouns, strict=True))


def attention(scale: float) -> dict[str, Any]:
    """VXA from one clean pass: chosen on dev, reported on test beside its baselines."""
    model = load("papercut")
    developed = list(tqdm(seg.cases(model, "dev", round(120 * scale)), "dev"))
    sites, scores = seg.choose_sites(developed, seg.site_choices(model))
    threshold = scores[sites].threshold
    tested = list(tqdm(seg.cases(model, "test", round(200 * scale)), "test"))
    held = [case for case in tested if any(held_out_things(case))]
    mapper = seg.site_mapper(sites)
    untrained = list(tqdm(seg.cases(untrained_model(model), "test", round(60 * scale)), "untrained"))
    noisy = {
        f"timestep {t}, {noise}": row(
            seg.score(seg.cases(model, "test", round(60 * scale), timestep=t, noise=noise), mapper, threshold)
        )
        for t, noise in ((1, "matched"), (100, "none"), (100, "matched"), (300, "matched"), (500, "matched"))
    }
    return {
        "sites": sites, "threshold": threshold, "dev": row(scores[sites]),
        "test": row(seg.score(tested, mapper, threshold)),
        "test_words_of_held_out_pairs": row(seg.score(held, mapper, threshold)),
        "shuffled_word": row(seg.score(tested, seg.shuffled_mapper(sites), threshold)),
        "untrained_network": row(seg.score(untrained, mapper, threshold)),
        "whole_image": row(seg.whole_image(tested)),
        "centre_prior": row(seg.score(tested, seg.centre_prior(developed))),
        "original_default_mid_block": row(seg.score(tested, seg.site_mapper("mid"), 0.5)),
        "by_noun_on_test": by_noun(tested, mapper, threshold),
        "other_passes": noisy,
        "sites_on_dev": {name: row(scores[name]) for name in sorted(scores, key=lambda n: -scores[n].miou)},
    }  # fmt: skip


@torch.no_grad()
def prompt(scale: float) -> dict[str, Any]:
    """What the prompt is worth to noise prediction on dev scenes: by which share the error with the right
    caption lies below that with another scene's, for the same noise. Near zero, the prompt is ignored."""
    pipeline = load("papercut").pipeline
    scenes = [scene(seed, "dev") for seed in range(round(64 * scale))]
    pixels = torch.stack([judge.to_tensor(shown.image) for shown in scenes])
    latents = torch.cat([pipeline.vae.encode(part).latent_dist.mode() for part in pixels.split(4)])
    latents = latents * pipeline.vae.config.scaling_factor
    captions = [shown.caption for shown in scenes]
    ids = pipeline.tokenizer(captions, padding="max_length", max_length=77, return_tensors="pt").input_ids
    states = pipeline.text_encoder(ids)[0]
    gains = {}
    for timestep in tqdm((100, 300, 500, 700, 900), "prompt"):
        noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(timestep))
        times = torch.full((len(latents),), timestep)
        noisy = pipeline.scheduler.add_noise(latents, noise, times)
        right, wrong = (
            (pipeline.unet(noisy, times, context).sample - noise).pow(2).mean()
            for context in (states, states.roll(1, 0))
        )
        gains[str(timestep)] = float(1 - right / wrong)
    return {"scenes": len(scenes), "gain_by_timestep": gains}


def held_out_things(case: seg.Case) -> list[bool]:
    """For each thing the case's noun names: whether its colour on this noun was never seen in training."""
    named = [t for r in case.scene.parse.rows if r.form == case.noun for t in r.things]
    things = [case.scene.things[i] for i in named]
    return [t.noun in NOUNS and bool(t.colour) and held_out(t.noun, t.colour) for t in things]


def untrained_model(model: Any) -> Any:
    """The same networks with random weights behind the same autoencoder."""
    from vxa.models.diffusers import DiffusersModel
    from vxa.papercut.train.networks import text_encoder, unet

    torch.manual_seed(0)
    parts = dict(model.pipeline.components)
    tokenizer = parts["tokenizer"]
    parts |= {
        "unet": unet().eval(),
        "text_encoder": text_encoder(len(tokenizer), tokenizer.bos_token_id, tokenizer.eos_token_id).eval(),
    }
    return DiffusersModel(
        type(model.pipeline)(**parts, requires_safety_checker=False), name="untrained", default_sites="all"
    )


def by_noun(cases: list[seg.Case], mapper: seg.Mapper, threshold: float) -> dict[str, Any]:
    """Mean IoU and pointing game of every noun with at least five cases."""
    groups: dict[str, list[seg.Case]] = {}
    for case in cases:
        groups.setdefault(case.noun, []).append(case)
    return {
        noun: row(seg.score(group, mapper, threshold))
        for noun, group in sorted(groups.items())
        if len(group) >= 5
    }


def row(score: seg.Score) -> dict[str, Any]:
    """A score as the report writes it."""
    return {
        "miou": round(score.miou, 4), "low": round(score.low, 4), "high": round(score.high, 4),
        "pointing": round(score.pointing, 4), "threshold": score.threshold, "cases": score.cases,
    }  # fmt: skip


PARTS: dict[str, Callable[[float], dict[str, Any]]] = {
    "world": world, "size": size, "autoencoder": autoencoder, "judge": judged,
    "generation": generation, "attention": attention, "prompt": prompt,
}  # fmt: skip


def main() -> None:
    """Measure the parts that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=list(PARTS))
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual number of scenes")
    options = parser.parse_args()
    for part in options.parts:
        figures = PARTS[part](options.scale)
        # Read only now: another part may have been measured meanwhile.
        report = json.loads(REPORT.read_text("utf-8")) if REPORT.exists() else {}
        report[part] = figures
        REPORT.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")
        print(json.dumps({part: figures}, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
