"""Steps of one scheduler are heard, by one thread, and nothing stays wrapped."""

from __future__ import annotations

import copy
import threading
from typing import Any

import pytest
import torch

from vxa.models.step_events import listen_to_steps


class Scheduler:
    def __init__(self) -> None:
        self.steps = 0

    def step(self, model_output: Any, timestep: Any, sample: Any, eta: float = 0.0) -> tuple[Any]:
        self.steps += 1
        return (sample - model_output,)


class Inherited(Scheduler):
    pass


def heard(scheduler: Any) -> tuple[Any, list[Any]]:
    seen: list[Any] = []
    return (
        listen_to_steps(
            scheduler,
            lambda *given: seen.append(("before", given[0])),
            lambda found: seen.append(float(found)),
        ),
        seen,
    )


@pytest.mark.parametrize("kind", [Scheduler, Inherited])
def test_steps_are_heard_before_and_after(kind: type[Scheduler]) -> None:
    scheduler, other = kind(), kind()
    own = vars(kind).get("step")
    listening, seen = heard(scheduler)
    one, two = torch.tensor(1.0), torch.tensor(2.0)
    with listening:
        assert scheduler.step(one, 901, two) == (one,)
        scheduler.step(model_output=one, timestep=torch.tensor(801), sample=one, eta=0.5)
        other.step(one, 701, two)
        for copied in (copy.copy(scheduler), copy.deepcopy(scheduler)):
            copied.step(one, 601, two)
    scheduler.step(one, 501, two)
    assert seen == [("before", 901.0), 1.0, ("before", 801.0), 0.0]
    assert (scheduler.steps, other.steps) == (3, 1)
    assert vars(kind).get("step") is own
    assert vars(scheduler) == {"steps": 3}


def test_a_step_of_the_objects_own_and_several_listeners() -> None:
    scheduler = Scheduler()
    calls: list[Any] = []
    original = scheduler.step
    scheduler.step = lambda *given: calls.append(given) or original(*given)  # type: ignore[method-assign]
    mine = scheduler.step
    (first, seen), (second, too) = heard(scheduler), heard(scheduler)
    first.__enter__()
    second.__enter__()
    scheduler.step(torch.tensor(1.0), 9, torch.tensor(2.0))
    first.__exit__(None, None, None)
    scheduler.step(torch.tensor(1.0), 8, torch.tensor(2.0))
    second.__exit__(None, None, None)
    assert (seen, too) == ([("before", 9.0), 1.0], [("before", 9.0), 1.0, ("before", 8.0), 1.0])
    assert scheduler.step is mine
    assert len(calls) == 2


def test_another_threads_steps_are_not_heard() -> None:
    scheduler = Scheduler()
    listening, seen = heard(scheduler)
    with listening:
        thread = threading.Thread(target=scheduler.step, args=(torch.tensor(1.0), 9, torch.tensor(2.0)))
        thread.start()
        thread.join()
    assert (seen, scheduler.steps) == ([], 1)


def test_a_listener_that_raises_ends_the_step() -> None:
    def fail(*given: Any) -> None:
        raise KeyError

    scheduler = Scheduler()
    with pytest.raises(KeyError), listen_to_steps(scheduler, fail, lambda found: None):
        scheduler.step(torch.tensor(1.0), 9, torch.tensor(2.0))
    assert scheduler.steps == 0
    assert not hasattr(Scheduler.step, "vxa_listeners")
