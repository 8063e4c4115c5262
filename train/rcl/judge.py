"""Validation of pre-training: the loss, and whether the network only hands back what it gets."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from train.engine.devices import shard
from train.engine.system import Run, Validation
from train.rcl.networks import Network
from train.rcl.noise_shown import noise_shown
from train.rcl.step import FIELDS, Loss, both_crops
from train.steps.denoising import to_psnr

CLEAN = ("first_clean", "second_clean")
PSNR = {"validation_psnr": "error", "validation_noisy_psnr": "noisy_error"}
"""In metrics.jsonl, by the mean squared error that each is of."""
COLLAPSED = 0.2
"""Part of the noise that images show below which residuals mean that nothing is removed."""


class Judge:
    """Measures a state on validation crops, at places that are always the same.

    Args:
        run: the run.
        network: that is trained.
        loss: of the step, with its options.
    """

    def __init__(self, run: Run, network: Network, loss: Loss):
        self.config, self.data, self.mesh = run.config, run.data["noisy"], run.mesh
        everywhere = NamedSharding(run.mesh, PartitionSpec())
        compiled = partial(jax.jit, out_shardings=everywhere)
        self.measure = compiled(partial(loss, train=False))
        self.squares = compiled(partial(mean_squares, network=network))

    def __call__(self, state: Any, fixed: Any) -> Validation:
        """Measures a state."""
        rows, shown = [], []
        for number, made in enumerate(self._batches()):
            key = jax.random.fold_in(jax.random.key(self.config.seed), number)
            fields = shard(self.mesh, {name: made[name] for name in FIELDS[self.config.method]})
            total, (terms, _) = self.measure(state["variables"], fixed, fields, key)
            seen = {name: made[name] for name in ("first", "second")}
            seen |= {name: made[name] for name in CLEAN if name in made}
            squares = self.squares(state["variables"], shard(self.mesh, seen))
            rows.append({"loss": total, **terms, **squares})
            shown += [noise_shown(made[name]) for name in ("first", "second")]
        means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
        noise = float(np.sqrt(np.mean(np.square(shown))))
        residual = float(np.sqrt(means.pop("residual")))
        values: dict[str, Any] = {"validation_residual_over_noise": residual / max(noise, 1e-12)}
        for name, error in PSNR.items():
            if error in means:
                values[name] = to_psnr(means.pop(error))
        values |= {f"validation_{name}": mean for name, mean in means.items()}
        return Validation(means["loss"], values, failed=self._collapse(residual, noise))

    def _batches(self):
        limits = {"batch_size": self.config.batch_size, "limit": self.config.validation_patches}
        return self.data.batches("validation", **limits)

    def _collapse(self, residual: float, noise: float) -> str | None:
        """Why a network that takes next to nothing for noise is of no use, or None."""
        if not residual < COLLAPSED * noise:
            return None
        advice = "a larger --alpha" if self.config.method == "rcl" else "more --steps"
        return (
            f"what it takes for noise is {residual / noise:.3f} times as strong as the noise that "
            f"the validation images show, so that it hands back what it gets: train with {advice} "
            "in a new --workdir."
        )


def mean_squares(variables: Any, batch: Any, *, network: Network) -> dict[str, jax.Array]:
    """Mean squares of residuals and, where clean images are known, of errors.

    Args:
        variables: of the network.
        batch: first and second crops, noisy, and clean ones where they are known.
        network: that is measured.

    Returns:
        "residual", "error" of the estimates, and "noisy_error" of the noisy images as they are,
        which for raw is that of a mosaic.
    """
    noisy = both_crops(batch)
    estimate, _ = network.estimate(variables, noisy, train=False)
    found = {"residual": (network.residual(noisy, estimate) ** 2).mean()}
    if CLEAN[0] in batch:
        clean = both_crops(batch, "clean")
        found["error"] = jnp.mean((estimate - clean) ** 2)
        found["noisy_error"] = (network.residual(noisy, clean) ** 2).mean()
    return found
