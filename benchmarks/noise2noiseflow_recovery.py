"""Does training on noisy pairs find the shot and read noise that made them?

Appendix B of Noise2NoiseFlow, with known parameters: the signal-dependent layer alone and a DnCNN,
trained from scratch on two noisy draws of smooth images. On ordinary photographs the denoiser's
error widens the noise; the slope that this predicts is printed beside the slope that was learnt.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.record import write_record

SETTINGS = {"low": (7.2e-4, 3e-6), "middle": (2e-3, 3e-5), "high": (4e-3, 1e-4)}
"""Variance per unit of intensity (beta1) and at black (beta2), in full scale 1."""
# Near its border a patch has fewer neighbours to average, so patches are large.
SIDE = 96
SIZES = {"train": 384, "validation": 16, "test": 96}
FIGURE = Path(__file__).parents[1] / "docs" / "figures" / "recovery.png"
# As smooth as the smallest photograph allows, with what the blur sees around a patch.
PIXELS_OF_BLUR = {"smooth": 9.0, "ordinary": 0.0}


@dataclass(frozen=True)
class Scenes:
    """Pairs of noisy shots in memory, with the interface of a data set of `datasets.pipeline`."""

    arrays: dict[str, dict[str, np.ndarray]]
    name: str = "known noise"
    cameras: tuple[str, ...] = ("simulated",)
    isos: tuple[int, ...] = (800,)
    channels: int = 4
    patch_size: int = SIDE
    notes: tuple[str, ...] = ()
    has_truth: bool = True
    clean_splits: tuple[str, ...] = ("train", "validation", "test")

    @property
    def sizes(self) -> dict[str, int]:
        """Patches of each split."""
        return {split: len(columns["iso"]) for split, columns in self.arrays.items()}

    def batch(self, split: str, *, seed: int, step: int, batch_size: int) -> dict[str, np.ndarray]:
        """A random batch, a pure function of seed and step."""
        random = np.random.default_rng([seed, step])
        chosen = random.choice(self.sizes[split], min(batch_size, self.sizes[split]), False)
        return {name: values[chosen] for name, values in self.arrays[split].items()}

    def batches(
        self, split: str, *, batch_size: int, limit: int | None = None
    ) -> Iterator[dict[str, np.ndarray]]:
        """One pass over a split in fixed order, in padded batches with a mask."""
        count = min(limit or self.sizes[split], self.sizes[split])
        for start in range(0, count, batch_size):
            places = np.arange(start, start + batch_size)
            rows = np.minimum(places, count - 1)
            columns = {name: values[rows] for name, values in self.arrays[split].items()}
            yield columns | {"mask": places < count}


def scenes(beta1: float, beta2: float, *, blur: float, seed: int) -> Scenes:
    """Photographs taken back to raw, blurred, with two draws of known noise.

    Args:
        beta1: variance per unit of intensity.
        beta2: variance at black.
        blur: standard deviation of the blur in packed pixels; 0 for none.
        seed: of places, exposures and noise.
    """
    from scipy.ndimage import gaussian_filter

    from datasets.camera_sim import photographs

    read = photographs.reader()
    random = np.random.default_rng(seed)
    arrays = {}
    for split, count in SIZES.items():
        clean = []
        for number in range(count):
            chosen = photographs.SPLITS[split][number % len(photographs.SPLITS[split])]
            # A margin, so that the blur sees what lies around the patch.
            margin = int(np.ceil(3 * blur))
            patch, _ = photographs.raw_patch(read(chosen), SIDE + 2 * margin, random)
            if blur:
                patch = gaussian_filter(patch, (blur, blur, 0))
            clean.append(patch[margin : margin + SIDE, margin : margin + SIDE])
        clean = np.stack(clean).astype(np.float32)
        spread = np.sqrt(beta1 * clean.astype(np.float64) + beta2)
        draws = [random.normal(size=clean.shape) for _ in range(2)]
        truth = (0.5 * draws[0] ** 2 + 0.5 * np.log(2 * np.pi) + np.log(spread)).sum((1, 2, 3))
        arrays[split] = {
            "clean": clean,
            "noisy": (clean + spread * draws[0]).astype(np.float32),
            "noisy2": (clean + spread * draws[1]).astype(np.float32),
            "camera": np.zeros(count, np.int32),
            "iso": np.full(count, 800, np.float32),
            "truth": truth.astype(np.float32),
        }
    return Scenes(arrays)


def main(arguments: list[str] | None = None) -> int:
    """Trains, prints the table, writes `results/noise2noiseflow_recovery.json` and a figure.

    Args:
        arguments: by default those of the process.

    Returns:
        0 if every slope on smooth images is within 10 % of the truth, else 1.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--learning-rate", type=float, default=4e-3, help="of the denoiser")
    parser.add_argument("--folder", type=Path, default=Path("runs/noise2noiseflow_recovery"))
    options = parser.parse_args(arguments)

    cases = [("smooth", name, "cross", seed) for name in SETTINGS for seed in options.seeds]
    ordinary = [("ordinary", "middle", objective) for objective in ("cross", "difference")]
    cases += [(*case, options.seeds[0]) for case in ordinary]
    rows = [recover(*case, options) for case in cases]
    draw(rows, FIGURE)
    for row in rows:
        del row["curve"]
    smooth = [row for row in rows if row["images"] == "smooth"]
    within = [abs(row["slope_error"]) <= 0.1 for row in smooth]
    results: dict[str, Any] = {
        "steps": options.steps,
        "learning_rate": options.learning_rate,
        "patch": SIDE,
        "pixels_of_blur": PIXELS_OF_BLUR,
        "runs": rows,
        "smooth_within_10_percent": f"{sum(within)} of {len(within)}",
        "largest_error_ratio_of_smooth": max(row["error_ratio"] for row in smooth),
    }
    print(write_record("noise2noiseflow_recovery", results))
    return 0 if all(within) else 1


