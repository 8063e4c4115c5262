"""Does training depend on being interrupted, or on the number of devices?

Runs `python -m train.noiseflow` once without and once with kill -9 at random moments, and compares
every byte of the exported model, every hash of the last checkpoint and every row of metrics.jsonl
without its time. Then trains on 1, 2 and 8 simulated devices and compares the losses.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness.record import ROOT, write_record

SIZES = ("--batch-size", "16", "--start-patches", "256", "--validation-patches", "64")
FAST = (*SIZES, "--test-patches", "64", "--compare", "none", "--accelerator", "cpu")
ARCHS = {
    "N-W-K3": ("--arch", "N-W-K3"),
    "S-Ax4-G-Ax4-CAM": ("--arch", "S-Ax4-G-Ax4-CAM"),
    "S-Ax4-G-Ax4-CAM, batch norm": ("--arch", "S-Ax4-G-Ax4-CAM", "--normalisation", "batch"),
}


def main(arguments: list[str] | None = None) -> int:
    """Runs, prints what was found and writes `results/noiseflow_reproducible.json`.

    Args:
        arguments: by default those of the process.

    Returns:
        The exit code: 0 when nothing depends on either and every kill fell into the training.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--steps", type=int, default=60, help="of the interrupted run")
    parser.add_argument("--device-steps", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the moments to kill at")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        interrupted = _interrupted(options, Path(name))
        devices = {arch: _devices(options, Path(name), arch) for arch in ARCHS}
    results = {"interrupted": interrupted, "devices": devices}
    print(json.dumps(results, indent=2))
    print(write_record("noiseflow_reproducible", results))
    same = all(interrupted[part] for part in ("model", "checkpoint", "metrics"))
    agree = all(found["largest_relative_difference"] < 1e-5 for found in devices.values())
    inside = all(step < options.steps for step in interrupted["last_row_at_each_kill"])
    return 0 if same and agree and inside else 1


def _start(workdir: Path, *more: str, devices: int = 1) -> subprocess.Popen:
    flags = f"--xla_force_host_platform_device_count={devices}"
    command = [sys.executable, "-m", "train.noiseflow", *FAST, "--workdir", str(workdir), *more]
    environment = {**os.environ, "XLA_FLAGS": flags}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _finish(process: subprocess.Popen) -> None:
    if process.wait() != 0:
        raise SystemExit(f"{process.args} ended with {process.returncode}.")


def _interrupted(options, folder: Path) -> dict:
    """A straight run and a killed one, compared."""
    length = ("--steps", str(options.steps), "--save-every", "7", "--evaluate-every", "20")
    straight, killed = folder / "straight", folder / "killed"
    _finish(_start(straight, *length))
    moments = random.Random(options.seed)
    targets = sorted(moments.sample(range(1, options.steps), options.kills))
    steps_at_kill = []
    for target in targets:
        process = _start(killed, *length)
        while process.poll() is None and _last_step(killed) < target:
            time.sleep(0.02)
        time.sleep(moments.uniform(0, 0.2))
        process.kill()
        process.wait()
        steps_at_kill.append(_last_step(killed))
    _finish(_start(killed, *length))
    return {
        "kills": options.kills,
        "steps": options.steps,
        "last_row_at_each_kill": steps_at_kill,
        **{part: read(straight) == read(killed) for part, read in PARTS.items()},
    }


def _last_step(workdir: Path) -> int:
    rows = _rows(workdir)
    return rows[-1]["step"] if rows else -1


def _rows(workdir: Path) -> list[dict]:
    """Rows of metrics.jsonl without their time; a row cut short by a kill does not count."""
    rows = []
    path = workdir / "metrics.jsonl"
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            break
        row.pop("time", None)
        rows.append(row)
    return rows


def _checkpoint(workdir: Path) -> str:
    """What the last checkpoint says of its leaves: names, shapes, types and sha256."""
    step = max((workdir / "checkpoints").iterdir(), key=lambda path: int(path.name))
    return "".join(path.read_text() for path in sorted((step / "leaves").rglob("metadata")))


PARTS = {
    "model": lambda workdir: [p.read_bytes() for p in sorted((workdir / "model").iterdir())],
    "checkpoint": _checkpoint,
    "metrics": _rows,
}


def _devices(options, folder: Path, arch: str) -> dict:
    """The losses on 1, 2 and 8 simulated devices, compared with those on one."""
    losses = {}
    for devices in (1, 2, 8):
        workdir = folder / f"{arch} {devices}"
        more = (*ARCHS[arch], "--steps", str(options.device_steps))
        _finish(_start(workdir, *more, devices=devices))
        losses[devices] = [row["nll"] for row in _rows(workdir) if "nll" in row]
    worst = max(
        abs(ours - one) / abs(one)
        for devices in (2, 8)
        for ours, one in zip(losses[devices], losses[1], strict=True)
    )
    return {
        "steps": len(losses[1]),
        "devices": [1, 2, 8],
        "batch_size": 16,
        "largest_relative_difference": worst,
    }


if __name__ == "__main__":
    sys.exit(main())
