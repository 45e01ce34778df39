"""One session per pipeline: its calls, and the passes of its network, announced to all who listen.

    with listen(model, listener):            # a CallListener: a trace, a preview
        pipeline(…)

A call begins at its first pass after `encode_prompt` and follows its scheduler's steps. However many listen,
the rows are matched once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from vxa.models.call_steps import CallSteps
from vxa.models.crop_events import Crop, listen_to_crops
from vxa.models.levels import Levels
from vxa.models.pipeline_call import PipelineCall
from vxa.models.prompt_events import EncodedPrompts, listen_to_prompts
from vxa.models.rows import Inputs, inputs_of
from vxa.models.session import Pass, PassListener, Row, announced
from vxa.models.step_events import listen_to_steps

__all__ = ["CallListener", "StartedCall", "TakenStep", "listen"]


@dataclass(frozen=True, eq=False)
class StartedCall:
    """A call of the pipeline, from its first pass on.

    Attributes:
        encoded: its prompts.
        latent_size: (height, width) of its first pass.
        state: its steps, and the passes kept apart so far.
        crop: the part of the image that it works on; None is all of it.
        notes: what its listeners change in it.
    """

    encoded: EncodedPrompts
    latent_size: tuple[int, int]
    state: PipelineCall
    crop: Crop | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class TakenStep:
    """A step of the scheduler.

    Attributes:
        timestep: its noise level.
        inputs: what the network read for the first image, [1, channels, h, w]; None if it was not read.
        prediction: what the scheduler was told of every image, with guidance applied.
        latents: the latents [images, channels, h, w] from which it stepped.
    """

    timestep: float
    inputs: Tensor | None
    prediction: Tensor
    latents: Tensor


class CallListener(PassListener):
    """Listener to the calls of a pipeline, too.

    Attributes:
        counts: whether it counts what each step used; if so, a call whose passes cannot be told apart is an
            error.
        steers: whether it changes what the network computes. Calls and passes are announced to it before
            others, which then watch what it does.
        notes: what it changes.
    """

    counts = False
    steers = False
    notes: tuple[str, ...] = ()

    def on_encode(self, encoded: EncodedPrompts) -> None:
        """Note prompts; most often a call with them follows."""

    def begin_call(self, call: StartedCall) -> None:
        """Note that a call makes its first pass."""

    def edit_latents(self, latents: Tensor, step: TakenStep) -> Tensor:
        """Return the latents [images, channels, h, w] with which the pipeline goes on after a step."""
        return latents

    def after_step(self, step: TakenStep) -> None:
        """Note that the scheduler took a step."""

    def end_call(self) -> None:
        """Note that no pass of the call follows."""


class _Session(PassListener):
    """The session of one pipeline and thread, while there are listeners."""

    def __init__(self, model: Any) -> None:
        self.listeners: list[CallListener] = []
        self.prompts = ExitStack()
        self._model = model
        self._hooks = ExitStack()
        self._levels = Levels()
        self._encoded: tuple[EncodedPrompts, bool] | None = None
        self._crop: Crop | None = None
        self._call: PipelineCall | None = None
        self._run: Pass | None = None
        self._step: TakenStep | None = None

    def open(self) -> None:
        """Listen to the pipeline's prompts until `close`. Raises RecordingError where that is impossible."""
        self.prompts.enter_context(listen_to_prompts(self._model.pipeline, self._on_encode))

    def close(self, settle: bool) -> None:
        """End the current call and remove every hook."""
        self.prompts.close()
        self._hooks.close()
        self._end_call(settle)

    def _on_encode(self, encoded: EncodedPrompts) -> None:
        """Expect a call with these prompts, on the network and the scheduler that the pipeline has now."""
        for listener in tuple(self.listeners):
            listener.on_encode(encoded)
        self._encoded, self._crop = (encoded, torch.is_grad_enabled()), None
        self._hooks.close()
        pipeline = self._model.pipeline
        if self._call is None or self._call.steps.is_over:
            self._forget_count(pipeline)
        for context in (
            listen_to_crops(pipeline, self._on_crop),
            announced(self._model.network, self._announce, self),
            listen_to_steps(pipeline.scheduler, self._before_step, self._after_step),
        ):
            self._hooks.enter_context(context)

    def _forget_count(self, pipeline: Any) -> None:
        """Remove the last call's number of timesteps, so that the next call's is known; put it back later."""
        count = vars(pipeline).pop("_num_timesteps", None)
        if count is not None:
            self._hooks.callback(lambda: vars(pipeline).setdefault("_num_timesteps", count))

    def _on_crop(self, crop: Crop) -> None:
        self._crop = crop

    def _announce(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Pass | None:
        timesteps = self._model.pipeline.scheduler.timesteps
        inputs = inputs_of(args, kwargs, lambda timestep: self._levels.read(timestep, timesteps))
        encoded, self._encoded = self._encoded, None
        if encoded is not None and not (self._call is not None and self._call.goes_on(timesteps, inputs)):
            self._begin_call(inputs, *encoded)
        if self._call is None or not self._call.is_of(timesteps):
            return None
        return self._call.announce(inputs)

    def _begin_call(self, inputs: Inputs, encoded: EncodedPrompts, with_graph: bool) -> None:
        self._end_call()
        pipeline = self._model.pipeline
        running = vars(pipeline).get("_num_timesteps")
        steps = CallSteps.starting_at(inputs.timesteps[0], pipeline.scheduler, running)
        strict = any(listener.counts for listener in self.listeners)
        self._call = PipelineCall(
            encoded, pipeline.scheduler.timesteps, steps, self.settle, with_graph, strict
        )
        notes = tuple(note for listener in self.listeners for note in listener.notes)
        started = StartedCall(encoded, inputs.latent_size, self._call, self._crop, notes)
        for listener in tuple(self.listeners):
            listener.begin_call(started)

    def _end_call(self, settle: bool = True) -> None:
        call, self._call = self._call, None
        if call is None:
            return
        try:
            if settle:
                call.finish()
        finally:
            for listener in tuple(self.listeners):
                listener.end_call()

    def before_pass(self, run: Pass | None) -> None:
        """Pass on."""
        self._run = run
        for listener in tuple(self.listeners):
            listener.before_pass(run)

    def after_pass(self, run: Pass | None) -> None:
        """Pass on."""
        for listener in tuple(self.listeners):
            listener.after_pass(run)

    def fail_pass(self) -> None:
        """Take the pass back."""
        if self._call is not None and self._run is not None:
            self._call.forget(self._run)
        for listener in tuple(self.listeners):
            listener.fail_pass()

    def settle(self, run: Pass, rows: Mapping[int, Row]) -> None:
        """Pass on."""
        for listener in tuple(self.listeners):
            listener.settle(run, rows)

    def _before_step(self, timestep: Any, sample: Tensor, prediction: Tensor) -> None:
        call, self._step = self._call, None
        timesteps = self._model.pipeline.scheduler.timesteps
        if call is not None and call.is_of(timesteps):
            (level,) = self._levels.read(timestep, timesteps)
            call.before_step(level, sample)
            self._step = TakenStep(level, call.inputs_of_first(), prediction, sample)

    def _after_step(self, latents: Tensor | None) -> Tensor | None:
        step, self._step = self._step, None
        if self._call is None or step is None:
            return latents
        if latents is not None:
            for listener in tuple(self.listeners):
                latents = listener.edit_latents(latents, step)
        self._call.after_step(latents)
        for listener in reversed(self.listeners):  # the innermost block's first
            listener.after_step(step)
        return latents


_SESSIONS: WeakKeyDictionary[Any, dict[int, _Session]] = WeakKeyDictionary()


@contextmanager
def listen(model: Any, listener: CallListener) -> Iterator[None]:
    """Tell the listener of every call of the model's pipeline that this thread runs in this block.

    A pipeline may have several listeners, added and removed in any order.

    Raises:
        RecordingError: the pipeline does not encode prompts in a way that is known.
    """
    sessions, thread = _SESSIONS.setdefault(model.pipeline, {}), threading.get_ident()
    session = sessions.get(thread)
    if session is None:
        session = _Session(model)
        session.open()
        sessions[thread] = session
    session.listeners.append(listener)
    session.listeners.sort(key=lambda each: not each.steers)
    settle = False
    try:
        yield
        settle = True
    finally:
        try:
            if len(session.listeners) == 1:
                del sessions[thread]
                session.close(settle)
        finally:
            session.listeners.remove(listener)
            listener.end_call()
