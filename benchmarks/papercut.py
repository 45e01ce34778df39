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
from parts.measure import add_parts
from parts.papercut.attention import attention
from parts.papercut.autoencoder import autoencoder
from parts.papercut.choices import maps_generated, maps_real
from parts.papercut.generation import generation
from parts.papercut.joined import joined
from parts.papercut.judge import judged
from parts.papercut.prompt import prompt
from parts.papercut.refined import refined
from parts.papercut.size import size
from parts.papercut.world import world

REPORT = REPORTS / "papercut.json"

PARTS: dict[str, Callable[[float], dict[str, Any]]] = {
    "world": world, "size": size, "autoencoder": autoencoder, "judge": judged,
    "generation": generation, "attention": attention, "refined": refined, "prompt": prompt, "joined": joined,
    "maps_generated": maps_generated, "maps_real": maps_real,
}  # fmt: skip


def main() -> None:
    """Measure the parts named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_parts(parser, PARTS)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual number of scenes")
    options = parser.parse_args()
    for part in options.parts or PARTS:
        figures = PARTS[part](options.scale)
        # Read only now: another part may have been measured meanwhile.
        report = json.loads(REPORT.read_text("utf-8")) if REPORT.exists() else {}
        report[part] = figures
        REPORT.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")
        print(json.dumps({part: figures}, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
