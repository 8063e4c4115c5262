"""Many patches of a simulated camera at once: clean ones, and two noisy draws over each.

A patch is a pure function of simulation, seed, split and its number; how many are made together
changes nothing.
"""

from collections.abc import Callable, Sequence

import numpy as np

from datasets.camera_sim.photographs import SPLITS, Photograph, place
from jaxnoise.noise.camera import (
    CAMERAS,
    ISOS,
    MIXING,
    SIMULATIONS,
    Taps,
    draw,
    generator,
    sensor_effects,
)
from jaxnoise.raw.bayer import mosaic_rgb, pack
from jaxnoise.raw.isp import inverse_colour_matrix, inverse_gamma, inverse_smoothstep

SETTINGS = tuple((camera, iso) for camera in range(len(CAMERAS)) for iso in ISOS)
LEVELS = np.arange(256) / 255.0
PIXELS_AT_ONCE = 25 * 32**2


def photograph_of(split: str, number: int) -> Photograph:
    """Photograph that a patch is cut from.

    Args:
        split: train, validation or test.
        number: number of the patch in its split.
    """
    photographs = SPLITS[split]
    # The second term lets a small split, too, see every photograph.
    return photographs[(number // len(SETTINGS) + number) % len(photographs)]


def make_patches(
    simulation: str,
    seed: int,
    split: str,
    numbers: Sequence[int],
    *,
    patch_size: int,
    read: Callable[[Photograph], np.ndarray],
) -> dict[str, np.ndarray]:
    """Patches of some numbers.

    Args:
        simulation: exact, exact-white, exact-wide or full.
        seed: seed of the draws.
        split: train, validation or test.
        numbers: N numbers of patches in the split.
        patch_size: side P of the patches in packed pixels.
        read: gives the image of a photograph, (H, W, 3) uint8.

    Returns:
        clean, noisy, noisy2: (N, P, P, 4) float32, full scale 1; camera, iso: (N,) int32; where the
        likelihood is known, truth: (N,) float32, nats per patch, of the first draw.
    """
    # Intermediate values of so many fit into the processor's cache.
    few = max(1, PIXELS_AT_ONCE // patch_size**2)
    parts = [
        _few_patches(simulation, seed, split, numbers[start : start + few], patch_size, read)
        for start in range(0, len(numbers), few)
    ]
    if len(parts) == 1:
        return parts[0]
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _few_patches(
    simulation: str,
    seed: int,
    split: str,
    numbers: Sequence[int],
    patch_size: int,
    read: Callable[[Photograph], np.ndarray],
) -> dict[str, np.ndarray]:
    streams = [generator(simulation, seed, split, number) for number in numbers]
    settings = [SETTINGS[number % len(SETTINGS)] for number in numbers]
    crops = np.empty((len(numbers), 2 * patch_size, 2 * patch_size, 3), np.uint8)
    corners = []
    for crop, number, random in zip(crops, numbers, streams, strict=True):
        image = read(photograph_of(split, number))
        row, column = place(image, patch_size, random)
        crop[:] = image[row : row + len(crop), column : column + len(crop)]
        corners.append((row // 2, column // 2))
    clean = develop(crops, streams)
    taps = SIMULATIONS[simulation].taps
    if SIMULATIONS[simulation].sensor_effects:
        noisy = [
            _sensor_draws(patch, taps, *setting, corner, random)
            for patch, setting, corner, random in zip(
                clean, settings, corners, streams, strict=True
            )
        ]
        known = {key: np.stack([pair[n] for pair in noisy]) for n, key in enumerate(_NOISY)}
    else:
        known = draws(clean, settings, taps, streams)
    cameras, isos = np.array(settings, np.int32).T
    return {"clean": clean, **known, "camera": cameras, "iso": isos}


_NOISY = ("noisy", "noisy2")


def develop(crops: np.ndarray, streams: Sequence[np.random.Generator]) -> np.ndarray:
    """Linear packed raw of crops of photographs, each under random gains and exposure.

    The arithmetic is that of `photographs.raw_patch`, which takes one crop.

    Args:
        crops: sRGB, (N, 2P, 2P, 3) uint8.
        streams: the source of gains and exposure of each crop.

    Returns:
        Shape (N, P, P, 4), float32 in [0, 1], R, Gr, Gb, B order.
    """
    gains = np.empty((len(crops), 3))
    brightest = np.empty(len(crops))
    for index, random in enumerate(streams):
        red, blue, all_gain = (random.uniform(a, b) for a, b in ((1.8, 2.4), (1.5, 2), (1, 1.4)))
        gains[index] = 1.0 / (np.array([red, 1.0, blue]) * all_gain)
        brightest[index] = 0.05 + 0.95 * random.random()
    # A photograph has 256 levels: its curves are a table.
    linear = inverse_colour_matrix(inverse_gamma(inverse_smoothstep(LEVELS))[crops])
    weight = (linear[..., 0] + linear[..., 1] + linear[..., 2]) / 3
    weight = (np.maximum(weight - 0.9, 0.0) / (1.0 - 0.9)) ** 2
    for channel in range(3):
        gain = gains[:, channel, None, None]
        linear[..., channel] *= np.maximum(weight + (1.0 - weight) * gain, gain)
    peak = linear.reshape(len(crops), -1).max(axis=1)
    exposure = np.minimum(brightest / np.maximum(peak, 1e-6), 4.0)
    return (pack(mosaic_rgb(linear)) * exposure[:, None, None, None]).astype(np.float32)


def draws(
    clean: np.ndarray,
    settings: Sequence[tuple[int, int]],
    taps: Taps,
    streams: Sequence[np.random.Generator],
) -> dict[str, np.ndarray]:
    """Two noisy draws over clean patches, and the exact likelihood of the first.

    The arithmetic is that of `jaxnoise.noise.camera.draw`, which takes one patch.

    Args:
        clean: packed raw, (N, P, P, 4) float32, full scale 1.
        settings: number of the camera and ISO of each patch.
        taps: the causal filter.
        streams: the source of the white noise of each patch.

    Returns:
        noisy, noisy2: shape of `clean`, float32; truth: (N,) float32, nats per patch.
    """
    shot, read = np.array(
        [(CAMERAS[c].shot_noise(iso), CAMERAS[c].read_noise(iso)) for c, iso in settings]
    ).T[:, :, None, None, None]
    std = np.sqrt(shot * clean.astype(np.float64) + read)
    white = np.empty((2, *clean.shape))
    for index, random in enumerate(streams):
        random.standard_normal(out=white[0, index])
        random.standard_normal(out=white[1, index])
    count, size = len(clean), clean[0].size
    log_det = np.log(std).reshape(count, -1).sum(axis=1)
    log_det += size // 4 * np.linalg.slogdet(MIXING)[1]
    squares = (white[0] ** 2).reshape(count, -1).sum(axis=1)
    truth = 0.5 * squares + 0.5 * size * np.log(2 * np.pi) + log_det
    result = {"truth": truth.astype(np.float32)}
    for draw_number, key in enumerate(_NOISY):
        noise = _filtered(white[draw_number], taps) @ MIXING.T
        noise *= std
        noise += clean
        result[key] = noise.astype(np.float32)
    return result


def _filtered(white: np.ndarray, taps: Taps) -> np.ndarray:
    """`jaxnoise.noise.camera.causal_filter` over many patches."""
    height, width = white.shape[1:3]
    result = taps[0, 0] * white
    for (up, left), weight in taps.items():
        if (up, left) == (0, 0) or up >= height or abs(left) >= width:
            continue
        to = slice(max(left, 0), width + min(left, 0))
        source = slice(max(-left, 0), width - max(left, 0))
        result[:, up:, to] += weight * white[:, : height - up, source]
    return result


def _sensor_draws(
    clean: np.ndarray,
    taps: Taps,
    camera: int,
    iso: int,
    corner: tuple[int, int],
    random: np.random.Generator,
) -> list[np.ndarray]:
    """Two noisy draws over a clean patch with the effects of the sensor, whose randomness follows
    that of each draw.
    """
    result = []
    for _ in _NOISY:
        noise, _ = draw(clean, CAMERAS[camera], iso, taps=taps, random=random)
        noisy = sensor_effects(clean, noise, CAMERAS[camera], iso, corner=corner, random=random)
        result.append(noisy.astype(np.float32))
    return result
