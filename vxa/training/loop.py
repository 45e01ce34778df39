"""The training loops of all networks: on data that is there, and on a stream of rendered scenes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .machine import capture
from .stream import Stream
from .trainer import Plan, Trainer

ROUND = 8
"""Steps on a stream between two looks at what the workers have rendered."""

REPORTS = 20
"""Reports of a training on a stream, but for the one before its first step."""


def train(
    network: nn.Module, plan: Plan, loss_of: Callable[[int], Tensor], checkpoint: Path, device: str
) -> nn.Module:
    """Train for `plan.steps` steps and return the network with its averaged weights, in evaluation mode.

    `loss_of(step)` returns the loss of one step; it runs in mixed precision. The training resumes from
    `checkpoint` if that exists. The checkpoint also holds the optimizer, so that a resumed run equals an
    uninterrupted one; it is meant for the machine that wrote it."""
    trainer = Trainer(network, plan, device)
    progress = trainer.progress(trainer.resume(checkpoint))
    for step in progress:
        trainer.set_step(step)
        trainer.advance(partial(loss_of, step))
        progress.set_postfix(loss=f"{trainer.loss.item():.4f}", refresh=False)
        trainer.save_after(step, checkpoint)
    return trainer.finish()


def train_on_stream(
    network: nn.Module,
    plan: Plan,
    loss_of: Callable[[], Tensor],
    stream: Stream,
    measure: Callable[[], dict[str, float]],
    checkpoint: Path,
    seed: int,
    device: str,
) -> nn.Module:
    """Train as `train` does, on scenes that are rendered meanwhile.

    On CUDA the step is a graph, so `loss_of` draws its batch and its noise on the device. `measure` returns
    figures of the averaged weights on scenes that are not trained on; they are printed, and written beside
    the checkpoint as JSON with what the training took. A resumed run begins with an empty pool and draws
    other batches than an uninterrupted one."""
    trainer = Trainer(network, plan, device, captured=True)
    first = trainer.resume(checkpoint)
    progress = trainer.progress(first)
    report = Report(trainer, stream, measure, checkpoint.with_suffix(".json"), progress.write)
    report.add(first)
    torch.manual_seed(seed * 1_000_003 + first)
    advance = capture(partial(trainer.advance, loss_of), device)
    every = max(1, plan.steps // REPORTS)
    for step in progress:
        trainer.set_step(step)
        advance()
        if (step + 1) % ROUND == 0:
            # Reading the loss waits for the steps so far: no step is asked for far ahead of its scenes.
            progress.set_postfix(loss=f"{trainer.loss.item():.4f}", refresh=False)
            stream.take_what_is_there()
        if (step + 1) % every == 0 or step + 1 == plan.steps:
            report.add(step + 1)
        trainer.save_after(step, checkpoint)
    return trainer.finish()


class Report:
    """Record of what a training on a stream took and reached: printed, and written to `path` as JSON."""

    def __init__(
        self,
        trainer: Trainer,
        stream: Stream,
        measure: Callable[[], dict[str, float]],
        path: Path,
        say: Callable[[str], None],
    ) -> None:
        self.trainer, self.stream, self.measure, self.path, self.say = trainer, stream, measure, path, say
        self.measured: list[dict[str, Any]] = []
        self.start = time.monotonic()

    def add(self, step: int) -> None:
        """Measure the averaged weights after so many steps."""
        trainer, stream = self.trainer, self.stream
        with trainer.average.applied(trainer.network):
            figures = self.measure()
        seconds, scenes = round(time.monotonic() - self.start, 1), stream.pool.seen
        self.measured.append({"step": step, "seconds": seconds, "scenes": scenes, **figures})
        told = ", ".join(f"{name} {value}" for name, value in figures.items())
        self.say(f"step {step}, {seconds:.0f} s, {scenes} scenes: {told}")
        settings = {"steps": trainer.plan.steps, "rate": trainer.plan.rate, **asdict(stream.sizes)}
        report = {**settings, "device": trainer.device, "measured": self.measured}
        self.path.write_text(json.dumps(report, indent=2) + "\n", "utf-8", newline="\n")
