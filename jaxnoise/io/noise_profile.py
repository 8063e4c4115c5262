"""Noise profiles of cameras: shot and read noise at each ISO number, in small JSON files."""

import hashlib
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Array, Float, Num

from jaxnoise.errors import DataError, UsageError
from jaxnoise.io.regular_files import read_regular

FORMAT = "jaxnoise camera profile"
VERSION = 1
"""Of the format; a reader knows its own version and all before it."""
CHANNELS = ("R", "Gr", "Gb", "B")
MAX_BYTES = 2**20
MAX_ISOS = 1000
MAX_ISO = 10_000_000
MAX_NAME, MAX_NOTES = 200, 10_000
PLAUSIBLE = 1.0
"""Noise of this variance would be as large as full scale: the numbers are of another unit."""
_KEYS = ("format", "version", "name", "notes", "noise")
_ROW_KEYS = ("iso", "shot", "read")

PerChannel = tuple[float, ...]


@dataclass(frozen=True)
class NoiseProfile:
    """What noise a camera has: variance = shot * clean + read, for each ISO number and channel.

    Attributes:
        name: of the camera.
        isos: ISO numbers, ascending; 0 is "not stated".
        shot: for each ISO number the variance per unit of intensity of R, Gr, Gb and B, as a
            fraction of full scale, from 0 to below 1.
        read: for each ISO number the variance without light of R, Gr, Gb and B, in squared
            fractions of full scale, from 0 to below 1.
        notes: free text, such as where the numbers come from.
    """

    name: str
    isos: tuple[int, ...]
    shot: tuple[PerChannel, ...]
    read: tuple[PerChannel, ...]
    notes: str = ""

    def __post_init__(self):
        """Refuses numbers that are no noise profile with a UsageError."""
        _check_text(self.name, self.notes)
        _check_isos(self.isos)
        for kind, rows in (("shot", self.shot), ("read", self.read)):
            if not isinstance(rows, tuple) or len(rows) != len(self.isos):
                raise UsageError(
                    f"{kind} noise is a tuple of one row for each of {len(self.isos)} ISO numbers: "
                    "give four variances for each."
                )
            for iso, row in zip(self.isos, rows, strict=True):
                _check_variances(kind, iso, row)
        for iso, shot, read in zip(self.isos, self.shot, self.read, strict=True):
            for channel, *both in zip(CHANNELS, shot, read, strict=True):
                if both == [0, 0]:
                    raise UsageError(
                        f"shot and read noise of {channel} at ISO {iso} are both 0: give one of "
                        "them a variance above 0."
                    )

    def at(
        self, iso: Num[Array | np.ndarray, "*n"] | int | float | np.number
    ) -> tuple[Float[np.ndarray, "*n 4"], Float[np.ndarray, "*n 4"]]:
        """Shot and read noise at an ISO number.

        Between two known ISO numbers the logarithms of the variances interpolate linearly in the
        logarithm of the ISO number; where one of the two variances is 0, the variances themselves.

        Args:
            iso: an ISO number or any array of them; not under jit.

        Returns:
            Shot and read noise of R, Gr, Gb and B, each of shape (..., 4).

        Raises:
            UsageError: the profile does not reach to the ISO number.
        """
        import jax.numpy as jnp

        from jaxnoise.conditions import NOT_STATED, iso_weights

        isos = np.asarray(iso, np.float64)
        stated = [known for known in self.isos if known != NOT_STATED]
        inside = np.zeros(isos.shape, bool)
        if stated:
            inside = (isos >= min(stated)) & (isos <= max(stated))
        if NOT_STATED in self.isos:
            inside |= isos == NOT_STATED
        if not inside.all():
            known = ", ".join(str(known) for known in self.isos)
            raise UsageError(
                f"ISO {isos[~inside].flat[0]:g} is beyond the noise profile of {self.name}: use "
                f"one of {known}, or what lies between two of them."
            )
        weights = np.asarray(iso_weights(jnp.asarray(isos), self.isos), np.float64)
        return _interpolated(weights, self.shot), _interpolated(weights, self.read)


def variance(clean: Any, shot: Any, read: Any) -> Any:
    """Variance of the noise at each pixel, `shot * clean + read`.

    Args:
        clean: shape (N, H, W, C) or (H, W, C), fraction of full scale; negative values count as 0.
            An array of NumPy or JAX.
        shot: shape (C,), or (N, C) for one row an image: variance per unit of intensity.
        read: likewise, in squared fractions of full scale.

    Returns:
        Shape of `clean`, squared fractions of full scale.

    Source: Noise Flow, Eq. 6.
    """
    return shot[..., None, None, :] * clean.clip(min=0) + read[..., None, None, :]


def read_profile(path: str | os.PathLike) -> NoiseProfile:
    """The noise profile of a file.

    Args:
        path: a JSON file as `write_profile` writes it, or of a user's own hand; at most 1 MiB.

    Returns:
        The profile, with its ISO numbers in ascending order.

    Raises:
        DataError: the file is missing, no regular file, too large, no noise profile of this or an
            earlier version, or its numbers cannot be those of a camera.
    """
    path = Path(path)
    content = read_regular(path, at_most=MAX_BYTES, advice="a noise profile is a small JSON file")
    try:
        found = json.loads(content, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path} is no JSON file that can be read ({reason}): mend it.") from error
    try:
        return _profile(found)
    except UsageError as error:
        raise DataError(f"{path} is no usable noise profile: {error}") from error


