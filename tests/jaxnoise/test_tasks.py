"""The tasks' sizes follow from what is done to the clean image."""

import pytest

from jaxnoise.errors import UsageError
from jaxnoise.tasks import TASKS, task

pytestmark = pytest.mark.fast


@pytest.mark.parametrize("name", TASKS)
def test_the_output_is_as_large_as_the_clean_image(name):
    one = task(name)
    assert one.name == name
    # Averaged over 2x2, and packed as 2x2, sides are halved once each.
    assert one.factor == 2 ** (one.small + one.raw)
    assert one.outputs == 3 * one.factor**2


def test_what_the_names_say():
    assert [name for name in TASKS if not TASKS[name].noisy] == ["sr", "jdemsr"]
    assert [name for name in TASKS if TASKS[name].raw] == ["jdd", "jdemsr", "jddsr"]
    assert {name: TASKS[name].outputs for name in TASKS} == {
        "denoise": 3,
        "sr": 12,
        "jdensr": 12,
        "jdd": 12,
        "jdemsr": 48,
        "jddsr": 48,
    }


def test_another_name_is_refused():
    with pytest.raises(UsageError, match="task is 'deblur': use denoise, sr, "):
        task("deblur")
