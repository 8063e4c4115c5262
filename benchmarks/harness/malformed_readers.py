"""How each kind of file is read, as a command or a trainer reads it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any


def _image(path: Path) -> Any:
    from jaxnoise.io.images import read_image

    image = read_image(path)
    if image.ndim != 3 or image.dtype.name not in ("uint8", "uint16", "float32"):
        raise TypeError(f"an image of shape {image.shape} and type {image.dtype} came back")
    return image


def _model(path: Path) -> Any:
    from jaxnoise.io import load_model

    loaded = load_model(path)
    return {"name": loaded.name, "config": str(loaded.config), "variables": loaded.variables}


def _mat(path: Path) -> Any:
    from datasets.sidd_raw.layout import read_mosaic
    from jaxnoise.io.mat import MatReader

    with MatReader() as reader:
        return read_mosaic(reader, path)


def _bundle(path: Path) -> Any:
    from jaxnoise.errors import DataError
    from jaxnoise.interop.tensor_bundle import find_checkpoint, read_index, read_tensors

    prefix = find_checkpoint(path)
    if prefix is None:
        raise DataError(f"{path} holds no checkpoint.")
    index = read_index(prefix)
    return read_tensors(index, index.entries)


def _torch(path: Path) -> Any:
    from jaxnoise.interop.torch_archive import read_archive

    return read_archive(path)


READERS: dict[str, Callable[[Path], Any]] = {
    **dict.fromkeys(("PNG", "TIFF", "NPZ", "JPEG", "WebP"), _image),
    "model folder": _model,
    **dict.fromkeys(("MAT 5", "MAT 7.3"), _mat),
    "TensorFlow checkpoint": _bundle,
    "PyTorch file": _torch,
}
"""By format; each returns arrays, or raises a sentence."""