def write_profile(path: str | os.PathLike, profile: NoiseProfile) -> None:
    """Writes a noise profile in one step: after a crash there is the old file, the new one or none.

    Args:
        path: where it goes, such as camera.json; an older file there is replaced.
        profile: a noise profile.

    Raises:
        OSError: the file cannot be written.
    """
    path = Path(path)
    rows = zip(profile.isos, profile.shot, profile.read, strict=True)
    description = {
        "format": FORMAT,
        "version": VERSION,
        "name": profile.name,
        "notes": profile.notes,
        "noise": [
            {"iso": int(iso), "shot": [*map(float, shot)], "read": [*map(float, read)]}
            for iso, shot, read in rows
        ],
    }
    if not profile.notes:
        del description["notes"]
    short = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
    temporary = path.with_name(f".{short}.writing")
    try:
        with temporary.open("wb") as file:
            file.write((json.dumps(description, indent=1) + "\n").encode())
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; of a key that comes twice, Python would keep the last without a word."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {_shown(key)} comes twice in one object")
        found[key] = value
    return found


def _profile(found: Any) -> NoiseProfile:
    """The profile of what a JSON file holds."""
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise UsageError(f'its "format" is not "{FORMAT}": give a file of that format.')
    version = found.get("version")
    if isinstance(version, bool) or not isinstance(version, int) or not 1 <= version <= VERSION:
        raise UsageError(
            f"it has version {_shown(version)}, and this jaxnoise reads version 1 to {VERSION}: "
            "use the jaxnoise that wrote it."
        )
    _check_keys(found, _KEYS, optional=("notes",), where="the profile")
    rows = found["noise"]
    if not isinstance(rows, list) or not 1 <= len(rows) <= MAX_ISOS:
        raise UsageError(f'"noise" must be a list of 1 to {MAX_ISOS} objects, one an ISO number.')
    for row in rows:
        if not isinstance(row, dict):
            raise UsageError(f'"noise" holds {_shown(row)}: give objects of iso, shot and read.')
        _check_keys(row, _ROW_KEYS, where=f'an object of "noise" (iso {_shown(row.get("iso"))})')
        _check_isos((row["iso"],))
    rows = sorted(rows, key=lambda row: row["iso"])
    isos = tuple(int(row["iso"]) for row in rows)
    shot, read = (tuple(_four(kind, row) for row in rows) for kind in ("shot", "read"))
    name, notes = found["name"], found.get("notes", "")
    _check_text(name, notes)
    return NoiseProfile(name, isos, shot, read, notes)


def _check_keys(found: dict, known: tuple[str, ...], *, optional=(), where: str) -> None:
    unknown = sorted(set(found) - set(known))
    if unknown:
        raise UsageError(
            f"{where} has the key {_shown(unknown[0])}, which means nothing: use "
            f"{', '.join(known)}."
        )
    missing = [key for key in known if key not in found and key not in optional]
    if missing:
        raise UsageError(f"{where} lacks the key {missing[0]}: add it.")


def _four(kind: str, row: dict[str, Any]) -> PerChannel:
    """Variances of the four channels; one number stands for all."""
    value = row[kind]
    values = tuple(value) if isinstance(value, list) else (value,) * len(CHANNELS)
    _check_variances(kind, row["iso"], values)
    return tuple(map(float, values))


def _check_text(name: Any, notes: Any) -> None:
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise UsageError(
            f"the name of a camera is one line of 1 to {MAX_NAME} characters, not {_shown(name)}."
        )
    if not isinstance(notes, str) or len(notes) > MAX_NOTES:
        raise UsageError(f"notes are a text of at most {MAX_NOTES:,} characters.")


def _check_isos(isos: Any) -> None:
    if not isinstance(isos, tuple) or not isos:
        raise UsageError("ISO numbers are a tuple of at least one: give one for each row.")
    for iso in isos:
        if not _is_number(iso) or not 0 <= iso <= MAX_ISO or iso != int(iso):
            raise UsageError(
                f"an ISO number is a whole number from 0 (not stated) to {MAX_ISO:,}, not "
                f"{_shown(iso)}."
            )
    for one, other in zip(isos, isos[1:], strict=False):
        if one == other:
            raise UsageError(f"ISO {one} comes twice: give each ISO number once.")
        if one > other:
            raise UsageError(f"ISO {other} comes after {one}: give ISO numbers in ascending order.")


def _check_variances(kind: str, iso: int, row: Any) -> None:
    if not isinstance(row, tuple) or len(row) != len(CHANNELS):
        raise UsageError(
            f"{kind} noise at ISO {iso} is {_shown(row)}: give one number, or one for each of "
            f"{', '.join(CHANNELS)}."
        )
    for value in row:
        if not _is_number(value) or not 0 <= value < PLAUSIBLE:
            raise UsageError(
                f"{kind} noise at ISO {iso} has a variance from 0 to below 1, where full scale is "
                f"1, not {_shown(value)}: divide by the white minus the black level (read noise by "
                "its square)."
            )


def _is_number(value: Any) -> bool:
    """Whether a value is a finite real number; whole ones of JSON may be beyond all floats."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return False
    return abs(value) <= MAX_ISO if isinstance(value, int) else math.isfinite(value)


def _shown(value: Any) -> str:
    """What was found, short enough for a sentence."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _interpolated(
    weights: Float[np.ndarray, "*n k"], rows: tuple[PerChannel, ...]
) -> Float[np.ndarray, "*n 4"]:
    """Rows in the mean of the weights, at most two of which are above 0."""
    table = np.asarray(rows, np.float64)
    with np.errstate(divide="ignore"):
        logs = np.log(table)
    touches_zero = (weights @ (table == 0)) > 0
    geometric = np.exp(weights @ np.where(table > 0, logs, 0.0))
    return np.where(touches_zero, weights @ table, geometric)
