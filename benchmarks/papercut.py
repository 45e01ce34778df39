"""Every figure of papercut's model card, measured.

    python benchmarks/papercut.py world autoencoder judge generation attention

Each part has its file in papercut_parts and writes its figures into benchmarks/papercut.json, beside those of
the other parts. Scenes are of the `test` split; what is chosen (sites, thresholds) is chosen on `dev`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measure import add_parts
from papercut_parts.attention import attention
from papercut_parts.autoencoder import autoencoder
from papercut_parts.choices import maps_generated, maps_real
from papercut_parts.generation import generation
from papercut_parts.joined import joined
from papercut_parts.judge import judged
from papercut_parts.prompt import prompt
from papercut_parts.refined import refined
from papercut_parts.size import size
from papercut_parts.world import world

REPORT = Path(__file__).parent / "papercut.json"

PARTS: dict[str, Callable[[float], dict[str, Any]]] = {
    "world": world, "size": size, "autoencoder": autoencoder, "judge": judged,
    "generation": generation, "attention": attention, "refined": refined, "prompt": prompt, "joined": joined,
    "maps_generated": maps_generated, "maps_real": maps_real,
}  # fmt: skip


def main() -> None:
    """Measure the parts that are named, or all."""
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
