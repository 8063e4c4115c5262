"""Hand-worked values of single bijectors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.stats

from jaxnoise.bijectors import (
    ActNorm,
    CausalConv,
    Conv1x1,
    Gain,
    SignalDependent,
    Squeeze,
    StudentT,
)
from jaxnoise.bijectors.causal_conv import whitening_parameters
from jaxnoise.bijectors.conv1x1 import decompose
from jaxnoise.bijectors.signal_and_gain import paper_gain, reference_gain
from jaxnoise.errors import UsageError

CAMERAS, ISOS = ("a", "b"), (100, 400)


@pytest.mark.fast
def test_signal_dependent_scales_by_the_root_of_the_variance():
    clean = jnp.full((1, 1, 1, 2), 0.5)
    layer = SignalDependent(clean, jnp.log(0.08), jnp.log(0.02), jnp.log(2.0))
    # 0.08 * 0.5 / 2 + 0.02 = 0.04, whose root is 0.2.
    np.testing.assert_allclose(layer.forward(jnp.ones((1, 1, 1, 2))), 0.2, rtol=1e-6)


@pytest.mark.fast
def test_paper_gain_is_psi_times_u_times_iso():
    params = {
        "b1": jnp.asarray(-5.0),
        "b2": jnp.asarray(0.0),
        "v": jnp.log(jnp.asarray([1 / 200, 1 / 100])),
        "log_psi": jnp.log(jnp.asarray([1.0, 3.0])),
    }
    got = paper_gain(
        params, jnp.asarray([1, 0]), jnp.asarray([400, 100]), cameras=CAMERAS, isos=ISOS
    )
    np.testing.assert_allclose(jnp.exp(got.log_gain), [3 * 400 / 100, 100 / 200], rtol=1e-5)
    np.testing.assert_allclose(got.log_signal_gain, got.log_gain)


@pytest.mark.fast
def test_reference_gain_scales_exponents():
    params = {
        "b1": jnp.asarray(-4.0),
        "b2": jnp.asarray(-0.3),
        "v": jnp.asarray([-2.0, -3.0]),
        "camera": jnp.log(jnp.asarray([[1.0, 2.0], [1.0, 0.5], [1.0, 1.5]])),
        "gain_val": jnp.asarray(1.25),
    }
    got = reference_gain(params, jnp.asarray([1]), jnp.asarray([400]), cameras=CAMERAS, isos=ISOS)
    np.testing.assert_allclose(got.log_beta1, [-8.0], rtol=1e-6)
    np.testing.assert_allclose(got.log_beta2, [-0.15], rtol=1e-6)
    np.testing.assert_allclose(got.log_signal_gain, [-4.5 + np.log(400)], rtol=1e-6)
    np.testing.assert_allclose(jnp.exp(got.log_gain), 1.25, rtol=1e-6)


@pytest.mark.fast
def test_gain_multiplies():
    np.testing.assert_allclose(Gain(jnp.log(3.0)).forward(jnp.ones((1, 2, 2, 2))), 3.0, rtol=1e-6)


@pytest.mark.fast
def test_actnorm_scales_and_shifts():
    layer = ActNorm(jnp.log(jnp.asarray([2.0, 4.0])), jnp.asarray([1.0, -1.0]))
    np.testing.assert_allclose(layer.forward(jnp.ones((1, 1, 2)))[0, 0], [3.0, 3.0], rtol=1e-6)


@pytest.mark.fast
def test_squeeze_puts_a_cell_side_by_side():
    noise = jnp.arange(4.0).reshape(2, 2, 1)
    np.testing.assert_array_equal(Squeeze().inverse(noise)[0, 0], [0, 1, 2, 3])
    with pytest.raises(UsageError, match="even height and width"):
        Squeeze().inverse(jnp.zeros((3, 2, 1)))


@pytest.mark.fast
def test_decompose_is_scipys_lu(float64):
    matrix = np.random.default_rng(0).normal(size=(5, 5))
    parts = {name: jnp.asarray(value) for name, value in decompose(matrix).items()}
    permutation, lower, upper = scipy.linalg.lu(matrix)
    np.testing.assert_allclose(parts["permutation"], permutation)
    np.testing.assert_allclose(parts["lower"], lower[np.tril_indices(5, -1)], rtol=1e-12)
    np.testing.assert_allclose(parts["upper"], upper[np.triu_indices(5, 1)], rtol=1e-12)
    layer = Conv1x1(**parts)
    np.testing.assert_allclose(layer.matrix(), matrix, atol=1e-12)
    np.testing.assert_allclose(layer.inverse_matrix(), np.linalg.inv(matrix), atol=1e-10)


@pytest.mark.fast
def test_a_singular_matrix_is_refused():
    with pytest.raises(UsageError, match="invertible"):
        decompose(np.ones((3, 3)))


@pytest.mark.fast
def test_conv1x1_multiplies_rows_from_noise_to_latent(float64):
    matrix = np.asarray([[1.0, 2.0], [0.0, 1.0]])
    parts = {name: jnp.asarray(value) for name, value in decompose(matrix).items()}
    got = Conv1x1(**parts).inverse(jnp.asarray([[[3.0, 5.0]]]))
    np.testing.assert_allclose(got[0, 0], [3.0, 11.0])


@pytest.mark.fast
def test_causal_conv_subtracts_left_and_above():
    # Radius 1 sees left, then above right, above, above left.
    taps = jnp.zeros((4, 1, 1)).at[0].set(0.5).at[2].set(0.25)
    layer = CausalConv(taps, jnp.zeros(0), jnp.zeros(1))
    noise = jnp.asarray([[1.0, 2.0], [4.0, 8.0]])[..., None]
    expected = [[1.0, 2.0 - 0.5], [4.0 - 0.25, 8.0 - 2.0 - 0.5]]
    np.testing.assert_allclose(layer.inverse(noise)[..., 0], expected)


def test_causal_whitening_leaves_unit_covariance(float64):
    covariance = np.asarray([[2.0, 0.6, 0.1], [0.6, 1.0, 0.3], [0.1, 0.3, 0.5]])
    parts = whitening_parameters(np.zeros((4, 3, 3)), covariance)
    layer = CausalConv(**{name: jnp.asarray(value) for name, value in parts.items()})
    rows = layer.inverse(jnp.eye(3)[:, None, None, :])[:, 0, 0, :]
    np.testing.assert_allclose(rows.T @ covariance @ rows, np.eye(3), atol=1e-12)


@pytest.mark.fast
@pytest.mark.parametrize("degrees", [2.5, 5.0, 40.0])
def test_student_t_is_scipys_with_unit_variance(degrees, float64):
    value = np.linspace(-6, 6, 13)
    scale = np.sqrt((degrees - 2) / degrees)
    got = StudentT(jnp.log(degrees - 2.0)).log_prob(jnp.asarray(value))
    np.testing.assert_allclose(got, scipy.stats.t(degrees, scale=scale).logpdf(value), rtol=1e-10)


def test_student_t_samples_are_scipys():
    base = StudentT(jnp.full((20_000,), jnp.log(3.0)))
    sample = np.asarray(base.sample(seed=jax.random.key(0)))
    reference = scipy.stats.t(5.0, scale=np.sqrt(3 / 5))
    # The Kolmogorov statistic of n draws exceeds 1.95 / sqrt(n) once in a thousand.
    assert scipy.stats.kstest(sample, reference.cdf).statistic < 1.95 / np.sqrt(sample.size)
