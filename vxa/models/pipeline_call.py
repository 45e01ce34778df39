"""One call of a diffusers pipeline: which of the network's passes its steps really used.

A pass is the step's own if it is at the timestep that the schedule has next, with the call's prompts, on the
latents that the scheduler then steps from. Where those latents are known before the pass (they are what the
last step led to), the pass is certain at once. Otherwise (the first step, latents that a callback or a mask
changed) the step decides. Passes that no step used are kept apart: a callback's own, gradient passes,
references, another pipeline's on the same network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from vxa.errors import RecordingError
from vxa.models.call_steps import CallSteps
from vxa.models.prompt_events import EncodedPrompts
from vxa.models.rows import Candidates, Contexts, Inputs, assign_rows, is_multiple
from vxa.models.session import Pass, Row

__all__ = ["PipelineCall"]

_OTHER_ROWS = (
    "the pipeline ran the network on rows that are not its negative and its own prompts, as they were encoded"
)

Settle = Callable[[Pass, Mapping[int, Row]], None]


@dataclass(frozen=True, eq=False)
class _Read:
    """A pass whose prompts are the call's, and that may be the step's own."""

    run: Pass
    sample: Tensor
    candidates: Candidates
    with_graph: bool


@dataclass(eq=False)
class PipelineCall:
    """State of one call.

    Attributes:
        encoded: the prompts.
        timesteps: the scheduler's own tensor, which another call on the scheduler replaces.
        steps: the position in the schedule.
        settle: called with each uncertain pass, and the rows of it that its step used.
        with_graph: whether the prompts were encoded with gradients.
        strict: whether it is an error that passes cannot be told apart.
        apart: the number of passes with the call's prompts that no step used.
        is_stepped: whether the pipeline's scheduler was stepped in the call.
        repeated: the number of passes that read a prompt once more than their step needs.
        reason: the last reason why a pass was not the call's; blank if there is none.
    """

    encoded: EncodedPrompts
    timesteps: Tensor
    steps: CallSteps
    settle: Settle
    with_graph: bool
    strict: bool = True
    apart: int = 0
    repeated: int = 0
    reason: str = ""
    is_stepped: bool = False
    _expected: Tensor | None = None
    _used: dict[Row, Tensor] = field(default_factory=dict)
    _certain: list[_Read] = field(default_factory=list)
    _pending: list[_Read] = field(default_factory=list)
    _others: list[str] = field(default_factory=list)
    _contexts: Contexts = field(init=False)

    def __post_init__(self) -> None:
        self._contexts = Contexts(self.encoded)

    def is_of(self, timesteps: Any) -> bool:
        """Return whether the scheduler is still set up for this call."""
        if timesteps is self.timesteps:
            return True
        # A pipeline may copy its scheduler's state during a call, and only another call comes after it.
        return not self.steps.is_over and torch.is_tensor(timesteps) and _are_same(timesteps, self.timesteps)

    def goes_on(self, timesteps: Any, inputs: Inputs) -> bool:
        """Return whether a pass after prompts were encoded anew may still be of this call.

        It is where the scheduler was not set up anew: then a callback encoded a prompt for itself.
        """
        timestep = inputs.timesteps[0]
        ahead = self.steps.expects(timestep) or self.steps.next_of(timestep) is not None
        return timesteps is self.timesteps and (self.is_stepped or ahead)

    def inputs_of_first(self) -> Tensor | None:
        """Return what the step's own pass read for the first image, [1, channels, h, w]."""
        return self._used.get(Row(0))

    def announce(self, inputs: Inputs) -> Pass | None:
        """Return the pass that is about to run; None if it cannot be the current step's."""
        if self.steps.is_over:
            return None
        candidates = self._contexts.find_candidates(inputs.context)
        if len(inputs.timesteps) > 1:
            levels = ", ".join(f"{level:g}" for level in inputs.timesteps[:4])
            self._note_other(f"the rows of one pass are at different timesteps ({levels})")
            return None
        (timestep,) = inputs.timesteps
        if not self.steps.expects(timestep) and (self.is_stepped or not self._step_unstepped(timestep)):
            self.apart += bool(candidates)
            return None
        if not candidates:
            self._note_other(_OTHER_ROWS)
            return None
        return self._read(inputs, candidates)

    def _note_other(self, reason: str) -> None:
        """Note a pass at the expected timestep that has none of the call's rows."""
        self._others.append(reason)
        self.reason = reason

    def _read(self, inputs: Inputs, candidates: Candidates) -> Pass | None:
        """Return the pass: certain where its latents are those that the last step led to."""
        sample, run = inputs.sample, Pass(self.steps.step, inputs.timesteps[0], inputs.latent_size, {})
        with_graph = torch.is_grad_enabled() and not self.with_graph
        if self._expected is not None and not with_graph:
            if rows := assign_rows(candidates, sample, self._expected, self._used):
                run = replace(run, rows=rows)
                self._use(rows, sample)
                self._certain.append(_Read(run, sample, candidates, with_graph))
                self.repeated += len(rows) < len(candidates)
                return run
            if rows := assign_rows(candidates, sample, self._expected, ()):
                self._check_repeated(rows, sample)
                return None
        run = replace(run, rows={place: each[0] for place, each in candidates.items()}, certain=False)
        if with_graph:  # of the passes that an optimisation iterates, only the last can be the step's own
            self._let_go([read for read in self._pending if read.with_graph])
        self._pending.append(_Read(run, sample, candidates, with_graph))
        return run

    def _check_repeated(self, rows: Mapping[int, Row], sample: Tensor) -> None:
        """Count a further reading of rows that the step has. Raises RecordingError at another scale."""
        self.repeated += 1
        if not all(_are_same(sample[place : place + 1], self._used[row]) for place, row in rows.items()):
            self._refuse(
                "the network read the step's latents at two scales, and VXA cannot tell which of the passes "
                "counts; scale what a callback reads by scheduler.scale_model_input"
            )

    def _use(self, rows: Mapping[int, Row], sample: Tensor) -> None:
        self._used.update((row, sample[place : place + 1].detach()) for place, row in rows.items())

    def forget(self, run: Pass) -> None:
        """Take back a pass whose forward raised."""
        for reads in (self._certain, self._pending):
            reads[:] = [read for read in reads if read.run is not run]
        if run.certain:
            for row in run.rows.values():
                self._used.pop(row, None)

    def _let_go(self, reads: list[_Read]) -> None:
        for read in reads:
            self._pending.remove(read)
            self.apart += 1
            self.settle(read.run, {})

    def before_step(self, timestep: float, sample: Tensor) -> None:
        """Settle the passes since the last step: the scheduler steps from `sample` [images, channels, h, w].

        Raises:
            RecordingError: the step is not the schedule's, or it used a pass that cannot be told.
        """
        if not self.steps.expects(timestep):
            self._refuse(
                f"the pipeline took a further step at timestep {timestep:g}: it runs the network on several "
                "crops or views of the image (MultiDiffusion, tiling), which have no place in one map; use a "
                "plain pipeline"
            )
        self.is_stepped = True
        self._check_certain(sample)
        reads = [*self._certain, *self._pending]
        self._settle_pending(sample)
        unread = any(Row(image) not in self._used for image in range(len(self.encoded.context)))
        if unread and (reads or self._others):
            reason = self._others[0] if self._others else _misplaced(sample)
            self._refuse(
                f"{reason}: it mixes prompts, or adds passes of its own, which VXA cannot tell apart; use a "
                "plain pipeline"
            )

    def after_step(self, latents: Tensor | None) -> None:
        """Advance to the next entry, from the latents that the step led to."""
        self.steps.position += 1
        self._expected = latents
        self._begin_step()

    def finish(self) -> None:
        """Settle the passes of a loop that never stepped the scheduler; drop those of a broken step."""
        if self.is_stepped:
            self._let_go(list(self._pending))
        else:
            self._settle_unstepped()

    def _begin_step(self) -> None:
        for kept in (self._used, self._certain, self._pending, self._others):
            kept.clear()

    def _check_certain(self, sample: Tensor) -> None:
        """Raise RecordingError if a pass was counted, and the step used a later one on changed latents."""
        if not self._certain or self._expected is None or _are_same(sample, self._expected):
            return
        if any(assign_rows(read.candidates, read.sample, sample, ()) for read in self._pending):
            self._refuse(
                "the pipeline ran the network twice in one step and used the second pass, on latents changed "
                "in between; VXA cannot take back the first; use a plain pipeline"
            )

    def _settle_pending(self, sample: Tensor) -> None:
        """Tell which rows of each pending pass the step used: passes without a graph come first."""
        for read in sorted(self._pending, key=lambda each: each.with_graph):
            rows = assign_rows(read.candidates, read.sample, sample, self._used)
            if not rows and self._is_only(read, sample):
                rows = dict(read.run.rows)
            self._use(rows, read.sample)
            self.apart += not rows
            self.repeated += 0 < len(rows) < len(read.candidates)
            self.settle(read.run, rows)
        self._pending.clear()

    def _is_only(self, read: _Read, sample: Tensor) -> bool:
        """Return whether the step has no other pass: then the latents were changed before the step."""
        size = (sample.shape[-2], sample.shape[-1])
        alone = len(self._pending) == 1 and not self._certain and not self._others
        images = {row.image for row in read.run.rows.values()}
        return (
            alone and size == read.run.latent_size and len(images) == len(sample) == len(self.encoded.context)
        )

    def _step_unstepped(self, timestep: float) -> bool:
        """Advance to a later entry, in a loop that does not step the scheduler; False if there is none."""
        place = self.steps.next_of(timestep)
        if place is None:
            return False
        self._settle_unstepped()
        self.steps.position = place
        self._begin_step()
        return True

    def _refuse(self, message: str) -> None:
        if self.strict:
            raise RecordingError(message)

    def _settle_unstepped(self) -> None:
        """Take each prompt's first pass; raise RecordingError if its passes were on different latents."""
        first: dict[Row, Tensor] = {}
        for read in self._pending:
            rows = {}
            for place, candidates in read.candidates.items():
                row = next((each for each in candidates if each not in first), None)
                if row is not None:
                    rows[place], first[row] = row, read.sample[place]
                elif not any(is_multiple(read.sample[place], first[each]) for each in candidates):
                    self._refuse(
                        f"the network read a prompt on different latents at timestep {read.run.timestep:g}, "
                        "and the pipeline's scheduler was not stepped, so VXA cannot tell which one counts; "
                        "step with pipeline.scheduler.step"
                    )
            self.apart += not rows
            self.settle(read.run, rows)
        self._pending.clear()


def _misplaced(sample: Tensor) -> str:
    return (
        f"the sampler steps from latents {tuple(sample.shape)} that the network did not read as such: the "
        "pipeline runs it on crops or on changed copies"
    )


def _are_same(first: Tensor, second: Tensor) -> bool:
    return first is second or (first.shape == second.shape and torch.equal(first, second))
