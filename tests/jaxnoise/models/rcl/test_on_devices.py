"""A batch over eight devices gives the loss, the gradients and the estimates of one device."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.processes import environment


def test_one_and_eight_devices_agree(tmp_path):
    program = Path(__file__).with_name("on_devices.py")
    command = [sys.executable, program, tmp_path, "1", "8"]
    subprocess.run(command, env=environment(devices=8), check=True)
    one, eight = (dict(np.load(tmp_path / f"{devices}.npz")) for devices in (1, 8))
    assert (one.pop("devices"), eight.pop("devices")) == (1, 8)
    assert len(one) == len(eight) == 12
    for name, expected in one.items():
        difference = np.abs(eight[name] - expected).max() / np.abs(expected).max()
        assert difference < 1e-5, name
