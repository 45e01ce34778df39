"""Steps of a scheduler, observed where a pipeline takes them.

    with listen_to_steps(scheduler, before, after):
        pipeline(…)          # before(timestep, sample, prediction), the scheduler's step, after(its result)

The method of the scheduler's class is wrapped while there are listeners, and lets other schedulers of the
class through. The object itself is not touched: a pipeline that copies it, or its state, would copy the
wrapper along.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor

__all__ = ["StepListener", "listen_to_steps"]

_ARGUMENTS = ("model_output", "timestep", "sample")
_LOCK = threading.Lock()


@dataclass(frozen=True, eq=False)
class StepListener:
    """Callbacks of one listener, for steps that one thread takes with one scheduler.

    Attributes:
        before: called with timestep (a number or a tensor, as it was given), sample and the network's
            prediction, before each step.
        after: called with the latents that the step led to, None where the scheduler does not say; returns
            others for the pipeline to go on with, or None.
    """

    scheduler: Any
    before: Callable[[Any, Tensor, Any], None]
    after: Callable[[Tensor | None], Tensor | None]
    thread: int


@contextmanager
def listen_to_steps(
    scheduler: Any,
    before: Callable[[Any, Tensor, Any], None],
    after: Callable[[Tensor | None], Tensor | None],
) -> Iterator[None]:
    """Call `before` and `after` around each step that this thread takes with the scheduler in this block."""
    owner = scheduler if "step" in vars(scheduler) else type(scheduler)
    listener = StepListener(scheduler, before, after, threading.get_ident())
    with _LOCK:
        listeners = _listeners(owner)
        listeners.append(listener)
    try:
        yield
    finally:
        with _LOCK:
            listeners.remove(listener)
            current = vars(owner).get("step")
            if not listeners and getattr(current, "vxa_listeners", None) is listeners:
                current.vxa_restore()


def _listeners(owner: Any) -> list[StepListener]:
    """Return the listeners of a scheduler's class, or of a scheduler with its own step; wrap the step."""
    existing: list[StepListener] | None = getattr(vars(owner).get("step"), "vxa_listeners", None)
    if existing is not None:
        return existing
    original, inherited = owner.step, "step" not in vars(owner)
    listeners: list[StepListener] = []
    names = [name for name in inspect.signature(original).parameters if name != "self"]
    if not set(_ARGUMENTS) <= set(names):  # a wrapper that takes whatever comes
        names = list(_ARGUMENTS)

    @functools.wraps(original)
    def step(*args: Any, **kwargs: Any) -> Any:
        scheduler, rest = (args[0], args[1:]) if isinstance(owner, type) else (owner, args)
        thread = threading.get_ident()
        own = [each for each in listeners if each.scheduler is scheduler and each.thread == thread]
        named = dict(zip(names, rest, strict=False)) | kwargs
        for each in own:
            each.before(named["timestep"], named["sample"], named["model_output"])
        result = original(*args, **kwargs)
        for each in own:
            other = each.after(
                result[0] if isinstance(result, tuple) else getattr(result, "prev_sample", None)
            )
            if other is not None:
                result = _with_latents(result, other)
        return result

    def restore() -> None:
        if inherited:
            del owner.step
        else:
            owner.step = original

    step.vxa_listeners = listeners  # type: ignore[attr-defined]
    step.vxa_restore = restore  # type: ignore[attr-defined]
    owner.step = step
    return listeners


def _with_latents(result: Any, latents: Tensor) -> Any:
    """Return a scheduler's result with other latents."""
    if isinstance(result, tuple):
        return (latents, *result[1:])
    result.prev_sample = latents
    return result
