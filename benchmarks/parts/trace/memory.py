"""Peak memory of generations on each of the `sides`, in a process of its own; trace.py runs it.

    python -m parts.trace.memory '{"shape": "sd15", "side": 512, "steps": [2], "sides": ["untraced", "vxa"]}'

Prints JSON: for each number of steps the peak of each side, in MB.
"""

from __future__ import annotations

import json
import sys
from functools import partial

import torch

from parts.peak_memory import peak_megabytes
from parts.trace.pipeline import SHAPES, generation
from parts.trace.sides import SIDES


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    settings = json.loads(sys.argv[1])
    pipeline = SHAPES[settings["shape"]]()
    for side in settings["sides"]:  # the first pass sets up the libraries
        SIDES[side](pipeline, generation(pipeline, 1, 64))
    peaks = {}
    for steps in settings["steps"]:
        generate = generation(pipeline, steps, settings["side"])
        peaks[steps] = {
            side: peak_megabytes(partial(SIDES[side], pipeline, generate)) for side in settings["sides"]
        }
    sys.stdout.write(json.dumps(peaks) + "\n")


if __name__ == "__main__":
    main()
