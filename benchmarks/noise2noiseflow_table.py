"""Is a noise model from noisy pairs as good as one from clean images, and which denoiser is best?

Trains noise models and denoisers on a simulated camera, several seeds each with its own data, and
compares them on held-out photographs: Tables 1, 3, 4 and 5 of Noise2NoiseFlow. Every run is a
command of its own; stop the script and start it again to go on.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.campaign import Run, run_all
from benchmarks.harness.record import write_record

PAPER = "S-Ax4-G-Ax4-CAM"
NLF = "S-G-CAM"
DEFAULT = "N-W-K3"
SMALL_RATIO = 0.2
"""Of the denoiser's squared error to the variance of the noise."""


def runs_of(options: argparse.Namespace, seed: int) -> Iterator[Run]:
    """The trainings of one seed.

    Args:
        options: of the command line.
        seed: of data and training.
    """
    common = {
        "preset": options.preset,
        "dataset": f"camera_sim/{options.data}",
        "seed": seed,
        "data_seed": seed,
        "accelerator": options.accelerator,
        "test_patches": 1500,
    }
    size = {"steps": options.steps}
    # The variance of residuals falls as the denoiser learns, and the noise model has to follow.
    paper = {"objective": "cross", "weight": 2.0**18, "moments_learning_rate": 5e-3}
    flow = {"steps": 300, "batch_size": 64, "compare": "none"}

    def run(name: str, system: str, **own: object) -> Run:
        return Run(f"{name}-{seed}", system, {**common, **own})

    def joint(name: str, arch: str, **own: object) -> Run:
        return run(name, "noise2noiseflow", **size | paper | {"arch": arch} | own)

    for name, arch in (("NF", PAPER), ("NLF", NLF), ("default", DEFAULT)):
        yield run(f"supervised-{name}", "noiseflow", arch=arch, **flow)
    for loss in ("supervised", "noise2noise"):
        yield run(f"denoiser-{loss}", "denoiser", loss=loss, **size)
    yield joint("N2NF", PAPER)
    frozen = {"pretraining_steps": options.steps, "steps": 100, "train_denoiser": False}
    yield joint("N2N+NF", PAPER, objective="self", **frozen)
    yield joint("R2RFlow", PAPER, objective="r2r")
    yield joint("N2NF-NLF", NLF)
    unet = {"denoiser": "unet"} | ({"features": 24} if options.preset == "cpu" else {})
    yield joint("N2NF-unet", PAPER, **unet)
    yield joint("N2NF-unet-NLF", NLF, **unet)
    # Recorrupted by noise as strong as that of the shots on average, as the method asks for.
    alike = {"recorruption_scale": 1.0, "recorruption_std": 0.03}
    yield joint("R2RFlow-alike", PAPER, objective="r2r", **alike)
    low = {"weight": options.low_weight}
    apart = low | {"objective": "difference", "moments_learning_rate": 1e-3}
    yield joint("N2NF-low-weight", PAPER, **low)
    yield joint("N2NF-low-weight-difference", PAPER, **apart)
    yield joint("default-low-weight-cross", DEFAULT, **low)
    yield joint("default-low-weight", DEFAULT, **apart)
    yield joint("default", DEFAULT, **apart | {"weight": paper["weight"]})


SUPERVISED = {PAPER: "supervised-NF", NLF: "supervised-NLF", DEFAULT: "supervised-default"}
"""Which run learns an architecture from clean images."""


