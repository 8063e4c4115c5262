"""Options of the toy."""

from dataclasses import dataclass

from train.engine.options import Command, Options, option


@dataclass(frozen=True, kw_only=True)
class Config(Options):
    """Fits the mean of noise, and then its scale as well."""

    rate: float = option(0.05, "learning rate", above=0)
    mean_steps: int = option(5, "steps of the mean alone", minimum=0)
    pause: float = option(0.0, "seconds that a batch takes", minimum=0)


PRESET = {"steps": 60, "batch_size": 8, "save_every": 7, "evaluate_every": 5}
COMMANDS = {"fit": Command(options=Config, presets={"cpu": PRESET})}
