"""The network's prediction, handed to a function in place of the forward."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from vxa.errors import SteeringError

__all__ = ["predicted_by"]

Predict = Callable[[Tensor], Tensor]


@contextmanager
def predicted_by(network: nn.Module, predict: Callable[[Tensor, Predict], Tensor]) -> Iterator[None]:
    """Replace the predictions of forwards that this thread runs in this block by `predict(sample, forward)`.

    `forward(sample)` runs the network on a sample, with all else as it was called. The instance's `forward`
    is replaced, as offloading does, and put back.
    """
    thread, inherited, original = threading.get_ident(), "forward" not in vars(network), network.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        if threading.get_ident() != thread:
            return original(*args, **kwargs)
        results: list[Any] = []

        def run(sample: Tensor) -> Tensor:
            results.append(_run(original, args, kwargs, sample))
            result = results[-1]
            prediction: Tensor = result[0] if isinstance(result, tuple) else result.sample
            return prediction

        given = args[0] if args else kwargs["sample"]
        prediction = predict(given, run)
        if not results:
            raise SteeringError("a control made a prediction without the network; call predict(sample) in it")
        result = results[-1]
        if isinstance(result, tuple):
            return (prediction, *result[1:])
        result.sample = prediction
        return result

    network.forward = forward
    try:
        yield
    finally:
        if vars(network).get("forward") is forward:
            if inherited:
                del network.forward
            else:
                network.forward = original


def _run(original: Any, args: tuple[Any, ...], kwargs: dict[str, Any], sample: Tensor) -> Any:
    if args:
        return original(sample, *args[1:], **kwargs)
    return original(*args, **{**kwargs, "sample": sample})
