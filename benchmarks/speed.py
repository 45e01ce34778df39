"""Speed and memory: every figure with its bar, both sides in one run, in CPU time.

    python benchmarks/speed.py --report benchmarks/reports/speed.json
    python benchmarks/speed.py --quick                            # one round of each, to see that it runs

One thread; sides take turns. The network is Stable Diffusion 1.5's UNet in its true size with random
weights, on a 64×64 latent: about 8 GB of memory and five minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

# CPU time of several threads would count their waiting for each other. Set before torch is loaded.
os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np
import torch
from parts.measure import ratio, time_in_turns
from parts.peak_memory import run_module
from parts.report import Row, table, with_machine
from parts.sd15 import PROMPT, Sd15
from PIL import Image
from rich.console import Console

import vxa
from vxa.attention.recording import record
from vxa.pictures.render import render
from vxa.pictures.shading import masked
from vxa.pictures.view import View


def passes(model: Sd15, rounds: int) -> Iterator[Row]:
    """Yield the time of two passes over that of a whole forward without hooks.

    The passes are a visualization at the mid block, and a forward with all sites recorded.
    """
    picture = Image.new("RGB", (512, 512))

    def mid() -> None:
        vxa.visualize(model, picture, PROMPT, sites="mid")

    def recorded() -> None:
        with record(model.network, model.cross_sites, latent_size=(64, 64)) as recording:
            model.forward()
        recording.records()

    model.forward()  # the first pass sets up the libraries
    samples = time_in_turns({"forward s": model.forward, "recorded s": recorded, "mid s": mid}, rounds)
    figures = [
        ("one visualization at the mid block / one forward", "mid s", 0.36),
        ("a forward with all 16 sites recorded / without", "recorded s", 1.02),
    ]
    for name, side, bar in figures:
        sides = {key: samples[key] for key in ("forward s", side)}
        yield Row(name, ratio(samples, side, "forward s"), "×", bar, sides)


def refining(name: str, model: Any, size: int, rounds: int) -> Row:
    """Return the time from an image to one word's map, refined over not refined."""
    picture = Image.new("RGB", (size, size), "white")

    def look(refine: bool) -> None:
        vxa.visualize(model, picture, "a hat", self_attention=refine).heat_map("hat", refine=refine)

    look(True)
    samples = time_in_turns({"plain s": lambda: look(False), "refined s": lambda: look(True)}, rounds)
    return Row(
        f"one word's map of {name} at {size}×{size}, refined / not",
        ratio(samples, "refined s", "plain s"), "×", 1.15, samples,
    )  # fmt: skip


def questions(model: Sd15, rounds: int) -> Row:
    """Return the slowest kind of further question at 512×512, to maps that have answered one question."""
    maps = vxa.visualize(model, Image.new("RGB", (512, 512)), PROMPT)
    maps.heat_map("hat", sites="all")
    calls = model.calls
    kinds: dict[str, Callable[[], object]] = {
        "another word ms": lambda: maps.heat_map("cat").upsampled(),
        "another word, all sites ms": lambda: maps.heat_map("house", sites="all").upsampled(),
        "one head, all sites ms": lambda: maps.heat_map("hat", sites="all", heads=3).upsampled(),
        "a mask, all sites ms": lambda: maps.heat_map("red", sites="all").mask(),
        "a phrase, all sites ms": lambda: maps.heat_map("blue sky", sites="all").upsampled(),
        "the whole prompt, all sites ms": lambda: maps.heat_map(sites="all").upsampled(),
        "all tokens, all sites ms": lambda: maps.heat_map(tokens="all", sites="all").upsampled(),
    }
    samples = time_in_turns(kinds, 5 * rounds, scale=1e3)
    assert model.calls == calls, "a question ran the model"
    slowest = max(median(times) for times in samples.values())
    return Row("the slowest further question at 512×512, no model call", slowest, "ms", 50, samples)


def loop_masked(picture: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Render as the original extension does: multiply each pixel by the cell of the map that it lies in."""
    result = picture.astype(np.float64)
    height, width = result.shape[:2]
    tall, wide = height // cells.shape[0], width // cells.shape[1]
    for row in range(height):
        for column in range(width):
            result[row, column] *= cells[row // tall, column // wide]
    return result.astype(np.uint8)


def renderings(model: Sd15, rounds: int) -> Row:
    """Return the time of the loop on a finished map over that of `masked` from maps to picture, 1024×1024."""
    size = (1024, 1024)
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    maps = vxa.visualize(model, picture, PROMPT, sites="mid", max_side=512)
    heat = maps.heat_map("hat")
    cells = heat.values / heat.values.max()
    same = np.asarray(masked(picture, View(resample="nearest").shade(heat, size)[0]), np.int16)
    assert np.abs(same - loop_masked(pixels, cells)).max() <= 1, "the loop and the library disagree"
    tasks: dict[str, Callable[[], object]] = {
        "loop ms": lambda: loop_masked(pixels, cells),
        "render ms": lambda: render(maps, picture, "masked", "hat"),
        "render of a finished map ms": lambda: masked(picture, View().shade(heat, size)[0]),
    }
    samples = time_in_turns(tasks, rounds, scale=1e3)
    times = ratio(samples, "loop ms", "render ms")
    return Row("the original's per-pixel loop / masked, 1024×1024", times, "×", 100, samples, at_least=True)


def memory(rounds: int) -> Row:
    """Return the memory that all 16 sites add: the larger of the bytes kept and the rise of the peak."""
    found = run_module("parts.recording_memory", str(rounds))
    samples = {
        f"{side} MB": [value for value in values if value is not None] for side, values in found.items()
    }
    added = [samples["kept MB"][0]]
    if samples["recorded MB"]:
        added.append(median(samples["recorded MB"]) - median(samples["unrecorded MB"]))
    return Row("memory added by all 16 sites kept, 512×512", max(added), "MB", 64, samples)


_IMPORT = """
import json, sys, time
start = time.process_time()
import torch
between = time.process_time()
import vxa
end = time.process_time()
heavy = [name for name in ("gradio", "diffusers", "transformers") if name in sys.modules]
print(json.dumps([between - start, end - between, heavy]))
"""


def imports(rounds: int) -> Row:
    """Return the time of `import vxa` after torch, each time in a new process."""
    samples: dict[str, list[float]] = {"import torch s": [], "import vxa s": []}
    for _ in range(rounds):
        printed = subprocess.run(
            [sys.executable, "-c", _IMPORT], check=True, capture_output=True, text=True
        ).stdout
        first, second, heavy = json.loads(printed)
        assert not heavy, f"import vxa loaded {heavy}"
        samples["import torch s"].append(first)
        samples["import vxa s"].append(second)
    name = "import vxa beyond torch; no gradio, diffusers, transformers"
    return Row(name, median(samples["import vxa s"]), "s", 0.3, samples)


def measure(quick: bool) -> list[Row]:
    """Return every row of the report."""
    rounds = 1 if quick else 5
    added = memory(1 if quick else 2)  # before this process holds a network of its own
    model = Sd15()
    refined = [
        refining("Stable Diffusion 1.5's shape", model, 512, rounds),
        refining("papercut", vxa.load("papercut"), 256, 3 * rounds),
    ]
    rows = [*passes(model, rounds), *refined, questions(model, rounds), renderings(model, rounds)]
    return [*rows, added, imports(rounds)]


def main() -> None:
    """Measure, show, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--report", type=Path, help="JSON file to write the figures into")
    parser.add_argument("--quick", action="store_true", help="one round of each")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = measure(options.quick)
    Console().print(table(rows))
    if options.report:
        report = with_machine(rows)
        options.report.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
