"""Residuals of which strength does the loss of RCL ask for: those of the noise, or none?

Residuals that are the true noise times a factor, on crops of the photographs of scikit-image: the
contrastive term at several temperatures, the consistency in both forms, and the factor at which
the loss of each preset is least. 0 is a network that hands back its input, 1 is a perfect denoiser.
"""

import argparse
import sys
from typing import Any

import numpy as np

from benchmarks.harness.record import write_record

FACTORS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.5, 2.0)
TEMPERATURES = (0.07, 0.5, 1.0, 2.0)


def main(arguments: list[str] | None = None) -> int:
    """Measures and writes `results/rcl_strength.json`.

    Args:
        arguments: by default those of the process.

    Returns:
        The exit code, 0.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--batches", type=int, default=16, help="of 16 pairs of crops of 64 x 64")
    options = parser.parse_args(arguments)
    rows = [row_of(factor, batches=options.batches) for factor in FACTORS]
    least = {preset: least_of(rows, preset) for preset in ("cpu", "paper")}
    words = [f"T {temperature:g}" for temperature in TEMPERATURES]
    print("factor  " + "".join(f"{word:>9s}" for word in (*words, "squared", "norm")))
    for row in rows:
        values = [*row["contrastive"].values(), row["squared"], row["norm"]]
        print(f"{row['factor']:6.2f}  " + "".join(f"{value:9.3f}" for value in values))
    for preset, found in least.items():
        print(f"--preset {preset}: least at {found['factor']:g} times the noise")
    print(write_record("rcl_strength", {"rows": rows, "least": least}))
    return 0


def row_of(factor: float, *, batches: int) -> dict[str, Any]:
    """Terms of the loss where residuals are the noise times a factor, means over batches.

    Args:
        factor: of the noise.
        batches: how many.
    """
    import jax.numpy as jnp

    from jaxnoise.interop import open_encoder
    from jaxnoise.losses import contrastive, perceptual
    from jaxnoise.models import rcl
    from train.rcl.config import PRETRAIN_PRESETS, PretrainConfig
    from train.rcl.images import noisy_crops

    config = PretrainConfig(**{**PRETRAIN_PRESETS["cpu"], "tile": 128})
    encoder, weights = open_encoder(config.encoder)
    found: dict[Any, list[float]] = {}
    data = noisy_crops(config, "rgb")
    for step in range(batches):
        batch = data.batch("train", seed=0, step=step, batch_size=config.batch_size)
        noise = [
            jnp.asarray(factor * (batch[view] - batch[f"{view}_clean"]), jnp.float32)
            for view in ("first", "second")
        ]
        distances = rcl.residual_distances(*noise)
        for temperature in TEMPERATURES:
            options = {"temperature": temperature, "negatives": batch["negatives"]}
            found.setdefault(temperature, []).append(float(contrastive(distances, **options)))
        noisy = jnp.concatenate([batch["first"], batch["second"]])
        estimate = noisy - jnp.concatenate(noise)
        for form in ("squared", "norm"):
            lost = perceptual(encoder, weights, estimate, noisy, form=form)
            found.setdefault(form, []).append(float(lost))
    means = {key: float(np.mean(values)) for key, values in found.items()}
    told = {f"{temperature:g}": means.pop(temperature) for temperature in TEMPERATURES}
    return {"factor": factor, "contrastive": told, **means}


def least_of(rows: list[dict[str, Any]], preset: str) -> dict[str, Any]:
    """The factor at which the loss of a preset is least, on batches of 16 all the same.

    Args:
        rows: of all factors.
        preset: whose weights, temperature and forms count.
    """
    from train.rcl.config import PRETRAIN_PRESETS, PretrainConfig
    from train.rcl.pretrain import temperature_of

    config = PretrainConfig(**PRETRAIN_PRESETS[preset])
    alpha = config.alpha * (16 if config.reduction == "sum" else 1)
    key = f"{temperature_of(config):g}"
    losses = [alpha * row["contrastive"][key] + row[config.consistency] for row in rows]
    place = int(np.argmin(losses))
    return {"factor": rows[place]["factor"], "losses": losses}


if __name__ == "__main__":
    sys.exit(main())
