"""The images that RCL learns from: noisy already, or clean ones that noise is put on."""

from datasets.crops import ImageData, open_images
from datasets.noisy_crops import NoisyCrops
from datasets.noisy_images import with_noise
from datasets.source_files import Reading
from jaxnoise.errors import DataError, UsageError
from train.rcl.config import NoiseOptions

FULL_SCALE = 255.0
"""Of a sigma in options and tables."""
PATCH_SIZE = 64
"""Side of a crop in pixels where no preset states one."""
FEW_IMAGES = 64
"""Fewer photographs to train on are cut into tiles; the paper has as many in a batch."""
CHANNELS = {"rgb": (3,), "raw": (1, 4)}
"""Of noisy images, by what the network takes."""


def opened_images(config: NoiseOptions, *, patch_size: int | None = None) -> ImageData:
    """The images that options name, as they are.

    Args:
        config: options of any subcommand.
        patch_size: side of the patches of a data set that is cut into such; None for its default.
    """
    return open_images(
        config.dataset,
        source=config.source,
        data_dir=config.data_dir,
        patch_size=patch_size,
        seed=config.data_seed,
        reading=Reading(config.follow_links, config.max_pixels),
    )


def noisy_crops(config: NoiseOptions, kind: str) -> NoisyCrops:
    """Pairs of noisy crops, of images that are noisy or of clean ones with noise.

    Args:
        config: options of any subcommand.
        kind: what the network takes, "rgb" or "raw".

    Raises:
        UsageError: the images are not what the options say.
        DataError: there are no noisy images.
    """
    size = size_of(config)
    # Two crops of a patch of their own size would be one and the same.
    images = opened_images(config, patch_size=2 * size)
    if config.levels != "none":
        tile = tile_of(config, images)
        _check_tile(tile, size, images)
        images = with_noise(
            images,
            levels=config.levels,
            highest=config.highest_sigma / FULL_SCALE,
            seed=config.data_seed,
            raw=kind == "raw",
            moved=kind == "raw",
            tile=tile,
        )
    elif images.channels not in CHANNELS[kind]:
        wanted = "colour images" if kind == "rgb" else "mosaics or packed raw"
        raise UsageError(
            f"{images.name} has images of {images.channels} channels, and a network of {kind} "
            f"takes {wanted}: give such images, or a network of these."
        )
    elif not any("noisy" in kinds for kinds in images.fields.values()):
        raise DataError(
            f"{images.name} has no noisy images, as --levels none needs: leave it out to put noise "
            "on clean ones, or give --dataset images/noisy."
        )
    return NoisyCrops(images, size)


def size_of(config: NoiseOptions) -> int:
    """Side in pixels of a crop, and of a label's target.

    Args:
        config: options of any subcommand.
    """
    return config.patch_size or PATCH_SIZE


def tile_of(config: NoiseOptions, images: ImageData) -> int | None:
    """Side of the squares that photographs are cut into, or None where they stay whole.

    Args:
        config: the run's options.
        images: whole photographs.
    """
    if config.tile is not None:
        return config.tile or None
    side = 2 * size_of(config)
    return side if images.sizes["train"] < FEW_IMAGES and images.has_room(side) else None


def _check_tile(tile: int | None, size: int, images: ImageData) -> None:
    """Refuses squares without two places for a crop, or larger than the photographs."""
    if tile is None or (tile > size and images.has_room(tile)):
        return
    raise UsageError(
        f"--tile {tile} is no side of squares for crops of {size} pixels here: give more than "
        "these, up to the sides of a photograph of each split, or --tile 0 to keep photographs "
        "whole."
    )