def recover(images: str, setting: str, objective: str, seed: int, options: Any) -> dict[str, Any]:
    """One training, or what is left of it to do, and what it found.

    Args:
        images: "smooth" or "ordinary".
        setting: of `SETTINGS`.
        objective: of the noise model.
        seed: of data and training.
        options: of the command line.
    """
    from jaxnoise import models
    from train.engine.devices import start_jax
    from train.engine.run import fit_phases
    from train.engine.signals import StopSignals
    from train.engine.system import Run
    from train.noise2noiseflow import system
    from train.noise2noiseflow.config import Config

    beta1, beta2 = SETTINGS[setting]
    data = scenes(beta1, beta2, blur=PIXELS_OF_BLUR[images], seed=seed)
    # Everything that options can change: a folder of other settings would be taken for finished.
    size = f"{options.steps}-steps-{options.learning_rate:g}"
    workdir = options.folder / f"{images}-{setting}-{objective}-{size}-{seed}"
    config = Config(
        arch="S",
        start="fresh",
        objective=objective,
        steps=options.steps,
        batch_size=2,
        # A narrower network may leave a channel without a way through it, and with all its noise.
        features=24,
        depth=5,
        denoiser_learning_rate=options.learning_rate,
        seed=seed,
        evaluate_every=max(1, options.steps // 60),
        moments_learning_rate=0.1,
        validation_patches=SIZES["validation"],
    )
    mesh = start_jax("auto")
    run = Run(config=config, data={"data": data}, mesh=mesh, workdir=workdir)
    joint = fit_phases(system.phases(run), run, stop=StopSignals())[system.JOINT]
    best, settings = joint.kept, system.settings_of(config, data)
    learnt = models.get("noiseflow").describe(best["noise_model"], settings.noise_model)
    estimate = np.asarray(denoise(best["denoiser"], settings.denoiser, data))
    test = data.arrays["test"]
    squared_error = (np.clip(estimate, 0, 1) - test["clean"]) ** 2
    noise = test["noisy"] - test["clean"]
    # The difference of two shots does not hold the denoiser's error.
    added = squared_error if objective == "cross" else 0 * squared_error
    slope, intercept = widened(beta1, beta2, test["clean"], added)
    row = {
        "images": images,
        "setting": setting,
        "objective": objective,
        "seed": seed,
        "beta1": beta1,
        "beta2": beta2,
        "learnt_beta1": learnt["beta1"],
        "learnt_beta2": learnt["beta2"],
        "slope_error": learnt["beta1"] / beta1 - 1,
        "predicted_slope_error": slope / beta1 - 1,
        "predicted_beta2": intercept,
        "error_ratio": float(squared_error.mean() / (noise**2).mean()),
        "curve": [
            (entry["step"], entry["parameters"]["beta1"], entry["parameters"]["beta2"])
            for entry in joint.rows()
            if "parameters" in entry
        ],
    }
    print(
        f"{images:9s}{setting:7s}{objective:11s} seed {seed}: beta1 {row['learnt_beta1']:.3e} "
        f"({100 * row['slope_error']:+.1f} %, predicted {100 * row['predicted_slope_error']:+.1f} "
        f"%), beta2 {row['learnt_beta2']:.1e} of {beta2:.1e}, r {row['error_ratio']:.3f}",
        flush=True,
    )
    return row


def denoise(variables: Any, config: Any, data: Scenes) -> np.ndarray:
    """Estimates of the test patches."""
    import jax

    from jaxnoise import models

    run = jax.jit(models.get("denoiser").denoise, static_argnums=1)
    parts = np.array_split(data.arrays["test"]["noisy"], 8)
    return np.concatenate([np.asarray(run(variables, config, part)) for part in parts])


def widened(
    beta1: float, beta2: float, clean: np.ndarray, squared_error: np.ndarray
) -> tuple[float, float]:
    """Shot and read noise that fit best when the denoiser's squared error joins the variance.

    Args:
        beta1: true variance per unit of intensity.
        beta2: true variance at black.
        clean: shape (N, H, W, C).
        squared_error: of the estimates, same shape.
    """
    import jax.numpy as jnp

    from jaxnoise.noise import nlf

    # Only its square matters to the fit.
    noise = np.sqrt(beta1 * clean + beta2 + squared_error).astype(np.float32)
    conditions = jnp.zeros(len(clean), int), jnp.zeros(len(clean))
    fitted = nlf.fit(nlf.Config(), jnp.asarray(noise), jnp.asarray(clean), *conditions)
    return float(np.exp(fitted["log_shot"][0, 0])), float(np.exp(fitted["log_read"][0, 0]))


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Learned over true parameters against steps, one line per run on smooth images.

    Args:
        rows: of `recover`.
        path: of the PNG.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots(1, 2)
    colours = dict(zip(SETTINGS, ("#2f9fd0", "#e08a1e", "#b968c7"), strict=True))
    for row in rows:
        if row["images"] != "smooth":
            continue
        steps, beta1, beta2 = np.array(row["curve"]).T
        first = row["seed"] == rows[0]["seed"]
        label = f"beta1 = {row['beta1']:g}, beta2 = {row['beta2']:g}" if first else None
        for axis, values, truth in (
            (axes[0], beta1, row["beta1"]),
            (axes[1], beta2, row["beta2"]),
        ):
            axis.plot(steps, values / truth, color=colours[row["setting"]], label=label)
    for axis, name in zip(axes, ("shot noise beta1", "read noise beta2"), strict=True):
        axis.axhline(1, color="#1b1f24", linewidth=0.8, linestyle=":")
        axis.set(xlabel="step", ylabel=f"{name}, learnt over true", yscale="log")
    axes[0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    sys.exit(main())
