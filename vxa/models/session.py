"""Passes of a network, announced to whoever listens: at which step each is, and whose row each row is.

    with announced(network, announce, listener):     # announce(args, kwargs) returns the Pass, or None
        network(…)                                   # before_pass(run), the forward, after_pass(run)

This is the one place where the life of a pass is written. Who reads which row is told by the host: a
diffusers pipeline's prompts (`vxa.models.pipeline_session`), a webui's denoiser, or the caller itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from torch import nn

from vxa.attention.hooks import OnError, guarded

__all__ = ["Announce", "Pass", "PassListener", "Row", "announced"]


@dataclass(frozen=True)
class Row:
    """A row of a batch.

    Attributes:
        image: the index of its image in the call.
        text: the text that it reads, where an image's rows may read several; else blank.
        negative: whether that is of the negative prompt.
    """

    image: int
    text: str = ""
    negative: bool = False


@dataclass(frozen=True, eq=False)
class Pass:
    """One forward of the network.

    Attributes:
        step: the index of its step.
        timestep: the noise level that the network is told.
        latent_size: (height, width).
        rows: each row of the batch that reads a prompt of the call, by its place in the batch.
        certain: whether the step is known to use this pass. If not, `settle` tells later, and until then only
            the prompt of a row is certain, not its image.
    """

    step: int
    timestep: float
    latent_size: tuple[int, int]
    rows: Mapping[int, Row]
    certain: bool = True


class PassListener:
    """Listener to the passes of a network; every method does nothing by default."""

    def before_pass(self, run: Pass | None) -> None:
        """Prepare for a pass; None is a pass that is nobody's."""

    def after_pass(self, run: Pass | None) -> None:
        """Finish a pass."""

    def fail_pass(self) -> None:
        """Note that the forward raised."""

    def settle(self, run: Pass, rows: Mapping[int, Row]) -> None:
        """Note which rows of an uncertain pass its step used; none if it used another pass."""


Announce = Callable[[tuple[Any, ...], Mapping[str, Any]], Pass | None]


@contextmanager
def announced(
    network: nn.Module,
    announce: Announce,
    listener: PassListener,
    on_error: OnError | None = None,
) -> Iterator[None]:
    """Announce each forward of the network that this thread runs in this block.

    With `on_error`, an exception of `announce` or of the listener goes to it and the forward continues.
    """
    thread = threading.get_ident()
    runs: list[Pass | None] = []

    def before(
        module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        # While the hook is removed, a pass of another thread may still call it once, without kwargs.
        if threading.get_ident() == thread:
            runs[:] = [None]
            runs[:] = [announce(args, kwargs)]
            listener.before_pass(runs[0])

    def after(module: nn.Module, args: Any, output: Any) -> None:
        if threading.get_ident() != thread or not runs:
            return
        if output is None:  # the forward raised; torch is iterating over the hooks, so none is removed here
            listener.fail_pass()
        else:
            listener.after_pass(runs.pop())

    with ExitStack() as handles:
        for handle in (
            network.register_forward_pre_hook(guarded(on_error, before), with_kwargs=True),
            network.register_forward_hook(guarded(on_error, after), always_call=True),
        ):
            handles.callback(handle.remove)
        yield
