"""Noise of trained models for `jaxnoise sample`: of a camera and ISO number, or of a level."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxnoise.cli._models import Opened, open_model
from jaxnoise.cli._sample_sources import PACKED, SCALE, Source, any_of, iso_of, words_of
from jaxnoise.errors import UsageError
from jaxnoise.io.noise_profile import NoiseProfile, variance
from jaxnoise.tiles import Band, Progress, RowSource


@dataclass(frozen=True)
class Wanted:
    """What the options say of a model's noise; None where they say nothing.

    Attributes:
        camera: its name.
        iso: ISO number, of a camera that the model or the profile knows.
        sigma: level on the scale of 255.
        profile: of a camera, which gives the level at each pixel.
        temperature: factor on the latent.
        seed: of the noise.
        rows: of an image that are worked on at a time.
    """

    camera: str | None
    iso: float | None
    sigma: float | None
    profile: NoiseProfile | None
    temperature: float
    seed: int
    rows: int | None


def open_noise(folder: Path, wanted: Wanted, *, max_bytes: int) -> Source:
    """The noise of a model, which knows cameras or takes a level.

    Args:
        folder: of the model.
        wanted: what the options say.
        max_bytes: that the model's tensors may take.

    Raises:
        UsageError: the model makes no noise, or needs other options.
        DataError: the folder is damaged, holds no model or one that is too large.
    """
    from jaxnoise.image_protocols import ImageSampler, SigmaImageSampler

    opened = open_model(folder, ImageSampler, SigmaImageSampler, max_bytes=max_bytes)
    model: Any = opened.model
    if isinstance(model, SigmaImageSampler):
        return LevelNoise(opened, wanted)
    return CameraNoise(opened, wanted)


class _ModelNoise(Source):
    """What the noise of all models has in common."""

    def __init__(self, opened: Opened[Any], wanted: Wanted):
        import jax

        self._opened, self._wanted = opened, wanted
        self._key = jax.random.key(wanted.seed)
        self.channels = opened.config.channels

    def bands(self, name: str, clean: RowSource, progress: Progress) -> Iterator[Band]:
        """Noise of an image, rows by rows; see `Source.bands`."""
        import jax

        opened = self._opened
        key = self._key
        for word in words_of(name):
            key = jax.random.fold_in(key, word)
        return opened.model.sample_bands(
            key,
            opened.variables,
            opened.config,
            clean,
            *self._conditions(clean),
            temperature=self._wanted.temperature,
            rows=self._wanted.rows,
            progress=progress,
        )

    def _conditions(self, clean: RowSource) -> tuple[Any, ...]:
        """What the model is told beside the clean image."""
        raise NotImplementedError


class CameraNoise(_ModelNoise):
    """Noise of a trained model for one camera and ISO."""

    def __init__(self, opened: Opened[Any], wanted: Wanted):
        from jaxnoise.conditions import NOT_STATED, check_conditions

        super().__init__(opened, wanted)
        for option in ("sigma", "profile"):
            if getattr(wanted, option) is not None:
                raise UsageError(
                    f"this model knows the noise of cameras: give --camera and --iso instead of "
                    f"--{option}."
                )
        cameras, isos = opened.config.cameras, opened.config.isos
        camera, iso = wanted.camera, wanted.iso
        if camera is None and len(cameras) > 1:
            raise UsageError(f"this model knows several cameras: give --camera {any_of(cameras)}.")
        if camera is not None and camera not in cameras:
            raise UsageError(f"camera {camera} is unknown to this model: use {any_of(cameras)}.")
        if iso is None and len(isos) > 1:
            stated = [value for value in isos if value != NOT_STATED]
            raise UsageError(f"this model knows several ISO numbers: give --iso {any_of(stated)}.")
        camera = cameras[0] if camera is None else camera
        self._iso = float(isos[0] if iso is None else iso)
        self._camera = cameras.index(camera)
        check_conditions(self._camera, self._iso, cameras=cameras, isos=isos)
        at_iso = "ISO not stated" if self._iso == NOT_STATED else f"ISO {self._iso:g}"
        self.description = f"the noise of {camera} at {at_iso}"

    def _conditions(self, clean: RowSource) -> tuple[Any, ...]:
        return self._camera, self._iso


class LevelNoise(_ModelNoise):
    """Noise of a trained model of one level everywhere, or of that of a camera's profile."""

    def __init__(self, opened: Opened[Any], wanted: Wanted):
        super().__init__(opened, wanted)
        # It has learnt from mosaics of photographs, as these of RGB images are.
        self.photographs = self.channels == PACKED
        sigma, profile = wanted.sigma, wanted.profile
        if wanted.camera is not None:
            raise UsageError(
                "this model knows no cameras: give --sigma, or --profile and --iso, instead of "
                "--camera."
            )
        if profile is None:
            if sigma is None or wanted.iso is not None:
                raise UsageError(
                    "this model makes noise of any level: give --sigma, a standard deviation on "
                    "the scale of 255, or a camera's --profile and --iso."
                )
            self._at_iso = None
            self.description = f"the model's noise of sigma {sigma:g} of 255"
            return
        if not self.photographs:
            raise UsageError(
                f"a noise profile is of the {PACKED} channels of packed raw, and this model takes "
                f"{self.channels}: give --sigma."
            )
        iso = iso_of(profile, wanted.iso)
        self._at_iso = tuple(each.astype(np.float32) for each in profile.at(iso))
        self.linear = True
        self.description = f"the model's noise of the level of {profile.name} at ISO {iso:g}"

    def _conditions(self, clean: RowSource) -> tuple[Any, ...]:
        if self._at_iso is None:
            assert self._wanted.sigma is not None
            return (self._wanted.sigma / SCALE,)
        return (_Levels(clean, *self._at_iso),)


class _Levels:
    """The level of the noise at each pixel of an image, of which only rows are made."""

    def __init__(self, clean: RowSource, shot: np.ndarray, read: np.ndarray):
        self._clean, self._at_iso, self.shape = clean, (shot, read), clean.shape

    def __getitem__(self, rows: slice) -> np.ndarray:
        level = variance(self._clean[rows], *self._at_iso)
        return np.sqrt(level, out=level)
