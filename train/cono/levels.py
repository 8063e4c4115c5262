"""How strong the noise is to be: the levels of a batch, and those that a run is judged at."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxnoise.errors import UsageError
from jaxnoise.io.noise_profile import NoiseProfile, read_profile
from jaxnoise.noise.camera import generator

FULL_SCALE = 255.0
"""Of a sigma in options and tables."""
STATED_SIGMAS = (10.0, 20.0, 30.0)
"""At which the paper shows its noise."""
MOST_ISOS = 3


@dataclass(frozen=True)
class Level:
    """A standard deviation by intensity, one for each channel of packed raw.

    Attributes:
        name: in tables.
        shot: (4,), variance for each unit of the clean image.
        read: (4,), variance besides, in squared units of full scale.
    """

    name: str
    shot: np.ndarray
    read: np.ndarray

    def of_images(self, count: int) -> dict[str, np.ndarray]:
        """Shot and read of a number of images, (N, 4) float32."""
        rows = {"shot": self.shot, "read": self.read}
        return {name: np.tile(np.float32(row), (count, 1)) for name, row in rows.items()}


@dataclass(frozen=True)
class Levels:
    """The levels of a run: a sigma that stays, sigmas that are drawn, or those of a camera.

    Attributes:
        sigmas: lowest and highest one, of 255.
        profile: of the camera; None for a flat level.
    """

    sigmas: tuple[float, float]
    profile: NoiseProfile | None

    def drawn(self, *, seed: int, step: int, batch_size: int) -> dict[str, np.ndarray]:
        """The levels of a training batch, a pure function of (seed, step).

        Args:
            seed: of the run.
            step: number of the batch.
            batch_size: N.

        Returns:
            shot and read, (N, 4) float32. A sigma is drawn for the batch, as in the paper; an ISO
            number for each image, uniformly in its logarithm.
        """
        random = generator("levels", seed, step)
        if self.profile is None:
            low, high = self.sigmas
            rows = [_flat(random.uniform(low, high))] * batch_size
        else:
            low, high = np.log([self.profile.isos[0], self.profile.isos[-1]])
            isos = np.exp(random.uniform(low, high, batch_size))
            # The root and power of an end may miss it by a rounding error.
            isos = isos.clip(self.profile.isos[0], self.profile.isos[-1])
            rows = [self.profile.at(float(iso)) for iso in isos]
        return {
            name: np.array([row[place] for row in rows], np.float32)
            for place, name in enumerate(("shot", "read"))
        }

    def stated(self) -> list[Level]:
        """The levels that a run is judged at: those of the paper, or a few ISO numbers."""
        if self.profile is not None:
            isos = self.profile.isos
            places = np.unique(np.linspace(0, len(isos) - 1, MOST_ISOS).round().astype(int))
            names = [f"ISO {isos[place]:g}" for place in places]
            if len(isos) == 1:
                names = [self.profile.name]
            return [
                Level(name, *self.profile.at(isos[place]))
                for name, place in zip(names, places, strict=True)
            ]
        low, high = self.sigmas
        sigmas = [sigma for sigma in STATED_SIGMAS if low <= sigma <= high] or [high]
        return [Level(f"sigma {sigma:g}", *_flat(sigma)) for sigma in sigmas]


def _flat(sigma: float) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(4), np.full(4, (sigma / FULL_SCALE) ** 2)


def levels_of(config: Any) -> Levels:
    """The levels that options state.

    Args:
        config: the run's options.

    Raises:
        UsageError: they contradict each other.
        DataError: the profile is missing or wrong.
    """
    of_camera = [config.shot, config.read]
    if config.profile is not None and of_camera != [None, None]:
        raise UsageError("--profile and --shot with --read say the same: give one of them.")
    if None in of_camera and of_camera != [None, None]:
        raise UsageError("noise has two parts: give both --shot and --read (or 0).")
    camera = config.profile is not None or of_camera != [None, None]
    if camera and config.sigma is not None:
        raise UsageError("--sigma is a flat level, and a camera has its own: give one of them.")
    if config.lowest_sigma > config.highest_sigma:
        raise UsageError(
            f"--lowest-sigma {config.lowest_sigma:g} is above --highest-sigma "
            f"{config.highest_sigma:g}: give the smaller one first."
        )
    sigmas = (config.sigma,) * 2 if config.sigma else (config.lowest_sigma, config.highest_sigma)
    if not camera:
        return Levels(sigmas, None)
    if config.profile is not None:
        return Levels(sigmas, read_profile(config.profile))
    if not any(of_camera):
        raise UsageError("--shot 0 --read 0 is no noise: give one that is above 0.")
    one = ((config.shot,) * 4,), ((config.read,) * 4,)
    return Levels(sigmas, NoiseProfile("stated level", (100,), *one))
