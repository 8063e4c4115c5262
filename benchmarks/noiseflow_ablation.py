"""How far above the truth are the architectures of the paper's Table 2, and the default?

Trains every architecture with several seeds, each seed with its own simulated data, and compares
the test likelihoods patch by patch with the true ones and with those of the next architecture.
"""

import argparse
import dataclasses
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.harness.record import write_record

PAPER = ("S-G", "S-G-CAM", "S-Ax1-G-Ax1-CAM", "S-Ax4-G-Ax4-CAM")
DEFAULT = "N-W-K3"
TAPS = {"exact": "NEAR_TAPS", "exact-wide": "WIDE_TAPS"}


def main(arguments: list[str] | None = None) -> int:
    """Trains, prints the table and writes `results/noiseflow_ablation_<data>.json`.

    Args:
        arguments: by default those of the process.

    Returns:
        The exit code, 0.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", choices=sorted(TAPS), default="exact")
    parser.add_argument("--archs", nargs="+", default=[*PAPER, DEFAULT])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch-size", type=int, default=64)
    options = parser.parse_args(arguments)

    from train.engine.devices import start_jax

    mesh = start_jax("auto")
    excess: dict[str, list[np.ndarray]] = {}
    kl: dict[str, list[float]] = {}
    floors: list[float] = []
    parameters: dict[str, int] = {}
    for seed in options.seeds:
        test = None
        for result, test in _results(options, seed, mesh):
            excess.setdefault(result.name, []).append(result.nll - test.truth)
            kl.setdefault(result.name, []).append(_pooled_kl(test.noise, result.noise))
            parameters[result.name] = result.parameters
        assert test is not None, "no architecture to train"
        floors.append(_pooled_kl(test.noise, test.noise2))
    pooled = {name: np.concatenate(values) for name, values in excess.items()}
    rows = [
        {
            "model": name,
            "parameters": parameters[name],
            "above_truth": float(values.mean()),
            "standard_error": _standard_error(values),
            "by_seed": [float(of_seed.mean()) for of_seed in excess[name]],
            "kl_pooled": float(np.mean(kl[name])),
        }
        for name, values in pooled.items()
    ]
    names = list(pooled)
    steps = [
        {
            "worse": worse,
            "better": better,
            "difference": float((pooled[worse] - pooled[better]).mean()),
            "standard_error": _standard_error(pooled[worse] - pooled[better]),
        }
        for worse, better in zip(names, names[1:], strict=False)
    ]
    results = {
        "data": f"camera_sim/{options.data}",
        "unit": "nats per dimension",
        "test_patches": sum(map(len, excess[names[0]])),
        "steps": options.steps,
        "batch_size": options.batch_size,
        "floor_without_neighbours": _floors(options.data),
        "kl_floor": float(np.mean(floors)),
        "models": rows,
        "improvements": steps,
    }
    _show(results)
    name = f"noiseflow_ablation_{options.data.replace('-', '_')}"
    print(write_record(name, results))
    return 0


def _results(options, seed, mesh):
    """One test result after another for a seed: AWGN, then each architecture."""
    from datasets.pipeline import open_dataset
    from jaxnoise import models
    from jaxnoise.protocols import TrainedDensity
    from train.densities import to_noise_batch
    from train.engine.run import fit_phases
    from train.engine.signals import StopSignals
    from train.engine.system import Run
    from train.noiseflow import system
    from train.noiseflow.config import NONE, PRESETS, Config
    from train.report.candidates import Candidate, fitted_baselines, test_result
    from train.report.test_set import test_set
    from train.steps.start import first_patches

    data = open_dataset(f"camera_sim/{options.data}", seed=seed)
    limit = data.sizes["test"]
    size = options.batch_size
    test = test_set(data, batch_size=size, limit=limit)
    measure = {"mesh": mesh, "batch_size": size, "limit": limit, "seed": seed, "temperature": 1.0}
    first = first_patches(data, patches=data.sizes["train"], seed=seed)
    awgn = fitted_baselines(data, to_noise_batch(first))[0]
    yield test_result(awgn, data, **measure), test
    for arch in options.archs:
        defaults = Config(**{**PRESETS["cpu"], "compare": NONE})
        config = dataclasses.replace(
            defaults, arch=arch, steps=options.steps, batch_size=size, seed=seed
        )
        with tempfile.TemporaryDirectory() as folder:
            run = Run(config=config, data={"data": data}, mesh=mesh, workdir=Path(folder))
            fitted = fit_phases(system.phases(run), run, stop=StopSignals())[arch]
        settings = system.settings_of(config, data, arch=arch)
        model = Candidate(arch, models.require("noiseflow", TrainedDensity), settings, fitted.kept)
        yield test_result(model, data, **measure), test


def _pooled_kl(real: np.ndarray, synthetic: np.ndarray | None) -> float:
    from jaxnoise.metrics import marginal_kl

    assert synthetic is not None  # exact simulations have a second draw
    return float(marginal_kl(real, synthetic))


def _standard_error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(values.size))


def _floors(data: str) -> dict[str, float]:
    """What a model pays that sees no neighbours, on an endless image and in one patch."""
    from jaxnoise.noise import camera
    from jaxnoise.noise.camera_floor import stationary_floor

    taps = getattr(camera, TAPS[data])
    return {
        "endless": stationary_floor(taps),
        "patch_32": stationary_floor(taps, patch_size=32),
    }


def _show(results: dict) -> None:
    print(
        f"{results['data']}: nats per dimension above the truth, {results['test_patches']} patches"
    )
    print(f"{'model':18s} {'parameters':>10s} {'above truth':>22s} {'KL pooled':>10s}")
    for row in results["models"]:
        value = f"{row['above_truth']:.5f} ± {row['standard_error']:.5f}"
        print(f"{row['model']:18s} {row['parameters']:10d} {value:>22s} {row['kl_pooled']:10.1e}")
    floor = results["floor_without_neighbours"]
    endless, patch = floor["endless"], floor["patch_32"]
    print(f"floor without neighbours: {endless:.5f}, in a 32x32 patch {patch:.5f}")
    print(f"KL between two draws of the truth: {results['kl_floor']:.1e}")
    for step in results["improvements"]:
        print(
            f"{step['worse']} - {step['better']}: {step['difference']:.6f} "
            f"± {step['standard_error']:.6f}"
        )


if __name__ == "__main__":
    sys.exit(main())
