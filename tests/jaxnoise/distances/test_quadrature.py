import numpy as np
import pytest

from jaxnoise.distances import quadrature
from jaxnoise.errors import UsageError

pytestmark = pytest.mark.fast


def kernel_error(data_range, widths, nodes):
    """Largest error of the kernel's cosine series within the range; its constant term is free."""
    widths = np.asarray(widths, np.float64)
    period = float(quadrature.period(np.float64(data_range), np.asarray(widths, np.float32)))
    u = np.linspace(-data_range, data_range, 2001)
    kernel = np.exp(-((u / widths[:, None]) ** 2)).mean(0)
    frequency = 2 * np.pi * np.arange(1, nodes + 1) / period
    spectrum = widths / (2 * np.sqrt(np.pi)) * np.exp(-((widths * frequency[:, None] / 2) ** 2))
    weights = 2 * 2 * np.pi / period * spectrum.mean(1)
    error = kernel - weights @ np.cos(frequency[:, None] * u)
    return (error.max() - error.min()) / 2


@pytest.mark.parametrize("data_range", [0.03, 1.0, 8.0, 100.0])
@pytest.mark.parametrize("widths", [[1.0], [0.7, 2.0]])
def test_the_rule_resolves_the_kernel_within_the_bound(data_range, widths):
    widths = np.asarray(widths, np.float32)
    needed = float(quadrature.nodes_needed(np.float64(data_range), widths))
    nodes = quadrature.rounded_up(needed)
    bound = quadrature.mmd2_error_bound(data_range, bandwidth=widths, nodes=nodes)
    # Two distributions differ by a measure of total variation 2: twice that on each side.
    assert 4 * kernel_error(data_range, widths, nodes) <= bound < 2e-7
    few = quadrature.mmd2_error_bound(data_range, bandwidth=widths, nodes=nodes // 2)
    assert 4 * kernel_error(data_range, widths, nodes // 2) <= few
    assert few > 1e2 * bound


def test_weights_are_those_of_the_trapezoid_rule():
    widths = np.array([0.5, 1.5], np.float32)
    found = quadrature.weights(widths, np.float32(10.0), 4)
    frequency = 2 * np.pi * np.arange(1, 5) / 10
    spectrum = widths / (2 * np.sqrt(np.pi)) * np.exp(-((widths * frequency[:, None] / 2) ** 2))
    np.testing.assert_allclose(found, (2 * 2 * np.pi / 10 * spectrum).mean(1), rtol=1e-5)


def test_nodes_come_in_few_sizes():
    assert [quadrature.rounded_up(n) for n in (1, 8, 8.1, 13, 17, 33, 50)] == [
        *(8, 8, 12, 16, 24, 48, 64),
    ]


def test_the_bound_never_falls_with_the_range():
    bounds = [quadrature.mmd2_error_bound(10**k, bandwidth=1, nodes=8) for k in range(9)]
    assert (np.diff(bounds) >= 0).all() and bounds[-1] > 2


def test_float64_leaves_less_out():
    for dtype, most in (("float32", 2e-7), ("float64", 2e-13)):
        needed = quadrature.nodes_needed(np.float64(8), np.ones(1, dtype))
        nodes = quadrature.rounded_up(float(needed))
        assert quadrature.mmd2_error_bound(8, bandwidth=1, nodes=nodes, dtype=dtype) < most
    with pytest.raises(UsageError, match="float16"):
        quadrature.mmd2_error_bound(8, bandwidth=1, nodes=8, dtype="float16")


@pytest.mark.parametrize(
    ("data_range", "bandwidth", "nodes"), [(-1, 1, 8), (1, 0, 8), (1, [], 8), (1, 1, 0)]
)
def test_bad_arguments_are_refused(data_range, bandwidth, nodes):
    with pytest.raises(UsageError, match="range >= 0"):
        quadrature.mmd2_error_bound(data_range, bandwidth=bandwidth, nodes=nodes)
