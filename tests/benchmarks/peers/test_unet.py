"""The U-Net of PyTorch with JAX's weights is JAX's U-Net."""

import jax
import numpy as np
import pytest

from jaxnoise import models

torch = pytest.importorskip("torch")


def test_both_compute_the_same():
    from benchmarks.peers.unet_torch import UNet, copy_weights

    network = models.get("denoiser")
    config = network.Config(net="unet", features=6)
    variables = network.init(jax.random.key(0), config)
    key = jax.random.key(1)
    moved = jax.tree.map(lambda leaf: leaf + 0.05 * jax.random.normal(key, leaf.shape), variables)
    noisy = np.random.default_rng(0).random((2, 64, 32, 4), np.float32)
    peer = UNet(features=6)
    copy_weights(moved, peer)
    with torch.no_grad():
        theirs = peer(torch.from_numpy(noisy.transpose(0, 3, 1, 2).copy())).permute(0, 2, 3, 1)
    ours = network.denoise(moved, config, jax.numpy.asarray(noisy))
    assert np.abs(ours - theirs.numpy()).max() < 1e-5 * np.abs(ours).max()
