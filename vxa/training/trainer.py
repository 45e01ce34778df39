"""One step of a training: its optimizer, its averaged weights, and its checkpoint.

All numbers that change from step to step are tensors, so that a step can be captured as a CUDA graph.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from .machine import mixed_precision, on_cuda, rank, share_gradients


@dataclass(frozen=True)
class Plan:
    """Settings of a training.

    The learning rate rises to `rate` in `warmup` steps, then falls by a half cosine to `rate * floor`.
    `decay` is AdamW's weight decay, `average` the decay of the averaged weights."""

    steps: int
    rate: float
    warmup: int = 200
    floor: float = 0.02
    decay: float = 0.01
    average: float = 0.999
    checkpoint_every: int = 200
    slower: dict[str, float] = field(default_factory=dict)
    """Factors of the learning rate, by the first part of the parameters' names."""

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step."""
        if step < self.warmup:
            return self.rate * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.rate * (self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


class Average:
    """An exponential moving average of a network's weights; its decay is lower in the first steps."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {k: v.detach().clone() for k, v in network.state_dict().items()}

    def decay_at(self, step: int) -> float:
        """Return the decay of a step."""
        return min(self.decay, (step + 1) / (step + 10))

    @torch.no_grad()
    def update(self, network: nn.Module, decay: float | Tensor) -> None:
        share = 1 - decay
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                self.weights[name].lerp_(value, share)
            else:
                self.weights[name].copy_(value)

    @contextmanager
    def applied(self, network: nn.Module) -> Iterator[None]:
        """Copy the averaged weights into the network, in evaluation mode, until the block ends."""
        own = {k: v.detach().clone() for k, v in network.state_dict().items()}
        network.load_state_dict(self.weights)
        network.eval()
        try:
            yield
        finally:
            network.load_state_dict(own)
            network.train()


class Trainer:
    """A network in training with its optimizer and its averaged weights.

    `advance` makes a step with the numbers that `set_step` wrote into tensors; before the first `set_step`
    the learning rate is 0. `loss` is a moving mean of the steps' losses. `captured` tells that `advance` will
    be captured as a CUDA graph."""

    def __init__(self, network: nn.Module, plan: Plan, device: str, captured: bool = False) -> None:
        self.network, self.plan, self.device = network, plan, device
        self.decay, self.share = torch.ones((), device=device), torch.ones((), device=device)
        self.loss = torch.zeros((), device=device)
        self.made = 0
        groups = _groups(network, plan)
        self.rates = [torch.zeros((), device=device) for _ in groups]
        cuda = on_cuda(device)
        self.optimizer = torch.optim.AdamW(
            groups, weight_decay=plan.decay, betas=(0.9, 0.98), capturable=captured and cuda, fused=cuda
        )
        self._tie_rates()
        self.average = Average(network, plan.average)
        network.train()

    def set_step(self, step: int) -> None:
        """Set learning rates and decays to those of a step."""
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            rate.fill_(self.plan.rate_at(step) * group["factor"])
        self.decay.fill_(self.average.decay_at(step))
        self.share.fill_(max(0.02, 1 / (self.made + 1)))
        self.made += 1

    def advance(self, loss_of: Callable[[], Tensor]) -> None:
        """Make one step on the loss that `loss_of` computes; it runs in mixed precision."""
        with mixed_precision(self.device):
            loss = loss_of()
        loss.backward()
        share_gradients(self.network)
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        # Gradients keep their memory: a captured step adds to where it found them.
        self.optimizer.zero_grad(set_to_none=False)
        self.average.update(self.network, self.decay)
        self.loss.lerp_(loss.detach(), self.share)

    def progress(self, first: int) -> tqdm[int]:
        """Return the steps from `first` on, with a progress bar in the first process."""
        return tqdm(
            range(first, self.plan.steps),
            initial=first,
            total=self.plan.steps,
            mininterval=10,
            disable=rank() > 0,
        )

    def resume(self, checkpoint: Path) -> int:
        """Load the checkpoint, if there is one, and return the step to go on with."""
        if not checkpoint.exists():
            return 0
        saved = torch.load(checkpoint, map_location=self.device, weights_only=True)
        self.network.load_state_dict(saved["network"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self._tie_rates()
        self.average.weights = saved["average"]
        return int(saved["step"])

    def save_after(self, step: int, checkpoint: Path) -> None:
        """Write the checkpoint if one is due after this step."""
        due = (step + 1) % self.plan.checkpoint_every == 0 or step + 1 == self.plan.steps
        if rank() > 0 or not due:
            return
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.weights,
            "step": step + 1,
        }
        part = checkpoint.with_suffix(".part")
        torch.save(state, part)
        part.replace(checkpoint)

    def finish(self) -> nn.Module:
        """Return the network with its averaged weights, in evaluation mode."""
        self.network.load_state_dict(self.average.weights)
        return self.network.eval()

    def _tie_rates(self) -> None:
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate


def _groups(network: nn.Module, plan: Plan) -> list[dict[str, Any]]:
    """Split the trainable parameters by their factor of the learning rate."""
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            groups.setdefault(plan.slower.get(name.split(".")[0], 1.0), []).append(parameter)
    return [{"params": parameters, "factor": factor} for factor, parameters in groups.items()]
