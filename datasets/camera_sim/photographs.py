"""The photographs of the simulated camera: those that scikit-image carries in its wheel."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jaxnoise.errors import DataError
from jaxnoise.raw.bayer import mosaic_rgb, pack
from jaxnoise.raw.isp import unprocess


@dataclass(frozen=True)
class Photograph:
    """A colour photograph by the name of its file in scikit-image's data folder."""

    scene: str
    file: str

    @property
    def path(self) -> Path:
        """Path of the file in the installed scikit-image."""
        import skimage

        return Path(skimage.__file__).parent / "data" / self.file

    def read(self) -> np.ndarray:
        """Image in sRGB, (H, W, 3) uint8."""
        from skimage.io import imread

        _require(self)
        return np.asarray(imread(self.path))[..., :3]


# Different photographs in each split; the two views of one motorcycle are one scene.
SPLITS: dict[str, tuple[Photograph, ...]] = {
    "train": (
        Photograph("astronaut", "astronaut.png"),
        Photograph("motorcycle", "motorcycle_left.png"),
        Photograph("motorcycle", "motorcycle_right.png"),
        Photograph("hubble", "hubble_deep_field.jpg"),
        Photograph("retina", "retina.jpg"),
    ),
    "validation": (Photograph("rocket", "rocket.jpg"), Photograph("tissue", "ihc.png")),
    "test": (Photograph("coffee", "coffee.png"), Photograph("chelsea", "chelsea.png")),
}
ALL = tuple(photograph for photographs in SPLITS.values() for photograph in photographs)
SCENES = tuple(dict.fromkeys(photograph.scene for photograph in ALL))


def fingerprint() -> str:
    """Hexadecimal sha256 over the bytes of all photographs and their place in the splits."""
    digest = hashlib.sha256()
    for split, photographs in SPLITS.items():
        for photograph in photographs:
            _require(photograph)
            content = hashlib.sha256(photograph.path.read_bytes()).hexdigest()
            digest.update(f"{split} {photograph.scene} {content}\n".encode())
    return digest.hexdigest()


def place(image: np.ndarray, patch_size: int, random: np.random.Generator) -> tuple[int, int]:
    """First row and column, both even, of a random place of a photograph that is not black.

    Args:
        image: sRGB, (H, W, 3) uint8.
        patch_size: side of the patch in packed pixels (half as many as of the photograph).
        random: the source of the place.
    """
    side = 2 * patch_size
    row, column = 0, 0
    for _ in range(20):
        row, column = (2 * int(random.integers((size - side) // 2 + 1)) for size in image.shape[:2])
        # Black sky and black borders are the same patch again and again.
        if image[row : row + side, column : column + side].std() > 4:
            break
    return row, column


def raw_patch(
    image: np.ndarray, patch_size: int, random: np.random.Generator
) -> tuple[np.ndarray, tuple[int, int]]:
    """Linear packed raw of a random place of a photograph under a random exposure.

    Args:
        image: sRGB, (H, W, 3) uint8.
        patch_size: side of the patch in packed pixels (half as many as of the photograph).
        random: the source of place, gains and exposure.

    Returns:
        patch: (patch_size, patch_size, 4) float32 in [0, 1], R, Gr, Gb, B order.
        corner: row and column of the patch in packed pixels.
    """
    row, column = place(image, patch_size, random)
    crop = image[row : row + 2 * patch_size, column : column + 2 * patch_size]
    linear = unprocess(
        crop / 255.0,
        red_gain=random.uniform(1.8, 2.4),
        blue_gain=random.uniform(1.5, 2.0),
        rgb_gain=random.uniform(1.0, 1.4),
    )
    brightest = 0.05 + 0.95 * random.random()
    exposure = min(brightest / max(linear.max(), 1e-6), 4.0)
    return pack(mosaic_rgb(linear * exposure)).astype(np.float32), (row // 2, column // 2)


def reader() -> Callable[[Photograph], np.ndarray]:
    """Function that reads each photograph once."""
    images: dict[Photograph, np.ndarray] = {}

    def read(photograph: Photograph) -> np.ndarray:
        if photograph not in images:
            images[photograph] = photograph.read()
        return images[photograph]

    return read


def _require(photograph: Photograph) -> None:
    if not photograph.path.is_file():
        raise DataError(
            f"the installed scikit-image has no {photograph.file}: install the version of the "
            "constraints file."
        )
