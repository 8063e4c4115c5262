"""Simulated cameras whose noise has a known likelihood.

The noise of a packed raw patch is `s(I) * (M (h * z))`: z is white normal, h a causal filter with
leading tap 1 that sees zeros outside the patch, M a fixed channel mixing and `s(I) = sqrt(shot I +
read)`. The map from z to the noise has log-determinant `sum log s + H W log|det M|`, so that every
draw comes with its exact negative log-likelihood.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

from jaxnoise.errors import UsageError

ISOS = (100, 400, 800, 1600, 3200)
BASE_ISO = 100
SENSOR_SIZE = 256  # packed pixels; the fixed pattern repeats beyond

Taps = Mapping[tuple[int, int], float]
Iso = int | float | np.number


@dataclass(frozen=True)
class Camera:
    """Facts of one simulated sensor; values in units of full scale.

    Attributes:
        name: the camera's name.
        shot: shot-noise variance per unit of intensity at ISO 100; grows in proportion to ISO.
        read_gained: read-noise variance at ISO 100 that is amplified, so that it grows with the
            square of ISO.
        read_fixed: read-noise variance after the amplifier, the same at every ISO.
        bits: bits of the converter (only `full`).
        row: standard deviation of row noise relative to that of the read noise (only `full`).
        gain_spread: standard deviation of the pixels' gains around 1 (only `full`).
        offset_spread: standard deviation of the pixels' offsets relative to the read noise (only
            `full`).
        defects: fraction of stuck pixels (only `full`).
    """

    name: str
    shot: float
    read_gained: float
    read_fixed: float
    bits: int
    row: float
    gain_spread: float
    offset_spread: float
    defects: float

    def shot_noise(self, iso: Iso) -> float:
        """Shot-noise variance per unit of intensity at an ISO."""
        return self.shot * float(iso) / BASE_ISO

    def read_noise(self, iso: Iso) -> float:
        """Read-noise variance at an ISO, in squared units of full scale."""
        return self.read_gained * (float(iso) / BASE_ISO) ** 2 + self.read_fixed


CAMERAS = (
    Camera("alder", 2.0e-4, 1.0e-7, 5e-7, 12, 0.3, 0.005, 0.2, 1e-4),
    Camera("birch", 3.0e-4, 2.0e-7, 1e-6, 12, 0.4, 0.006, 0.3, 2e-4),
    Camera("cedar", 4.0e-4, 4.0e-7, 1e-6, 11, 0.3, 0.008, 0.2, 2e-4),
    Camera("dogwood", 5.0e-4, 6.0e-7, 2e-6, 10, 0.5, 0.010, 0.4, 5e-4),
    Camera("elm", 6.0e-4, 9.0e-7, 3e-6, 10, 0.6, 0.010, 0.5, 5e-4),
)

# Rows are output channels in R, Gr, Gb, B order; condition number 1.7.
MIXING = np.array(
    [
        [1.00, 0.15, 0.10, 0.00],
        [0.10, 1.00, 0.20, 0.10],
        [0.10, 0.20, 1.00, 0.10],
        [0.00, 0.10, 0.15, 1.00],
    ]
)
MIXING.setflags(write=False)

# Offsets are (rows up, columns to the left): an output pixel sees the white noise of pixels already
# passed in raster order.
WHITE_TAPS: Taps = MappingProxyType({(0, 0): 1.0})
NEAR_TAPS: Taps = MappingProxyType({(0, 0): 1.0, (0, 1): 0.2, (1, 0): 0.2})
WIDE_TAPS: Taps = MappingProxyType(
    {
        (0, 0): 1.0,
        (0, 1): 0.16,
        (1, 0): 0.14,
        (1, -1): 0.06,
        (1, 1): 0.06,
        (0, 2): 0.06,
        (2, 0): 0.05,
        (2, -2): 0.04,
        (2, 2): 0.04,
        (0, 3): 0.04,
        (3, 0): 0.04,
        (4, -3): 0.02,
        (4, 3): 0.02,
        (0, 5): 0.02,
        (5, 0): 0.02,
    }
)


@dataclass(frozen=True)
class Simulation:
    """One configuration of the simulated camera: the filter, and whether sensor defects follow."""

    name: str
    taps: Taps
    sensor_effects: bool = False

    @property
    def has_truth(self) -> bool:
        """True where the likelihood of a draw is known."""
        return not self.sensor_effects


SIMULATIONS: Mapping[str, Simulation] = MappingProxyType(
    {
        simulation.name: simulation
        for simulation in (
            Simulation("exact", NEAR_TAPS),
            Simulation("exact-white", WHITE_TAPS),
            Simulation("exact-wide", WIDE_TAPS),
            Simulation("full", NEAR_TAPS, sensor_effects=True),
        )
    }
)


def get_simulation(name: str) -> Simulation:
    """Simulation of a name.

    Raises:
        UsageError: if there is none of that name.
    """
    if name not in SIMULATIONS:
        raise UsageError(
            f"there is no simulated camera '{name}': choose one of {', '.join(SIMULATIONS)}."
        )
    return SIMULATIONS[name]


def generator(*names: str | int) -> np.random.Generator:
    """Random generator that is a pure function of a list of names and numbers.

    Args:
        names: for instance configuration, seed, split and index.

    Returns:
        A Philox generator; different lists give independent streams.
    """
    digest = hashlib.sha256("\0".join(f"{type(n).__name__}:{n}" for n in names).encode()).digest()
    return np.random.Generator(
        np.random.Philox(np.random.SeedSequence(list(np.frombuffer(digest, "<u4"))))
    )


def causal_filter(white: Float[np.ndarray, "H W C"], taps: Taps) -> Float[np.ndarray, "H W C"]:
    """White noise filtered per channel with taps that see zeros outside the patch.

    Args:
        white: shape (H, W, C).
        taps: weight of each offset (rows up, columns to the left).

    Returns:
        Shape (H, W, C), same dtype; the log-determinant of the map is 0 when the tap at (0, 0) is
        1.
    """
    height, width, _ = white.shape
    result = np.zeros_like(white)
    for (up, left), weight in taps.items():
        if up >= height or abs(left) >= width:
            continue
        to = slice(max(left, 0), width + min(left, 0))
        source = slice(max(-left, 0), width - max(left, 0))
        result[up:, to] += weight * white[: height - up, source]
    return result


def noise_std(
    clean: Float[np.ndarray, "*shape"], camera: Camera, iso: Iso
) -> Float[np.ndarray, "*shape"]:
    """Standard deviation sqrt(shot I + read) of a pixel's noise, before filter and mixing.

    Args:
        clean: intensities in [0, 1] of full scale, any shape.
        camera: the camera.
        iso: the ISO number.

    Returns:
        float64, same shape as `clean`, unit of full scale.
    """
    return np.sqrt(camera.shot_noise(iso) * np.asarray(clean, np.float64) + camera.read_noise(iso))


def draw(
    clean: Float[np.ndarray, "H W 4"],
    camera: Camera,
    iso: Iso,
    *,
    taps: Taps,
    random: np.random.Generator,
) -> tuple[Float[np.ndarray, "H W 4"], float]:
    """One draw of noise and its exact negative log-likelihood.

    Args:
        clean: packed raw in R, Gr, Gb, B order, shape (H, W, 4), in [0, 1] of full scale.
        camera: the camera.
        iso: the ISO number.
        taps: the causal filter h, leading tap 1.
        random: the source of the white noise z.

    Returns:
        noise: float64, shape (H, W, 4), unit of full scale, unclipped.
        truth: -log p(noise | clean, camera, iso) in nats, over all H W 4 values.
    """
    height, width, channels = clean.shape
    white = random.standard_normal((height, width, channels))
    std = noise_std(clean, camera, iso)
    noise = std * (causal_filter(white, taps) @ MIXING.T)
    log_det = np.log(std).sum() + height * width * np.linalg.slogdet(MIXING)[1]
    truth = 0.5 * (white**2).sum() + 0.5 * white.size * np.log(2 * np.pi) + log_det
    return noise, float(truth)


def sensor_effects(
    clean: Float[np.ndarray, "H W 4"],
    noise: Float[np.ndarray, "H W 4"],
    camera: Camera,
    iso: Iso,
    *,
    corner: tuple[int, int],
    random: np.random.Generator,
) -> Float[np.ndarray, "H W 4"]:
    """Noisy patch with row noise, fixed pattern, stuck pixels, clipping to [0, 1] and quantisation.

    Args:
        clean: packed raw, shape (H, W, 4), in [0, 1].
        noise: noise of `draw`, same shape.
        camera: the camera.
        iso: the ISO number.
        corner: row and column of the patch on the sensor, in packed pixels: the fixed pattern
            belongs to the place.
        random: the source of the row noise.

    Returns:
        float64, shape (H, W, 4), multiples of 1 / (2^bits - 1) in [0, 1].
    """
    height, width, _ = clean.shape
    read_std = np.sqrt(camera.read_noise(iso))
    window = np.ix_(
        np.arange(corner[0], corner[0] + height) % SENSOR_SIZE,
        np.arange(corner[1], corner[1] + width) % SENSOR_SIZE,
    )
    gain, offset, stuck = (values[window] for values in _sensor_pattern(camera))
    # R and Gr share a row of the sensor, Gb and B the next one.
    rows = random.normal(0.0, camera.row * read_std, (height, 1, 2)).repeat(2, axis=2)
    noisy = gain * clean + noise + rows + camera.offset_spread * read_std * offset
    noisy = np.where(np.isnan(stuck), noisy, stuck)
    levels = 2**camera.bits - 1
    return np.round(np.clip(noisy, 0.0, 1.0) * levels) / levels


@lru_cache(maxsize=len(CAMERAS))
def _sensor_pattern(camera: Camera) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gain, unit offset and stuck value (NaN where the pixel works) of each pixel of a sensor."""
    random = generator("sensor", camera.name)
    shape = (SENSOR_SIZE, SENSOR_SIZE, 4)
    gain = random.normal(1.0, camera.gain_spread, shape)
    offset = random.standard_normal(shape)
    stuck = np.where(random.random(shape) < camera.defects, np.round(random.random(shape)), np.nan)
    return gain, offset, stuck
