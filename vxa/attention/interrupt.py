"""Ending a forward from within, when somebody no longer wants its answer.

    with interruptible(check):
        maps = visualize(model, image, prompt)      # check() is asked before every layer; raising ends it

A forward cannot be killed from outside, and takes a minute on a slow machine. The hook is on all modules,
not on one network's: which ones a model runs, text encoder and autoencoder among them, is its own knowledge.
It looks at no input and replaces none, so that what is not ended stays the same bit for bit.
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
    """Ask `check` before every module that this thread runs in the block; what it raises leaves the block.

    Forwards of other threads are not asked about. The hook goes in all cases.
    """
    thread = threading.get_ident()

    def before(module: nn.Module, inputs: Any) -> None:
        if threading.get_ident() == thread:
            check()

    handle = register_module_forward_pre_hook(before)
    try:
        yield
    finally:
        handle.remove()