def main(arguments: list[str] | None = None) -> int:
    """Trains, prints the table and writes `results/noise2noiseflow_table.json`.

    With `--rows` the record is called after the number of steps.

    Args:
        arguments: by default those of the process.

    Returns:
        The exit code, 0.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", choices=("exact", "exact-white", "exact-wide"), default="exact")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--preset", choices=("cpu", "paper"), default="cpu")
    parser.add_argument("--low-weight", type=float, default=2.0**12)
    parser.add_argument("--accelerator", default="auto")
    parser.add_argument("--rows", nargs="+", help="names of the table's rows; all by default")
    parser.add_argument("--folder", type=Path, default=Path("runs/noise2noiseflow_table"))
    options = parser.parse_args(arguments)

    tables: dict[str, list[dict[str, Any]]] = {}
    commits = set()
    for seed in options.seeds:
        runs = chosen_runs(options, seed)
        found = run_all(runs, options.folder)
        for run in runs:
            row = row_of(run, found[run.name])
            commits.add(found[run.name]["commit"])
            tables.setdefault(run.name.rsplit("-", 1)[0], []).append(row)
    # After all runs, which need the devices for themselves.
    for place, seed in enumerate(options.seeds):
        rows_of_seed = {name: rows[place] for name, rows in tables.items()}
        add_excess(options, seed, chosen_runs(options, seed), rows_of_seed)
    rows = {name: summary(of_seeds) for name, of_seeds in tables.items()}
    results = {
        "data": f"camera_sim/{options.data}",
        "preset": options.preset,
        "steps": options.steps,
        "low_weight": options.low_weight,
        "seeds": options.seeds,
        "commits_of_runs": sorted(commits),
        "rows": rows,
        "by_seed": tables,
    }
    show(rows)
    name = "noise2noiseflow_table"
    if options.rows:
        name += f"_{options.steps}_steps"
    print(write_record(name, results))
    return 0


def chosen_runs(options: argparse.Namespace, seed: int) -> list[Run]:
    """The trainings that the command line asks for, with those that they are measured against.

    Args:
        options: of the command line.
        seed: of data and training.

    Raises:
        SystemExit: no row has that name.
    """
    runs = {run.name.rsplit("-", 1)[0]: run for run in runs_of(options, seed)}
    if not options.rows:
        return list(runs.values())
    unknown = sorted(set(options.rows) - set(runs))
    if unknown:
        raise SystemExit(f"No row is called {unknown[0]}: choose from {', '.join(runs)}.")
    architectures = {runs[name].options.get("arch") for name in options.rows}
    needed = {name for arch, name in SUPERVISED.items() if arch in architectures}
    return [run for name, run in runs.items() if name in needed | set(options.rows)]


def row_of(run: Run, evaluation: dict[str, Any]) -> dict[str, Any]:
    """What the table says of one run.

    Args:
        run: the run.
        evaluation: its evaluation.json.
    """
    row: dict[str, Any] = {}
    if "models" in evaluation:
        (model,) = [m for m in evaluation["models"] if m["name"] == run.options["arch"]]
        row |= {
            "nll": model["nll"],
            "above_truth": model["above_truth"],
            "kl": model["kl_smoothed"],
            "patch_kl": model["patch_kl_smoothed"],
        }
    if "denoisers" in evaluation:
        noisy, *_, best = evaluation["denoisers"]
        row |= {key: best[key] for key in ("psnr", "ssim", "error_ratio")}
        row |= {"noisy_psnr": noisy["psnr"], "noisy_ssim": noisy["ssim"]}
    return row


def add_excess(options, seed: int, runs: list[Run], rows: dict[str, dict[str, Any]]) -> None:
    """Adds, per ISO, the likelihood lost against the model from clean images, and what theory says.

    Args:
        options: of the command line.
        seed: of the runs.
        runs: of that seed.
        rows: of that seed, by name.
    """
    from datasets.pipeline import open_dataset
    from jaxnoise import models
    from jaxnoise.io import load_model
    from jaxnoise.protocols import Density
    from train.densities import nll_per_dimension
    from train.engine.devices import start_jax
    from train.report.denoiser_numbers import test_result
    from train.report.test_set import test_batches, test_set

    mesh = start_jax(options.accelerator)
    data = open_dataset(f"camera_sim/{options.data}", seed=seed)
    limits: dict[str, Any] = {"batch_size": 50, "limit": 1500}
    test = test_set(data, **limits)

    def nll(name: str, config: Any, variables: Any) -> np.ndarray:
        batches = test_batches(data, **limits)
        return nll_per_dimension(models.require(name, Density), config, mesh)(variables, batches)

    supervised = {}
    for arch, name in SUPERVISED.items():
        if name in rows:
            loaded = load_model(options.folder / f"{name}-{seed}" / "model")
            supervised[arch] = nll(*loaded)
    for run in runs:
        if run.system != "noise2noiseflow":
            continue
        _, config, variables = load_model(options.folder / run.name / "model")
        own = nll("noiseflow", config.noise_model, variables["noise_model"])
        denoised = test_result(
            run.name, config.denoiser, variables["denoiser"], test, mesh=mesh, **limits
        )
        excess = own - supervised[str(run.options["arch"])]
        error = ((denoised.estimate - test.clean) ** 2).mean((1, 2, 3), dtype=np.float64)
        noise = (test.noise**2).mean((1, 2, 3), dtype=np.float64)
        by_iso, of_cameras = [], []
        for iso in np.unique(test.iso):
            here = test.iso == iso
            # Noise models have parameters per camera, so each camera has a ratio of its own.
            cameras = [
                {
                    "excess": float(excess[place].mean()),
                    "error_ratio": float(error[place].sum() / noise[place].sum()),
                }
                for place in (here & (test.camera == camera) for camera in np.unique(test.camera))
            ]
            if run.options["objective"] == "cross":
                for camera in cameras:
                    camera["predicted"] = predicted_excess(camera["error_ratio"])
            mean = {key: float(np.mean([camera[key] for camera in cameras])) for key in cameras[0]}
            by_iso.append({"iso": float(iso), **mean, "excess": float(excess[here].mean())})
            of_cameras += [{"iso": float(iso), **camera} for camera in cameras]
        row = rows[run.name.rsplit("-", 1)[0]]
        row |= {"excess": float(excess.mean()), "by_iso": by_iso, "by_iso_and_camera": of_cameras}


def predicted_excess(ratio: float) -> float:
    """Nats per dimension that a Gaussian loses whose variance is (1 + ratio) times the true one."""
    return 0.5 * (float(np.log1p(ratio)) - ratio / (1 + ratio))


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over seeds, with the range of each number."""
    numbers = [key for key, value in rows[0].items() if isinstance(value, float)]
    result: dict[str, Any] = {key: float(np.mean([row[key] for row in rows])) for key in numbers}
    result |= {
        f"{key}_range": [min(row[key] for row in rows), max(row[key] for row in rows)]
        for key in numbers
    }
    if "by_iso" in rows[0]:
        of_cameras = [entry for row in rows for entry in row["by_iso_and_camera"]]
        small = [entry for entry in of_cameras if entry["error_ratio"] <= SMALL_RATIO]
        result["where_ratio_is_small"] = [entry["excess"] for entry in small]
        result["by_iso"] = [
            {key: float(np.mean([entry[key] for entry in entries])) for key in entries[0]}
            for entries in zip(*(row["by_iso"] for row in rows), strict=True)
        ]
    return result


