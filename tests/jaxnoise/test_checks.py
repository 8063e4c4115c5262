"""What the shared checks take and refuse; their use by public functions is tested elsewhere."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise import checks
from jaxnoise.errors import UsageError

pytestmark = pytest.mark.fast

IMAGES = np.zeros((2, 8, 6, 4), np.float32)


@pytest.mark.parametrize(
    ("value", "floating", "real"),
    [
        (np.float16(1), True, True),
        (jnp.zeros(3, jnp.bfloat16), True, True),
        (1.5, True, True),
        (np.zeros(2, ">f8"), True, True),
        (np.int64(1), False, True),
        (3, False, True),
        ([1, 2], False, True),
        (jnp.zeros(3, jnp.int4), False, True),
        (True, False, False),
        (np.zeros(2, complex), False, False),
        ("text", False, False),
        (jax.random.key(0), False, False),
    ],
    ids=repr,
)
def test_kinds_of_numbers(value, floating, real):
    assert (checks.is_float(value), checks.is_real(value)) == (floating, real)


def test_other_byte_orders_keep_their_numbers():
    foreign = np.array([1.5, -2.0], ">f4")
    assert checks.native(foreign).dtype == np.dtype("=f4")
    np.testing.assert_array_equal(checks.native(foreign), [1.5, -2.0])
    for same in (IMAGES, jnp.ones(2), 3.0, None):
        assert checks.native(same) is same


def test_a_batch_that_fits_passes():
    flags, two = np.ones((2, 8, 6, 1), bool), np.arange(2)
    given = {"camera": two, "iso": [100, 200.0], "valid": flags}
    checks.check_batch(4, **given, clean=IMAGES, noise=jnp.asarray(IMAGES))
    checks.check_batch(clean=IMAGES[:0], camera=two[:0], iso=two[:0], valid=flags[:0])
    described = jax.ShapeDtypeStruct(IMAGES.shape, jnp.bfloat16)
    checks.check_batch(4, clean=described)
    jax.vmap(lambda image: checks.check_batch(4, clean=image[None]))(IMAGES)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"clean": IMAGES[0]}, r"clean .*\(8, 6, 4\).*\(N, H, W, 4\).*image\[None\]"),
        ({"clean": IMAGES[None]}, r"clean .*\(1, 2, 8, 6, 4\)"),
        ({"clean": IMAGES[..., :1]}, r"clean .*\(2, 8, 6, 1\).*\(N, H, W, 4\)"),
        ({"clean": IMAGES[:, :0]}, r"\(2, 0, 6, 4\)"),
        ({"noise": IMAGES[:1]}, r"noise .*\(1, 8, 6, 4\).*clean .*\(2, 8, 6, 4\)"),
        ({"noise": IMAGES.astype(np.int16)}, r"noise .*\(2, 8, 6, 4\).*int16"),
        ({"noise": IMAGES.astype(">f4")}, r"noise .*\(2, 8, 6, 4\).*byte order"),
        ({"camera": 0}, r"camera .*\(\).*\(2,\)"),
        ({"iso": np.ones((1, 2))}, r"iso .*\(1, 2\).*\(2,\)"),
        ({"iso": np.ones(2, bool)}, r"iso .*\(2,\).*bool"),
        ({"camera": np.ones(2, ">i4")}, r"camera .*byte order"),
        ({"valid": np.ones((2, 8, 6, 4), bool)}, r"valid .*\(2, 8, 6, 4\).*\(2, 8, 6, 1\)"),
        ({"valid": np.ones((2, 8, 6, 1))}, r"valid .*float64.*booleans"),
        ({"least": 3}, r"\(2, 8, 6, 4\).*at least 3"),
    ],
)
def test_a_batch_that_does_not_fit(options, said):
    given = {"clean": IMAGES, "camera": np.zeros(2), "iso": np.ones(2), **options}
    with pytest.raises(UsageError, match=said):
        checks.check_batch(4, **given)


def test_keys():
    checks.check_key(jax.random.key(0))
    checks.check_key(jax.random.PRNGKey(0))
    jax.jit(checks.check_key)(jax.random.key(0))
    for wrong in (0, jax.random.split(jax.random.key(0)), np.zeros((3, 2), np.uint32), None):
        with pytest.raises(UsageError, match="give one key"):
            checks.check_key(wrong)


def test_numbers():
    checks.check_numbers(temperature=1, weight=jnp.ones(()), floor=np.float32(0))
    for wrong in (jnp.ones(4), [1.0], True, "1", None):
        with pytest.raises(UsageError, match="temperature .*give one number"):
            checks.check_numbers(temperature=wrong)


def test_events_share_parameters_or_have_their_own():
    per_image = {"channels": 4, "event": (8, 6, 4), "batches": ((2,), ())}
    for images in (IMAGES, IMAGES[None], IMAGES[0], IMAGES[:1]):
        checks.check_event("Layer", images, **per_image, valid=np.ones((8, 6, 1), bool))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"channels": 1}, r"Layer over 1 channel.*\(2, 8, 6, 4\)"),
        ({"event": (1, 1, 4)}, r"\(1, 1, 4\).*\(2, 8, 6, 4\)"),
        ({"batches": ((3,),)}, r"\(3,\).*\(2, 8, 6, 4\)"),
        ({"images": IMAGES[0, 0]}, r"\(6, 4\).*\(\.\.\., H, W, C\)"),
        ({"images": IMAGES.astype(int)}, r"\(2, 8, 6, 4\).*int64"),
        ({"valid": np.ones((2, 8, 6, 4), bool)}, r"mask .*\(2, 8, 6, 4\)"),
        ({"valid": np.ones((2, 8, 6, 1))}, r"mask .*float64"),
        ({"valid": np.ones((3, 8, 6, 1), bool)}, r"\(3,\).*\(2, 8, 6, 4\)"),
    ],
)
def test_events_that_do_not_fit(options, said):
    options = {"images": IMAGES, **options}
    with pytest.raises(UsageError, match=said):
        checks.check_event("Layer", options.pop("images"), **options)
