"""The training loop of all networks: learning rate, averaged weights, checkpoints."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn
from tqdm import tqdm


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

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        decay = min(self.decay, (step + 1) / (step + 10))
        for name, value in network.state_dict().items():
            self.weights[name].lerp_(value, 1 - decay) if value.is_floating_point() else self.weights[
                name
            ].copy_(value)


def train(
    network: nn.Module, plan: Plan, loss_of: Callable[[int], Tensor], checkpoint: Path, device: str
) -> nn.Module:
    """Train for `plan.steps` steps and return the network with its averaged weights, in evaluation mode.

    `loss_of(step)` returns the loss of one step; it runs in mixed precision. The training resumes from
    `checkpoint` if that exists. The checkpoint also holds the optimizer, so that a resumed run equals an
    uninterrupted one; it is meant for the machine that wrote it."""
    optimizer = torch.optim.AdamW(_groups(network, plan), weight_decay=plan.decay, betas=(0.9, 0.98))
    average, first = Average(network, plan.average), 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        network.load_state_dict(saved["network"])
        optimizer.load_state_dict(saved["optimizer"])
        average.weights, first = saved["average"], saved["step"]
    network.train()
    progress = tqdm(
        range(first, plan.steps), initial=first, total=plan.steps, mininterval=10, disable=rank() > 0
    )
    smooth = 0.0
    for step in progress:
        for group in optimizer.param_groups:
            group["lr"] = plan.rate_at(step) * group["factor"]
        with mixed_precision(device):
            loss = loss_of(step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        share_gradients(network)
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        average.update(network, step)
        smooth = loss.item() if step == first else 0.98 * smooth + 0.02 * loss.item()
        progress.set_postfix(loss=f"{smooth:.4f}", refresh=False)
        if rank() == 0 and ((step + 1) % plan.checkpoint_every == 0 or step + 1 == plan.steps):
            _save(checkpoint, network, optimizer, average, step + 1)
    network.load_state_dict(average.weights)
    return network.eval()


def mixed_precision(device: str = "cpu") -> torch.autocast:
    """Return bf16 autocast, enabled where the device computes in bf16."""
    return torch.autocast(device.split(":")[0], torch.bfloat16, enabled=computes_in_bf16(device))


def computes_in_bf16(device: str) -> bool:
    """Return whether the device has bf16 instructions.

    A CPU without them emulates them, which took two to three times as long as float32."""
    return device.split(":")[0] != "cpu" or torch.cpu._is_avx512_bf16_supported()


def _groups(network: nn.Module, plan: Plan) -> list[dict[str, Any]]:
    """Split the trainable parameters by their factor of the learning rate."""
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            groups.setdefault(plan.slower.get(name.split(".")[0], 1.0), []).append(parameter)
    return [{"params": parameters, "factor": factor} for factor, parameters in groups.items()]


def rank() -> int:
    """Return the rank of this process under torchrun; 0 without it."""
    return distributed.get_rank() if distributed.is_available() and distributed.is_initialized() else 0


def share_gradients(network: nn.Module) -> None:
    """Average the gradients over the processes of torchrun; do nothing without it."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients]) / distributed.get_world_size()
    distributed.all_reduce(flat)
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def _save(
    path: Path, network: nn.Module, optimizer: torch.optim.Optimizer, average: Average, step: int
) -> None:
    state = {
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "average": average.weights,
        "step": step,
    }
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)
