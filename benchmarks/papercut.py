"""Figures of papercut's model card.

    python benchmarks/papercut.py world autoencoder judge generation attention

Each part is a file of parts/papercut; its figures replace its own in benchmarks/reports/papercut.json. Scenes
are those of the `test` split; sites and thresholds are chosen on `dev`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

from parts import REPORTS
from parts.papercut import (
    attention,
    autoencoder,
    choices,
    generation,
    judge,
    prompt,
    refined,
    size,
    world,
)
from parts.report import add_parts, write_part

PARTS: dict[str, Callable[[float], dict[str, Any]]] = {
    "world": world.measure, "size": size.measure, "autoencoder": autoencoder.measure, "judge": judge.measure,
    "colours": judge.measure_colours,
    "generation": generation.measure, "attention": attention.measure, "refined": refined.measure,
    "prompt": prompt.measure, "choices": choices.measure,
}  # fmt: skip


def main() -> None:
    """Measure the parts named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_parts(parser, PARTS)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual number of scenes")
    options = parser.parse_args()
    for part in options.parts or PARTS:
        figures = PARTS[part](options.scale)
        write_part(REPORTS / "papercut.json", part, figures)
        print(json.dumps({part: figures}, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
