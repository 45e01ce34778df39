"""Kernels that a pass launches, counted by torch's dispatcher, and the Python time of hooks.

A count is the same on every machine. It is taken on networks in Stable Diffusion 1.5's shape with narrow
channels: the attention layers, their heads, tokens and grids are the true ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any
from unittest.mock import patch

import torch
from diffusers import StableDiffusionPipeline
from support.launches import Launches

import vxa
from parts.sd15 import SD15, Sd15, random_unet
from parts.trace.pipeline import generation, sd15
from vxa.attention import hooks
from vxa.attention.batches import ACCELERATOR_BYTES, CallBatch
from vxa.attention.recording import record
from vxa.models import session

__all__ = ["as_on_an_accelerator", "count_by_pass", "hook_milliseconds", "narrow", "stopped_early"]

NARROW = {**SD15, "block_out_channels": (32, 64, 64, 64)}
Side = Callable[[Any, Callable[[], object]], object]


def narrow() -> StableDiffusionPipeline:
    """Build a pipeline in Stable Diffusion 1.5's shape with narrow channels."""
    return sd15(NARROW)


@contextmanager
def as_on_an_accelerator(capacity: int = ACCELERATOR_BYTES) -> Iterator[None]:
    """Let traces compute sites together in this block, as they do on an accelerator."""
    with patch("vxa.tracing.generation.CallBatch", partial(CallBatch, capacity=capacity)):
        yield


def count_by_pass(pipeline: Any, side: Side, size: int) -> float:
    """Return the launches of one more step: those of a generation of four steps less those of two, halved.

    What a tool does once a generation is left out so.
    """
    counts = []
    for steps in (2, 4):
        with Launches() as launches:
            side(pipeline, generation(pipeline, steps, size))
        counts.append(launches.count.total())
    return (counts[1] - counts[0]) / 2


def stopped_early(size: int) -> tuple[int, int]:
    """Return the launches of a forward that is left at the mid block, and of a whole one."""
    model = Sd15(random_unet(NARROW))
    latent = torch.zeros(1, 4, size // 8, size // 8)
    mid = [site for site in model.cross_sites if site.part == "mid"]
    counts = []
    for sites in (mid, None):
        with torch.no_grad(), Launches() as launches:
            if sites is None:
                model.network(latent, torch.tensor([1]), model.context)
            else:
                with record(model.network, sites, latent_size=(size // 8, size // 8), stop_early=True):
                    model.network(latent, torch.tensor([1]), model.context)
        counts.append(launches.count.total())
    return counts[0], counts[1]


def hook_milliseconds(pipeline: Any, rounds: int) -> list[float]:
    """Return the CPU time of a trace's hooks in each of some passes over a latent of 8×8, in ms.

    The grids are an eighth of the true ones, so that hardly any of it is arithmetic.
    """
    spent = [0.0]

    def clocked(hook: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(hook)
        def run(*args: Any, **kwargs: Any) -> Any:
            start = time.thread_time()
            try:
                return hook(*args, **kwargs)
            finally:
                spent[-1] += time.thread_time() - start

        return run

    guarded = hooks.guarded
    with (
        as_on_an_accelerator(ACCELERATOR_BYTES // 64),
        patch.object(hooks, "guarded", lambda on_error, hook: clocked(guarded(on_error, hook))),
        patch.object(session, "guarded", lambda on_error, hook: clocked(guarded(on_error, hook))),
        vxa.trace(pipeline),
    ):
        generation(pipeline, rounds + 1, 64, lambda: spent.append(0.0))()
    return [1e3 * each for each in spent[1:-1]]
