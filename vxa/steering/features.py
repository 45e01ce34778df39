"""Output of a module of the network, handed to a function on its way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from vxa.errors import SteeringError

__all__ = ["edited_output"]


@contextmanager
def edited_output(network: nn.Module, name: str, edit: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Replace the output of a module, in forwards that this thread runs in this block, by `edit(output)`.

    Raises SteeringError where the network has no module of the name, or `edit` returns another shape.
    """
    thread = threading.get_ident()
    module = dict(network.named_modules()).get(name)
    if module is None:
        raise SteeringError(f"the network has no module {name!r} whose output could be changed; name another")

    def after(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        if threading.get_ident() != thread:
            return output
        edited = edit(output)
        if not torch.is_tensor(edited) or edited.shape != output.shape:
            raise SteeringError(
                f"a control made of the output {tuple(output.shape)} of {name} another shape; return a "
                "tensor of the same"
            )
        return edited

    handle = module.register_forward_hook(after)
    try:
        yield
    finally:
        handle.remove()
