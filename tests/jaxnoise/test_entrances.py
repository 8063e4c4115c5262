"""What public functions say to arrays of the wrong shape or type: one sentence with it.

The rows hold for each function arguments that fit, and faults that replace one of them. A public
function without a row fails, and so does a fault that is refused outside jit only.
"""

import importlib
import re
from functools import partial

import jax
import jaxtyping
import numpy as np
import pytest

from jaxnoise.errors import UsageError
from tests.jaxnoise import (
    entrances,
    entrances_of_arrays,
    entrances_of_features,
    entrances_of_rcl,
)
from tests.test_api import PUBLIC

PARTS = ("bijectors", "models", "noise", "distances", "losses", "metrics", "raw", "batch")
TAKE_NO_ARRAYS = {
    "jaxnoise.models": {"get", "names", "require"},
    "jaxnoise.models.cono": {"Terms", "Weights"},
    "jaxnoise.models.noiseflow": {"describe"},
    "jaxnoise.models.denoiser": {"last_layer"},
    "jaxnoise.models.rcl": {"Terms", "backbone_of", "last_layer_labels"},
    "jaxnoise.models.noise2noiseflow": {"Terms"},
    "jaxnoise.metrics": {"IntensityCurve"},
    "jaxnoise.distances": {"mmd2_error_bound"},
}
ROWS = {
    **entrances.rows(),
    **entrances_of_arrays.rows(),
    **entrances_of_features.rows(),
    **entrances_of_rcl.rows(),
}


@pytest.fixture(autouse=True)
def as_users_call():
    """Without the checks of annotations, which answer first in tests."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def call(function, arguments, traced):
    return function(**{**arguments, **traced})


def is_one_sentence_with(said: str, message: str) -> bool:
    ends = re.findall(r"[.!?](?= [A-Z])|[.!?]$", message)
    return len(ends) == 1 and "\n" not in message and re.search(said, message) is not None


@pytest.mark.fast
@pytest.mark.parametrize("name", ROWS)
def test_what_does_not_fit_is_refused_in_a_sentence(name):
    row = ROWS[name]
    for wrong, said in row.faults:
        arguments = {**row.fits, **wrong}
        with pytest.raises(UsageError) as refusal:
            row.function(**arguments)
        assert is_one_sentence_with(said, str(refusal.value)), (wrong.keys(), refusal.value)


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if not row.on_host])
def test_it_is_refused_under_jit(name):
    row = ROWS[name]
    for wrong, said in row.faults:
        arguments = {**row.fits, **wrong}
        traced = {
            key: value
            for key, value in arguments.items()
            if isinstance(value, np.ndarray | jax.Array) and key != "data_range"
        }
        with pytest.raises(UsageError) as refusal:
            jax.eval_shape(partial(call, row.function, arguments), traced)
        assert is_one_sentence_with(said, str(refusal.value)), (wrong.keys(), refusal.value)


@pytest.mark.fast
def test_every_public_function_of_arrays_has_a_row():
    missing = []
    for name, names in PUBLIC.items():
        if name.split(".")[1:2] and name.split(".")[1] in PARTS and name.count(".") < 3:
            module = importlib.import_module(name)
            called = {one for one in names if callable(getattr(module, one)) and one != "Config"}
            called -= TAKE_NO_ARRAYS.get(name, set())
            missing += [f"{name}.{one}" for one in called if f"{name}.{one}" not in ROWS]
    # What fits the layers of a chain is made by models, whose rows reach them.
    assert [one for one in missing if not re.match(r"jaxnoise.bijectors.(chain|layer)", one)] == []
