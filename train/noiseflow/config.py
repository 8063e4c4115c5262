"""Options of `python -m train.noiseflow`.

The default takes a minute on two cores and ends 0.0001 nats per dimension above the truth of
`camera_sim/exact`; `--preset paper` has the paper's sizes, for accelerators.
"""

from dataclasses import dataclass
from typing import Any

from train.engine.options import Command, option
from train.steps.option_groups import NoiseModelOptions

NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Config(NoiseModelOptions):
    """Trains a normalizing flow of camera noise and compares it with simpler models."""

    compare: str = option("S-Ax4-G-Ax4-CAM", "architecture trained beside it, or none")


PRESETS: dict[str, dict[str, Any]] = {
    "cpu": {"steps": 300, "batch_size": 64, "arch": "N-W-K3"},
    "paper": {
        "steps": 100_000,
        "batch_size": 138,
        "arch": "S-Ax4-G-Ax4-CAM",
        "normalisation": "batch",
        "compare": NONE,
        "evaluate_every": 1000,
        "save_every": 1000,
        "report_every": 100,
    },
}


COMMANDS = {"": Command(options=Config, presets=PRESETS)}
