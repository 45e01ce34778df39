"""What tracing adds to a process's peak: run by trace.py in a process of its own.

Its arguments are the images' side and numbers of steps. Prints JSON: for each number of steps the peaks with
and without a trace, and what the trace held.
"""

from __future__ import annotations

import json
import sys

import torch
from peak_memory import peak_megabytes
from trace_pipeline import generation, random_pipeline

import vxa


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    pipeline = random_pipeline()
    side, *numbers = map(int, sys.argv[1:])
    generation(pipeline, 1, side)()  # the first pass sets up the libraries
    result = {}
    for steps in numbers:
        generate, held = generation(pipeline, steps, side), []

        def traced(generate=generate, held=held) -> object:
            with vxa.trace(pipeline) as trace:
                generate()
            held.append(trace.nbytes / 1e6)
            return trace.images

        peaks = {"untraced": [peak_megabytes(generate)], "traced": [peak_megabytes(traced)], "held": held}
        result[steps] = peaks
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
