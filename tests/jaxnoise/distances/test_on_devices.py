"""A batch over eight devices gives the matrix and the gradients of one device."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[3]


def on(devices: int, path: Path) -> dict[str, np.ndarray]:
    flags = f"--xla_force_host_platform_device_count={devices}"
    subprocess.run(
        [sys.executable, Path(__file__).with_name("on_devices.py"), path],
        cwd=ROOT,
        env={**os.environ, "XLA_FLAGS": flags, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    with np.load(path) as stored:
        return dict(stored)


def test_one_and_eight_devices_agree(tmp_path):
    one, eight = (on(devices, tmp_path / f"{devices}.npz") for devices in (1, 8))
    assert (one.pop("devices"), eight.pop("devices")) == (1, 8)
    for name, expected in one.items():
        difference = np.abs(eight[name] - expected).max() / np.abs(expected).max()
        assert difference < 1e-5, name
