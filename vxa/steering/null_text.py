"""Null-text inversion: contexts of the negative prompt with which guidance stays on an image's trajectory.

Mokady et al., "Null-text Inversion for Editing Real Images using Guided Diffusion Models" (2023): at each
step, from the highest down, Adam moves the negative prompt's context so that the guided step leads to the
trajectory's next latents; the next step begins from that context and from where this one led to. Learning
rate 1e-2 (1 - i/100), at most 10 iterations, ended below 1e-5 + 2e-5 i, for step i of 50; we scale i to the
number of steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from vxa.steering.ddim import DdimStep

__all__ = ["null_contexts"]

_STEPS, _ITERATIONS = 50, 10

Predict = Callable[[Tensor, int, Tensor], Tensor]


def null_contexts(
    latents: Sequence[Tensor],
    path: Sequence[DdimStep],
    guidance: float,
    contexts: tuple[Tensor, Tensor],
    predict: Predict,
    on_step: Callable[[], object],
) -> Tensor:
    """Return the negative prompt's context of each step [steps, tokens, channels].

    Args:
        latents: the trajectory, from the image's own to the start, each [1, channels, h, w].
        path: the steps, from the highest level down.
        guidance: the guidance scale.
        contexts: that of the prompt, and that of the empty prompt.
        predict: returns the network's prediction for latents, a timestep and a context.
        on_step: called after each step.
    """
    own_context, context = contexts
    context, current, found = context.detach().float().cpu(), latents[-1], []
    for number, (step, target) in enumerate(zip(path, reversed(latents[:-1]), strict=True)):
        with torch.no_grad():
            own = predict(current, step.timestep, own_context)

        def follow(
            null: Tensor, current: Tensor = current, own: Tensor = own, step: DdimStep = step
        ) -> Tensor:
            """Return where the guided step leads to."""
            negative = predict(current, step.timestep, null)
            return step.down(current, negative + guidance * (own - negative))

        context = _improve(context, target, follow, number * _STEPS / len(path))
        with torch.no_grad():
            current = follow(context)
        found.append(context[0])
        on_step()
    return torch.stack(found)


def _improve(context: Tensor, target: Tensor, follow: Callable[[Tensor], Tensor], number: float) -> Tensor:
    """Return a context with which a step leads nearer to its target."""
    with torch.enable_grad():
        context = context.clone().requires_grad_()
        optimizer = torch.optim.Adam([context], lr=1e-2 * (1 - number / 100))
        for _ in range(_ITERATIONS):
            loss = functional.mse_loss(follow(context), target)
            (context.grad,) = torch.autograd.grad(loss, [context])  # the network's weights get none
            optimizer.step()
            if float(loss.detach()) < 1e-5 + 2e-5 * number:
                break
    return context.detach()