def show(rows: dict[str, dict[str, Any]]) -> None:
    """Prints the table and the excess per ISO."""
    columns = {
        "above_truth": ("above truth", "{:.5f}"),
        "excess": ("over superv.", "{:.5f}"),
        "kl": ("KL pooled", "{:.1e}"),
        "psnr": ("PSNR", "{:.2f}"),
        "ssim": ("SSIM", "{:.4f}"),
        "error_ratio": ("error left", "{:.3f}"),
    }
    print(f"{'':28s}" + "".join(f"{head:>14s}" for head, _ in columns.values()))
    for name, row in rows.items():
        cells = [
            style.format(row[key]) if key in row else "–" for key, (_, style) in columns.items()
        ]
        print(f"{name:28s}" + "".join(f"{cell:>14s}" for cell in cells))
    print("excess over the model from clean images per ISO (error over noise r; theory of cross)")
    for name, row in rows.items():
        if "by_iso" in row:
            parts = [
                f"{entry['iso']:.0f}: {entry['excess']:.4f} ({entry['error_ratio']:.2f}"
                + (f"; {entry['predicted']:.4f})" if "predicted" in entry else ")")
                for entry in row["by_iso"]
            ]
            print(f"{name:28s}" + "  ".join(parts))
    print(f"excess where r is at most {SMALL_RATIO}, of every camera and ISO of every seed")
    for name, row in rows.items():
        found = row.get("where_ratio_is_small")
        if found:
            print(f"{name:28s}at most {max(found):.4f} in {len(found)} of them")


if __name__ == "__main__":
    sys.exit(main())
