"""The joint loss of the published Noise2NoiseFlow, and its gradients, in both modes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnoise.bijectors import Conv1x1
from jaxnoise.bijectors.chain import SHARED
from jaxnoise.interop import noise2noiseflow_torch
from jaxnoise.models import noise2noiseflow

FLOW, DENOISER = "noise_flow.model", "denoiser.dncnn"


@pytest.fixture(scope="module")
def private(real_images):
    return real_images / "reference"


@pytest.fixture(scope="module")
def vectors(private):
    with np.load(private / "n2nf_vectors.npz") as file:
        return {name: file[name] for name in file.files if name.startswith("joint")}


@pytest.fixture
def precise(request):
    """Whether a test runs in float64; tests that do not say are in float32."""
    with jax.enable_x64(getattr(request, "param", False)):
        yield getattr(request, "param", False)


@pytest.fixture
def model(private, precise):
    folder = private / "checkpoints" / "noise2noiseflow_torch"
    config, variables = noise2noiseflow_torch(folder / "best_model.pth")
    kind = jnp.float64 if precise else jnp.float32
    return config, jax.tree.map(lambda leaf: jnp.asarray(leaf, kind), variables)


@pytest.fixture
def joint(vectors, model, precise):
    """A function from mode to the terms and the gradients of the total."""
    config, variables = model
    shots = [jnp.asarray(vectors[f"joint/noisy{n}"], float) for n in (1, 2)]
    camera = jnp.full(2, int(vectors["joint/cam"]))
    iso = jnp.full(2, float(vectors["joint/iso"]))

    def evaluate(mode):
        def loss(params):
            state = {part: {**variables[part], "params": params[part]} for part in params}
            terms, _ = noise2noiseflow.joint_loss(
                state, config, *shots, camera, iso, train=mode == "train"
            )
            return terms.total, terms

        params = {part: variables[part]["params"] for part in ("noise_model", "denoiser")}
        (_, terms), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))(params)
        return terms, gradient

    return evaluate


@pytest.mark.parametrize("precise", [False, True], indirect=True, ids=["float32", "float64"])
@pytest.mark.parametrize("mode", ["eval", "train"])
def test_loss_and_gradients(joint, vectors, model, private, precise, mode):
    terms, gradient = joint(mode)
    # That code keeps log(2 pi) in float32, which is 1.5e-8 nats per dimension.
    relative = 2e-8 if precise else 1e-5
    for name, value in terms._asdict().items():
        assert float(value) == pytest.approx(float(vectors[f"joint_{mode}/{name}"]), rel=relative)
    prefix = f"joint_{mode}/grad/"
    expected = {
        name.removeprefix(prefix): vectors[name] for name in vectors if name.startswith(prefix)
    }
    _, variables = model
    with np.load(private / "n2nf_published.npz") as published:
        found = as_published(gradient, variables["noise_model"], published)
    assert set(expected) <= set(found)
    for part in (FLOW, DENOISER):
        of_part = {name: value for name, value in expected.items() if name.startswith(part)}
        if precise:
            same_entries(found, of_part)
        else:
            same_direction(found, of_part)


def same_entries(found, expected):
    """Every entry, in float64."""
    largest = max(np.abs(value).max() for value in expected.values())
    for name, value in expected.items():
        # A bias before batch normalisation has no gradient in training mode, only rounding.
        atol = 1e-8 * np.abs(value).max() + 1e-12 * largest
        np.testing.assert_allclose(found[name].ravel(), value.ravel(), atol=atol, rtol=0)


def same_direction(found, expected):
    """All entries as one vector, in float32.

    Of the million units a few lie so near the kink of their ReLU that the last bit of a sum decides
    on which side; each moves some single entries by percents, and the vector by 1e-4 of its length.
    """
    ours, theirs = (
        np.concatenate([side[name].ravel() for name in expected]) for side in (found, expected)
    )
    assert np.linalg.norm(ours - theirs) < 1e-3 * np.linalg.norm(theirs)


def test_the_objective_is_symmetric_in_the_shots(vectors, model):
    config, variables = model
    shots = [jnp.asarray(vectors[f"joint/noisy{n}"], float) for n in (1, 2)]
    conditions = jnp.full(2, 2), jnp.full(2, 400.0)

    @jax.jit
    def total(*order):
        terms, _ = noise2noiseflow.joint_loss(variables, config, *order, *conditions, train=False)
        return terms.total

    totals = total(*shots), total(*shots[::-1])
    assert float(totals[0]) == pytest.approx(float(totals[1]), rel=1e-6)


def as_published(gradient, flow_variables, published):
    """Gradients under the names and in the layout of the published code."""
    found = {}
    flow = gradient["noise_model"]
    shared = {"b1": "beta1", "b2": "beta2", "v": "gain_params", "camera": "cam_params"}
    for ours, theirs in shared.items():
        found[f"{FLOW}.0._scale.{theirs}"] = flow[SHARED][ours]
    found[f"{FLOW}.9.scale"] = flow[SHARED]["gain_val"]
    for name, own in flow.items():
        place = name.split("_")[0].lstrip("0") or "0"
        if name.endswith("conv1x1"):
            factors = {
                key: published[f"{FLOW}.{place}.{key}"]
                for key in ("p", "l", "u", "log_s", "sign_s")
            }
            constants, params = (flow_variables[kind][name] for kind in ("constants", "params"))
            changes = of_published_matrix(own, params, constants, factors)
            found |= {f"{FLOW}.{place}.{key}": value for key, value in changes.items()}
        if not name.endswith("coupling"):
            continue
        scope = f"{FLOW}.{place}._shift_and_log_scale"
        found[f"{scope}.scale"] = own["scale"]
        found[f"{scope}.logs"] = own["log_factor"]
        for ours, theirs in (("first", "conv2d_1"), ("second", "conv2d_2"), ("last", "conv2d_3")):
            found[f"{scope}.{theirs}.weight"] = own[ours]["kernel"].transpose(3, 2, 0, 1)
            found[f"{scope}.{theirs}.bias"] = own[ours]["bias"]
        for ours, theirs in (("first_norm", "net.1"), ("second_norm", "net.4")):
            found[f"{scope}.{theirs}.weight"] = own[ours]["scale"]
            found[f"{scope}.{theirs}.bias"] = own[ours]["bias"]
    denoiser = gradient["denoiser"]
    for place in range(9):
        conv, number = denoiser[f"conv_{place}"], 3 * place - 1 if place else 0
        found[f"{DENOISER}.{23 if place == 8 else number}.weight"] = conv["kernel"].transpose(
            3, 2, 0, 1
        )
        if place == 0:
            found[f"{DENOISER}.0.bias"] = conv["bias"]
        if 0 < place < 8:
            norm = denoiser[f"norm_{place}"]
            found[f"{DENOISER}.{number + 1}.weight"] = norm["scale"]
            found[f"{DENOISER}.{number + 1}.bias"] = norm["bias"]
    return {name: np.asarray(value) for name, value in found.items()}


@jax.jit
def of_published_matrix(own, params, constants, published):
    """Gradient with respect to l, u and log_s, where z = (p l u) n, of that in our own factors.

    Both sets of 16 numbers parameterise one 4x4 matrix, so the way leads over it.
    """
    order = ("lower", "upper", "log_diagonal")
    jacobian = jax.jacobian(lambda ours: Conv1x1(**constants, **ours).matrix())(params)
    columns = jnp.concatenate([jacobian[key].reshape(16, -1) for key in order], 1)
    change = jnp.concatenate([own[key] for key in order])
    of_matrix = jnp.linalg.solve(columns.T, change).reshape(4, 4)

    def matrix(factors):
        lower = jnp.tril(factors["l"], -1) + jnp.eye(4)
        diagonal = jnp.diag(published["sign_s"] * jnp.exp(factors["log_s"]))
        return (published["p"] @ lower @ (jnp.triu(factors["u"], 1) + diagonal)).T

    factors = {key: published[key].astype(float) for key in ("l", "u", "log_s")}
    return jax.vjp(matrix, factors)[1](of_matrix)[0]
