"""Which steps the devices take in one call."""

import pytest

from train.engine.schedule import Schedule

pytestmark = pytest.mark.fast


def test_which_steps_go_together():
    schedule = Schedule(steps=13, evaluate_every=6, save_every=100, steps_per_call=3)
    done, calls = 0, []
    while done < schedule.steps:
        calls.append(schedule.steps_from(done))
        done += calls[-1]
    assert calls == [3, 3, 3, 3, 1]
    assert Schedule(steps=13, evaluate_every=4, steps_per_call=3).steps_from(3) == 1
    assert Schedule(steps=13, steps_per_call=3).steps_from(4) == 1
