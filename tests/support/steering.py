"""Controls for tests: ones that do nothing, and generations of several prompts under controls."""

from __future__ import annotations

from typing import Any

import torch

from support.generating import make
from vxa.steering import Control, steer


class Nothing(Control):
    """Hands every call on as it came."""

    only_looks = True


class Seen(Nothing):
    """Notes every call and pass in a list of the test."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def attend(self, call: Any, run: Any, compute: Any) -> torch.Tensor:
        self.calls.append((call, run))
        return compute(call)


def make_steered(pipeline: Any, prompts: list[str], *controls: Control, **given: Any) -> torch.Tensor:
    """Generate latents of several prompts, each from the same noise, under the controls."""
    generators = [torch.Generator().manual_seed(5) for _ in prompts]
    if not controls:
        return _make(pipeline, prompts, generators, given)
    with steer(pipeline, *controls):
        return _make(pipeline, prompts, generators, given)


def _make(pipeline: Any, prompts: list[str], generators: Any, given: dict[str, Any]) -> torch.Tensor:
    return make(pipeline, prompts, **{"generator": generators, **given})
