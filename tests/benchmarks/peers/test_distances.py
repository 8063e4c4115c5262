"""Peers in the benchmark of distances compute the same function as the definitions."""

import numpy as np
import pytest

from benchmarks.harness.distances import oracles
from benchmarks.harness.distances.problem import TEMPERATURE, Problem

RANDOM = np.random.default_rng(4)
PROBLEM = Problem(*RANDOM.standard_normal((2, 3, 40), np.float32), width=1.5, nodes=16)


def truths(distance):
    """The matrix of distances of PROBLEM."""
    function = {
        "MMD": lambda x, y: oracles.mmd2(x, y, PROBLEM.width).biased,
        "EMD": oracles.emd,
        "Bhattacharyya": lambda x, y: oracles.bhattacharyya(x, y, ddof=1),
    }[distance]
    return np.array([[function(x, y) for y in PROBLEM.ys] for x in PROBLEM.xs])


def loss_gradients():
    """Gradients of the contrastive loss of the squared MMDs, by the oracle's."""
    logits = -truths("MMD") / TEMPERATURE
    shares = np.exp(logits - logits.max(1, keepdims=True))
    weights = (np.eye(len(logits)) - shares / shares.sum(1, keepdims=True)) / TEMPERATURE
    weights /= len(logits)
    xs, ys = np.zeros(PROBLEM.xs.shape), np.zeros(PROBLEM.ys.shape)
    for i, x in enumerate(PROBLEM.xs):
        for j, y in enumerate(PROBLEM.ys):
            along_x, along_y = oracles.mmd2(x, y, PROBLEM.width).gradients
            xs[i] += weights[i, j] * along_x
            ys[j] += weights[i, j] * along_y
    return xs, ys


PEERS = [
    ("MMD", "dense_mmd2", 64),
    ("EMD", "sorted_emd"),
    ("Bhattacharyya", "bhattacharyya"),
]


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer[1])
def test_the_peers_in_pytorch_compute_the_distances(peer):
    pytest.importorskip("torch")
    from benchmarks.peers import distances_torch

    distance, name, *variant = peer
    matrix = getattr(distances_torch, name)(PROBLEM, "value", *variant)()
    np.testing.assert_allclose(matrix, truths(distance), rtol=1e-4, atol=1e-6)


def test_the_gradient_of_dense_pytorch_is_that_of_the_loss():
    pytest.importorskip("torch")
    from benchmarks.peers import distances_torch

    _, gradients = distances_torch.dense_mmd2(PROBLEM, "gradient", 64)()
    for computed, true in zip(gradients, loss_gradients(), strict=True):
        np.testing.assert_allclose(computed, true, rtol=1e-4, atol=1e-5 * np.abs(true).max())


def test_scipys_peer_computes_the_distances():
    from benchmarks.peers import distances_packages

    matrix = distances_packages.scipy_emd(PROBLEM, "value")()
    np.testing.assert_allclose(matrix, truths("EMD"), rtol=1e-5)
