"""A trace asks the device once a pass, beside what the pipeline asks; an accelerator runs on meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
import torch
from support.generating import make
from support.launches import Launches

import vxa
from vxa.attention.batches import ACCELERATOR_BYTES, CallBatch

READS = ("aten._local_scalar_dense", "aten.equal", "aten.is_nonzero", "aten.item")
STEPS = 2


@contextmanager
def host_reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Count what would wait for an accelerator. `tolist` copies first there, which a CPU does not show."""
    reads: Counter[str] = Counter()
    tolist = torch.Tensor.tolist

    def count(tensor: torch.Tensor) -> Any:
        reads["tolist"] += 1
        return tolist(tensor)

    with monkeypatch.context() as patch, Launches() as launches:
        patch.setattr(torch.Tensor, "tolist", count)
        yield reads
    reads.update({name: launches.count[name] for name in READS})


def test_a_pass_reads_the_device_once(sd_pipeline: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vxa.tracing.generation.CallBatch", partial(CallBatch, capacity=ACCELERATOR_BYTES))
    counts = {}
    for steps in (2, 2 + STEPS):
        with host_reads(monkeypatch) as plain:
            make(sd_pipeline, num_inference_steps=steps, guidance_scale=4.0)
        with host_reads(monkeypatch) as traced, vxa.trace(sd_pipeline):
            make(sd_pipeline, num_inference_steps=steps, guidance_scale=4.0)
        counts[steps] = traced.total() - plain.total()
    assert counts[2 + STEPS] - counts[2] == STEPS
