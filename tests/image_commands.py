"""What tests of commands on images share: images to give them, and what they left."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from jaxnoise.io.image_writer import write_image

NOISE = ["--shot", "0.01", "--read", "1e-4"]
SHOT, READ = np.array([2e-3, 4e-3, 6e-3, 8e-3]), np.array([1e-4, 2e-4, 3e-4, 4e-4])
"""Of R, Gr, Gb and B at the lower ISO number of a noise profile."""
SUFFIXES = {"PNG": ".png", "TIFF": ".tiff", "NPZ": ".npz"}
FULL = {"uint8": 255, "uint16": 65535, "float32": 1.0, "float64": 1.0}

Run = Callable[..., tuple[int, str]]
"""Runs the command with arguments; gives its exit code and what it said."""


def save(
    path: Path, image: np.ndarray, *, format: str | None = None, array_name: str = "image"
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = {suffix: format for format, suffix in SUFFIXES.items()}
    write_image(path, image, format=format or kind[path.suffix], array_name=array_name)
    return path


def flat(shape: tuple[int, ...], *, dtype: str = "float32", light: float = 0.5) -> np.ndarray:
    """Image of one intensity."""
    return np.full(shape, light * FULL[dtype]).astype(dtype)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
