"""How long does noise for a 12-megapixel raw image take, and does it depend on the bands?

A 4000x3000 mosaic, packed to 2000x1500x4. Each architecture runs in a process of its own: once to
compile, then timed, from the clean image in memory to the noise in memory.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from typing import Any

HEIGHT, WIDTH, CHANNELS = 1500, 2000, 4
ARCHITECTURES = {
    "S-Ax4-G-Ax4-CAM": {"parameterisation": "reference", "normalisation": "batch"},
    "N-W-K3": {},
}
BANDS = (256, 512, HEIGHT)


def main() -> int:
    """Measure each architecture, print a table and write the record; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="timed images")
    parser.add_argument("--no-record", action="store_true", help="write no record")
    parser.add_argument("--worker", choices=ARCHITECTURES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(measure(options.worker, options.rounds)))
        return 0
    rows = []
    print(f"{'architecture':<16} {'compiling':>10} {'seconds':>9} {'peak memory':>12} {'bands':>9}")
    for arch in ARCHITECTURES:
        command = [sys.executable, "-m", "benchmarks.noiseflow_image", "--worker", arch]
        command += ["--rounds", str(options.rounds)]
        run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        row = {"architecture": arch, **json.loads(run.stdout.splitlines()[-1])}
        rows.append(row)
        print(
            f"{arch:<16} {row['first_seconds']:>8.1f} s {row['seconds']:>7.2f} s "
            f"{row['peak_mebibytes']:>8.0f} MiB {row['largest_difference']:>9.1e}"
        )
    print(
        f"bands: largest difference of the noise between bands of {', '.join(map(str, BANDS))} "
        "rows and the usual ones, in standard deviations"
    )
    if not options.no_record:
        from benchmarks.harness.record import write_record

        settings = {"shape": [HEIGHT, WIDTH, CHANNELS], "rounds": options.rounds, "bands": BANDS}
        print(f"written to {write_record('noiseflow_image', {'settings': settings, 'rows': rows})}")
    return 0


def measure(arch: str, rounds: int) -> dict[str, Any]:
    """Times, peak memory and the influence of the bands for one architecture."""
    from jaxnoise.process import keep_freed_memory

    keep_freed_memory()
    import jax
    import numpy as np

    from jaxnoise import models

    noiseflow = models.get("noiseflow")
    config = noiseflow.Config(arch=arch, **ARCHITECTURES[arch])
    variables = moved(noiseflow.init(jax.random.key(0), config))
    across = np.linspace(0, 1, WIDTH, dtype=np.float32)[None, :, None]
    clean = np.broadcast_to(across, (HEIGHT, WIDTH, CHANNELS)).copy()

    def draw(rows: int | None = None) -> np.ndarray:
        key = jax.random.key(1)
        return noiseflow.sample_image(key, variables, config, clean, 0, 400.0, rows=rows)

    def timed() -> tuple[np.ndarray, float]:
        started = time.perf_counter()
        return draw(), time.perf_counter() - started

    noise, first = timed()
    times = [first, *(timed()[1] for _ in range(rounds))]
    peak = peak_mebibytes()
    difference = max(float(np.abs(draw(rows) - noise).max()) for rows in BANDS)
    return {
        "first_seconds": round(times[0], 2),
        "seconds": round(statistics.median(times[1:]), 3),
        "range": [round(min(times[1:]), 3), round(max(times[1:]), 3)],
        "peak_mebibytes": round(peak),
        "largest_difference": difference / float(noise.std()),
    }


def moved(variables: dict) -> dict:
    """Variables a little away from their initial values, so that no layer is the identity."""
    import jax

    leaves, tree = jax.tree.flatten(variables["params"])
    keys = jax.random.split(jax.random.key(2), len(leaves))
    leaves = [
        leaf + 0.02 * jax.random.normal(key, leaf.shape, leaf.dtype)
        for leaf, key in zip(leaves, keys, strict=True)
    ]
    return {**variables, "params": jax.tree.unflatten(tree, leaves)}


def peak_mebibytes() -> float:
    """The most memory that this process has held."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    sys.exit(main())
