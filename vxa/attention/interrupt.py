"""Interruption of a forward from within, when its result is no longer needed.

    with interruptible(check):
        maps = visualize(model, image, prompt)      # check() runs before every module; raising ends the pass

A forward cannot be killed from outside, and takes a minute on a slow machine. The hook is global, not on one
network's modules, since only the model knows which modules it runs (text encoder and autoencoder too). It
reads and replaces no input, so an uninterrupted forward stays bit-identical.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

__all__ = ["interruptible"]


@contextmanager
def interruptible(check: Callable[[], None]) -> Iterator[None]:
    """Call `check` before every module that this thread runs in this block; what it raises leaves the block.

    Forwards of other threads are not checked. The hook is removed in all cases.
    """
    thread = threading.get_ident()

    def on_forward(module: nn.Module, inputs: Any) -> None:
        if threading.get_ident() == thread:
            check()

    handle = register_module_forward_pre_hook(on_forward)
    try:
        yield
    finally:
        handle.remove()
