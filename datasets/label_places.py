"""Where labels are taken: crops side by side, of as many images as possible."""

from itertools import chain, zip_longest
from typing import NamedTuple

import numpy as np

from datasets.whole_images import Images, PatchImages
from jaxnoise.noise.camera import generator


class Place(NamedTuple):
    """One crop of an image.

    Attributes:
        image: place of the image among those of its split.
        top: first row of the crop.
        left: first column of the crop.
    """

    image: int
    top: int
    left: int


def places_by_image(images: Images, split: str, *, size: int, seed: int) -> list[list[Place]]:
    """Crops of each image that share no pixel, in an order that a seed decides.

    Args:
        images: of one split; patches of one image count as that image.
        split: train, validation or test.
        size: side of a crop in pixels.
        seed: of the order of images, and of crops within each.

    Returns:
        A list for each image with room for a crop.
    """
    _, numbers = np.unique(_image_of(images), return_inverse=True)
    counts = np.bincount(numbers)
    members = np.split(np.argsort(numbers, kind="stable"), np.cumsum(counts)[:-1])
    grids = images.sizes // size
    found = []
    for number in generator("label images", seed, split).permutation(len(counts)).tolist():
        cells = [
            Place(int(image), int(size * row), int(size * column))
            for image in members[number]
            for row, column in np.ndindex(*grids[image].tolist())
        ]
        order = generator("label crops", seed, split, number).permutation(len(cells))
        if cells:
            found.append([cells[place] for place in order.tolist()])
    return found


def round_robin(by_image: list[list[Place]]) -> list[Place]:
    """One crop of each image, then a second one of each that has two, and so on.

    Args:
        by_image: crops of each image.
    """
    return [place for place in chain(*zip_longest(*by_image)) if place is not None]


def _image_of(images: Images) -> np.ndarray:
    """Which image each is of: itself, unless these are patches of images."""
    if isinstance(images, PatchImages):
        return images.records.column("image")
    return np.arange(len(images.sizes))
