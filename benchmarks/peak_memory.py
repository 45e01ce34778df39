"""What keeping all 16 sites adds to a process: run by speed.py in a process of its own.

Prints JSON: the kept bytes, and the peaks of forwards with and without a recording, in turns.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from sd15 import Sd15, tokens

from vxa.attention.recording import PassRecord, record

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_megabytes(task: Callable[[], object]) -> float | None:
    """How far the resident memory rose during a call; None where Linux's counters are not there."""
    if not _CLEAR.exists():
        return None
    _CLEAR.write_text("5")  # sets the high-water mark back to what is resident now
    before = _status("VmRSS")
    kept = task()
    peak = _status("VmHWM") - before
    del kept
    return peak


def _status(name: str) -> float:
    found = re.search(rf"{name}:\s+(\d+) kB", _STATUS.read_text("utf-8"))
    assert found
    return int(found[1]) * 1024 / 1e6


def kept_megabytes(records: dict[str, PassRecord]) -> float:
    """The bytes of every tensor that a record holds, those included that its first answer adds."""
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
