"""What the metadata file of an image states: its noise profile and its Bayer phase."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxnoise.errors import DataError
from jaxnoise.io.mat import MatReader

CFA_PATTERN, NOISE_PROFILE = 33422, 51041
FOR_NONE = 1e-6
"""In place of shot or read noise of 0 or less, as some cameras state, which has no logarithm."""
_COLOURS = "RGB"
_BAYER = {"RGGB", "GRBG", "GBRG", "BGGR"}


@dataclass(frozen=True)
class Metadata:
    """Facts of one image.

    Attributes:
        noise_profile: (shot, read) of the variance shot * intensity + read in fractions of full
            scale, `FOR_NONE` in place of what is not positive; NaN where the file states none.
        phase: Bayer phase, or None where the file states none.
    """

    noise_profile: tuple[float, float]
    phase: str | None


def read_metadata(reader: MatReader, path: Path) -> Metadata:
    """Metadata of an image; tags are found by their number, wherever they stand.

    Args:
        reader: of MAT files.
        path: holds `metadata`, what MATLAB's imfinfo says of the DNG file.

    Raises:
        DataError: if the file is damaged or holds anything else.
    """
    value = reader.read(path, "metadata")
    if not (isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict)):
        raise DataError(f"{path} holds no metadata of an image: copy it again from its source.")
    tags = {number: found for number, found in _tags(value[0])}
    profile, pattern = tags.get(NOISE_PROFILE), tags.get(CFA_PATTERN)
    shot, read = np.nan, np.nan
    if profile is not None:
        # One pair for all colours, or one for each; those of SIDD's phones are the same.
        if profile.size < 2 or not np.isfinite(profile).all() or abs(profile).max() > 1:
            raise DataError(
                f"{path} states the noise profile {profile[:6].tolist()}, which is none: copy it "
                "again from its source."
            )
        shot, read = (float(number) if number > 0 else FOR_NONE for number in profile[:2])
    return Metadata((shot, read), None if pattern is None else _phase(pattern))


def _tags(info: dict[str, Any]) -> Iterator[tuple[float, np.ndarray]]:
    """Numbers and values of the tags that imfinfo does not know, those of the main image last."""
    for part in _structs(info.get("SubIFDs")):
        yield from _tags(part)
    for tag in _structs(info.get("UnknownTags")):
        number, value = tag.get("ID"), tag.get("Value")
        if isinstance(number, np.ndarray) and number.size == 1 and isinstance(value, np.ndarray):
            yield number.item(), value.ravel(order="F").astype(np.float64)


def _structs(value: Any) -> Iterator[dict[str, Any]]:
    """All structs of a struct array, or of a cell array of them."""
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict):
            yield item
        else:
            yield from _structs(item)


def _phase(pattern: np.ndarray) -> str | None:
    letters = "".join(_COLOURS[int(n)] if n in (0, 1, 2) else "?" for n in pattern)
    return letters if letters in _BAYER else None
