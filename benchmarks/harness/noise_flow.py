"""Noise Flow of the published sizes and a batch for it, in JAX and in PyTorch."""

from typing import Any

SIZE, CHANNELS, CAMERAS, ISOS = 32, 4, 5, (100, 400, 800, 1600, 3200)
RELATIVE_TOLERANCE = 1e-4
LEARNING_RATE = 1e-4


def data(batch_size: int) -> dict[str, Any]:
    """A batch of smooth clean patches with noise of their level, mixed cameras and ISO numbers."""
    import numpy as np

    random = np.random.default_rng(0)
    across = np.linspace(0, 1, SIZE, dtype=np.float32)[None, None, :, None]
    clean = random.uniform(0.1, 0.5, (batch_size, 1, 1, CHANNELS)).astype(np.float32)
    clean = clean + 0.4 * across * np.ones((1, SIZE, 1, 1), np.float32)
    noise = random.standard_normal(clean.shape).astype(np.float32)
    index = random.integers(0, len(ISOS), batch_size)
    return {
        "noise": noise * np.sqrt(1e-4 + 1e-3 * clean, dtype=np.float32),
        "clean": clean,
        "camera": random.integers(0, CAMERAS, batch_size),
        "iso": np.asarray(ISOS, np.float32)[index],
        "iso_index": index,
    }


def jax_model() -> tuple[Any, Any, Any]:
    """The model's module, configuration and variables, moved away from the identity."""
    import jax
    import jax.numpy as jnp

    from jaxnoise import models

    noiseflow = models.get("noiseflow")
    config = noiseflow.Config(
        arch="S-Ax4-G-Ax4-CAM",
        parameterisation="reference",
        normalisation="batch",
        cameras=tuple(f"camera {index}" for index in range(CAMERAS)),
        isos=ISOS,
    )
    variables = noiseflow.init(jax.random.key(0), config)
    leaves, structure = jax.tree.flatten(variables["params"])
    keys = jax.random.split(jax.random.key(1), len(leaves))
    moved = [
        leaf + 0.05 * jax.random.normal(key, jnp.shape(leaf))
        for leaf, key in zip(leaves, keys, strict=True)
    ]
    return noiseflow, config, {**variables, "params": jax.tree.unflatten(structure, moved)}


def jax_columns(batch: dict[str, Any]) -> tuple:
    """Noise, clean, camera and ISO as JAX arrays."""
    import jax.numpy as jnp

    return tuple(jnp.asarray(batch[name]) for name in ("noise", "clean", "camera", "iso"))


def torch_columns(batch: dict[str, Any], kind: Any = None) -> tuple:
    """Noise, clean, camera, ISO and its index as tensors, channels first.

    Args:
        batch: from `data`.
        kind: PyTorch's memory format of noise and clean; None for its usual one.

    Returns:
        Two tensors (N, C, H, W) and three (N,).
    """
    import torch  # pyright: ignore[reportMissingImports]

    kind = kind or torch.contiguous_format
    images = [
        torch.from_numpy(batch[name].transpose(0, 3, 1, 2).copy()).contiguous(memory_format=kind)
        for name in ("noise", "clean")
    ]
    return (*images, *(torch.from_numpy(batch[name]) for name in ("camera", "iso", "iso_index")))
