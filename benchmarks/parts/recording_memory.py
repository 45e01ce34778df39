"""Memory that a recording of all 16 sites adds to a process of its own; speed.py runs it.

    python -m parts.recording_memory ROUNDS

Prints JSON: the bytes kept, and the peaks of forwards with and without a recording, in turns, all in MB.
"""

from __future__ import annotations

import json
import sys

import torch

from parts.peak_memory import peak_megabytes
from parts.sd15 import Sd15, tokens
from vxa.attention.recording import record
from vxa.attention.records import PassRecord


def kept_megabytes(records: dict[str, PassRecord]) -> float:
    """Return the size of every tensor that the records hold, those of their first answer included."""
    held = [item for kept in records.values() for value in vars(kept).values() for item in _items(value)]
    return sum(item.numel() * item.element_size() for item in held if torch.is_tensor(item)) / 1e6


def _items(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else (value,)


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    rounds = int(sys.argv[1])
    model = Sd15()

    def recorded() -> dict[str, PassRecord]:
        with record(model.network, model.cross_sites, latent_size=(64, 64)) as recording:
            model.forward()
        records = recording.records()
        for kept in records.values():
            kept.tokens([2], heads=[0])
            kept.tokens(range(len(tokens())))
        return records

    records = recorded()  # a first pass also sets up the libraries
    result: dict[str, object] = {"kept": [kept_megabytes(records)]}
    del records
    samples: dict[str, list[float | None]] = {"unrecorded": [], "recorded": []}
    for _ in range(rounds):
        samples["unrecorded"].append(peak_megabytes(model.forward))
        samples["recorded"].append(peak_megabytes(recorded))
    sys.stdout.write(json.dumps(result | samples) + "\n")


if __name__ == "__main__":
    main()
