from __future__ import annotations

import pytest

from vxa.errors import RecordingError, SettingError, TokenIndexError
from vxa.maps.steps import CountedSteps, Schedule, StepBin, bins_of, check_bins


def test_a_level_that_a_second_order_sampler_repeats_is_one_step() -> None:
    schedule = Schedule.of([900, 600, 600, 300, 300])
    assert schedule.timesteps == (900.0, 600.0, 300.0)
    assert [schedule.step_of(level) for level in (900, 600.0001, 300)] == [0, 1, 2]
    with pytest.raises(RecordingError, match="timestep 450, which is not in the sampler's schedule of 3"):
        schedule.step_of(450)


def test_bins_are_as_equal_as_can_be() -> None:
    schedule = Schedule.of([9.0, 7.0, 5.0, 3.0, 1.0])
    assert schedule.bins(2) == (StepBin(0, 2, 9.0, 5.0), StepBin(3, 4, 3.0, 1.0))
    assert [each.label for each in schedule.bins("each")] == [f"step {n}" for n in range(5)]
    assert len(schedule.bins(9)) == schedule.count(9) == 5
    assert [schedule.bin_of(step, 2) for step in range(5)] == [0, 0, 0, 1, 1]


def test_steps_are_chosen_by_whole_bins() -> None:
    kept = Schedule.of(range(10)).bins(5)
    assert bins_of(kept, "0-3, 8-9") == (0, 1, 4)
    assert bins_of(Schedule.of(range(3)).bins("each"), 2) == (2,)
    with pytest.raises(SettingError, match=r"'0-2' are not kept by themselves; the bins are 0-1, 2-3"):
        bins_of(kept, "0-2")
    with pytest.raises(TokenIndexError, match="out of range"):
        bins_of(kept, "10")
    with pytest.raises(SettingError, match="of one pass"):
        bins_of((), "0")


@pytest.mark.parametrize("bins", [0, -1, 1.5, True, "all", None])
def test_bins_that_are_none_are_refused(bins: object) -> None:
    with pytest.raises(SettingError, match="give a whole number from 1"):
        check_bins(bins)


def test_steps_that_a_host_counts_learn_their_levels_as_they_come() -> None:
    steps = CountedSteps(5)
    for step, levels in ((0, (990.5, 940.0)), (1, (800.0,)), (4, (20.0,)), (9, (5.0,))):
        for level in levels:
            assert steps.at(step, level) == min(step, 4)  # a sampler may run more steps than announced
    assert steps.bins(3) == (StepBin(0, 1, 990.5, 800.0), StepBin(2, 3, 0.0, 0.0), StepBin(4, 4, 20.0, 5.0))
    assert [steps.bin_of(step, 3) for step in range(5)] == [0, 0, 1, 1, 2]
    assert CountedSteps(0).count("each") == 1
