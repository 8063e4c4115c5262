"""Denoises images on several numbers of devices and stores the estimates; run by a test."""

import sys
from pathlib import Path

import jax
import numpy as np

from jaxnoise.models import denoiser
from jaxnoise.models.denoiser import image

SIZES = {"dncnn": [(503, 611), (9, 530), (5, 7)], "unet": [(40, 1700), (33, 31)]}


def main(folder: str, *counts: str) -> None:
    """Writes `<count>.npz`: estimates, and on how many devices the tiles of each image lay."""
    image.SHARED_SIDE = {"dncnn": 64, "unet": 384}
    for count in map(int, counts):
        np.savez(Path(folder) / f"{count}.npz", **on_the_first(count))


def on_the_first(count: int) -> dict[str, np.ndarray]:
    """Estimates and numbers of devices by net and size; 0 stands for devices that nobody names."""
    found, lay, compiled = {}, set(), image._denoise

    def watch(*arguments, **options):
        made = compiled(*arguments, **options)
        lay.add(len(made.sharding.device_set))
        return made

    image._denoise = watch
    for net, sizes in SIZES.items():
        config = denoiser.Config(net=net, channels=2, features=3, depth=4)
        variables = denoiser.init(jax.random.key(0), config)
        for size in sizes:
            noisy = np.random.default_rng(0).uniform(size=(*size, 2)).astype(np.float32)
            lay.clear()
            devices = jax.devices()[:count] or None
            name = f"{net} {size[0]}x{size[1]}"
            found[name] = denoiser.denoise_image(variables, config, noisy, devices=devices)
            (found[f"{name} devices"],) = map(np.array, lay)
    image._denoise = compiled
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
