from __future__ import annotations

import pytest
import torch

from vxa.models.levels import Levels


def test_entries_of_a_schedule_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = torch.tensor([900, 500, 100])
    levels, reads = Levels(), []
    tolist = torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "tolist", lambda tensor: reads.append(1) or tolist(tensor))
    assert [levels.read(each, schedule) for each in schedule] == [[900.0], [500.0], [100.0]]
    assert levels.read(schedule[1:][0].expand(2)[:1], schedule) == [500.0]  # a call on an image
    assert len(reads) == 1


def test_a_schedule_that_changes_is_read_again() -> None:
    schedule, levels = torch.tensor([900.0, 500.0]), Levels()
    assert levels.read(schedule[0], schedule) == [900.0]
    schedule[0] = 800
    assert levels.read(schedule[0], schedule) == [800.0]
    other = torch.tensor([7.0, 6.0, 5.0])
    assert levels.read(other[2], other) == [5.0]


def test_other_timesteps_are_read_as_they_are() -> None:
    schedule, levels = torch.tensor([900, 500, 100]), Levels()
    assert levels.read(41, schedule) == [41.0]
    assert levels.read(torch.tensor(41), schedule) == [41.0]
    assert levels.read(torch.tensor([41, 40]), schedule) == [41.0, 40.0]
    assert levels.read(schedule[:2], schedule) == [900.0, 500.0]
    assert levels.read(schedule[0], None) == [900.0]
    with torch.inference_mode():
        assert levels.read(schedule[0], torch.tensor([900])) == [900.0]
        own = torch.tensor([3, 2])
        assert levels.read(own[1], own) == [2.0]
