"""Residuals of networks on held-out crops, beside the true noise where that is known."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from jaxnoise import models
from train.engine.devices import shard
from train.engine.system import Run
from train.rcl.networks import RCL, Network
from train.rcl.noise_shown import noise_shown
from train.rcl.step import both_crops
from train.report.residual_numbers import ResidualResult, Shown

TRUTH = "true noise"
FULL_SCALE = 255.0
SHOWN = 4
"""Crops of which pictures are kept."""
KINDS = ("first", "second", "first_clean", "second_clean")


def residual_results(
    run: Run, network: Network, variables: Mapping[str, Any]
) -> tuple[list[ResidualResult], Shown]:
    """Residuals over the same test crops, of every network and of the true noise.

    Args:
        run: with noisy crops as its data "noisy".
        network: of all the variables.
        variables: of each, by its name in tables.

    Returns:
        A result for each name and, where clean images are known, one of the true noise, which is
        the last; and a few crops with the estimates of all.
    """
    config = run.config
    everywhere = NamedSharding(run.mesh, PartitionSpec())
    compiled = jax.jit(partial(measured, network=network), out_shardings=everywhere)
    rows: dict[str, list[Any]] = {name: [] for name in (*variables, TRUTH)}
    pictures: dict[str, list[np.ndarray]] = {}
    shown: list[np.ndarray] = []
    limits = {"batch_size": config.batch_size, "limit": config.test_patches}
    for made in run.data["noisy"].batches("test", **limits):
        fields = shard(run.mesh, {name: made[name] for name in KINDS if name in made})
        found = {name: compiled(own, fields) for name, own in variables.items()}
        if "first_clean" in made:
            found[TRUTH] = compiled(None, fields)
        for name, values in found.items():
            estimate = values.pop("estimate")
            rows[name].append(jax.tree.map(np.asarray, values) | {"apart": made["negatives"]})
            if len(pictures.get(name, ())) < SHOWN:
                pictures.setdefault(name, []).extend(np.asarray(estimate[: 2 * SHOWN : 2]))
        if len(pictures.get("noisy", ())) < SHOWN:
            pictures.setdefault("noisy", []).extend(made["first"][:SHOWN])
        shown.append(noise_shown(np.asarray(both_crops(made))))
    results = [_joined(name, found) for name, found in rows.items() if found]
    kept = {name: np.stack(images[:SHOWN]) for name, images in pictures.items()}
    return results, Shown(images=kept, noise_shown=FULL_SCALE * np.concatenate(shown), truth=TRUTH)


def measured(variables: Any, batch: Mapping, *, network: Network) -> dict[str, jax.Array]:
    """Residuals of a batch of pairs of crops: their strength, their errors and their distances.

    Args:
        variables: of the network; None for the true noise, as if the clean image was estimated.
        batch: first and second crops, noisy, and clean ones where they are known.
        network: that estimates.

    Returns:
        "std" (2 N,) of 255; "square" (2 N,), the mean one of full scale 1; "distances" (N, N),
        earth mover's, of 255; "estimate" (2 N, H, W, 3); and where clean images are known mean
        squared errors (2 N,) of full scale 1: "error" of the estimate, "residual_error" of the
        residual.
    """
    noisy = both_crops(batch)
    clean: Any = both_crops(batch, "clean") if "first_clean" in batch else None
    estimate = clean
    if variables is not None:
        estimate, _ = network.estimate(variables, noisy, train=False)
    residual = network.residual(noisy, estimate)
    distances = models.get(RCL).residual_distances(
        residual[0::2], residual[1::2], distance="emd", scale=FULL_SCALE
    )
    every = (1, 2, 3)
    found = {"std": FULL_SCALE * residual.std(every), "square": (residual**2).mean(every)}
    found |= {"distances": distances, "estimate": estimate}
    if clean is not None:
        found["error"] = ((estimate - clean) ** 2).mean(every)
        found["residual_error"] = ((residual - network.residual(noisy, clean)) ** 2).mean(every)
    return found


def _joined(name: str, rows: list[dict[str, np.ndarray]]) -> ResidualResult:
    """All batches of one network."""
    rcl: Any = models.get(RCL)
    differences, gaps = [], []
    for row in rows:
        distances, apart = row["distances"], row["apart"]
        differences.append(np.asarray(rcl.differences(distances, apart))[apart])
        gaps.append(np.asarray(rcl.gaps(distances, apart))[apart.any(axis=1)])
    joined: dict[str, Any] = {
        key: np.concatenate([row[key] for row in rows])
        for key in ("std", "square", "error", "residual_error")
        if key in rows[0]
    }
    return ResidualResult(
        name=name, differences=np.concatenate(differences), gaps=np.concatenate(gaps), **joined
    )
