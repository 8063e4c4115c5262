"""A trained model as one object: cameras by name, single images or batches, compiled inside."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Num

from jaxnoise import models
from jaxnoise.abilities import ABILITIES
from jaxnoise.checks import (
    check_fractions,
    check_key,
    check_mask,
    is_real,
    native,
    shape_of,
    type_of,
)
from jaxnoise.conditions import NOT_STATED, check_conditions
from jaxnoise.errors import UsageError
from jaxnoise.protocols import Denoiser, Density, Restorer, Sampler, SigmaSampler
from jaxnoise.sigma import checked_level

# What is not of the right shape is refused in a sentence, so these allow it.
Images = Num[Array, "..."] | Num[np.ndarray, "..."]
Mask = Bool[Array, "..."] | Bool[np.ndarray, "..."]
Camera = str | int | Sequence[str] | Sequence[int] | Array | np.ndarray
Iso = float | int | Sequence[float] | Sequence[int] | Array | np.ndarray
Sigma = float | int | Sequence[float] | Sequence[int] | Array | np.ndarray

METHODS = {
    "sample": (Sampler, SigmaSampler),
    "log_prob": (Density,),
    "denoise": (Denoiser,),
    "restore": (Restorer,),
}
"""What each method needs of the model: one of these."""


class Loaded:
    """A trained model, ready to use.

    Its methods are those of the model's module with the configuration and the variables filled in.
    They take single images (H, W, C) or batches (N, H, W, C), and are compiled once for each shape.

    Attributes:
        name: the model's name, as in `jaxnoise.models.get(name)`.
        config: that model's `Config`.
        variables: nested dictionaries of arrays.
    """

    def __init__(self, name: str, config: Any, variables: dict[str, Any]):
        """Makes a model of its parts.

        Args:
            name: as in `jaxnoise.models.get(name)`.
            config: that model's `Config`.
            variables: from its `init`, or trained.
        """
        self.name, self.config, self.variables = name, config, variables

    def __repr__(self) -> str:
        return f"<{self.name} that {self._abilities()}, {self.config}>"

    def sample(
        self,
        clean: Images,
        *,
        key: Any,
        camera: Camera | None = None,
        iso: Iso | None = None,
        sigma: Sigma | None = None,
        temperature: float | Array = 1.0,
    ) -> Float[Array, "..."]:
        """Noise for clean images: add it to them, and clip to [0, 1] if the sensor does.

        Models of cameras take a camera and an ISO number, and models of any level a sigma.

        Args:
            clean: shape (H, W, C) or (N, H, W, C), fraction of full scale.
            key: a `jax.random.key`; the same key gives the same noise.
            camera: name, or index into `config.cameras`, of all images or one for each; may be left
                out where the model knows only one.
            iso: ISO number of all images or one for each; may be left out likewise.
            sigma: level of the noise, as a standard deviation in the unit of `clean` (20 of 255 is
                20 / 255): one number above 0 for all images, one for each, or one for each pixel,
                in the shape of `clean`, where 0 means none.
            temperature: factor on the latent; 1 samples the modelled distribution.

        Returns:
            Noise of the shape and unit of `clean`, that of the module's `sample` for this key; NaN
            for unknown conditions inside the caller's jit.

        Raises:
            UsageError: the model makes no noise, does not know the camera or the ISO number, takes
                a sigma instead of these or these instead of it, or takes other images.
        """
        model = self._require("sample")
        batch, single = self._batch(clean, "clean")
        if isinstance(model, SigmaSampler):
            if camera is not None or iso is not None:
                raise UsageError(
                    f"this model is a {self.name}, which knows no cameras and no ISO numbers: give "
                    "sigma, the level of the noise."
                )
            conditions = (_level(sigma, batch, single=single),)
        else:
            if sigma is not None:
                raise UsageError(
                    f"this model is a {self.name}, whose noise has the level of a camera: give "
                    "camera and iso instead of sigma."
                )
            conditions = self._conditions(camera, iso, batch)
        check_key(key)
        given = key, self.variables, batch, *conditions
        noise = _sample(*given, temperature=temperature, model=model, config=self.config)
        return noise[0] if single else noise

    def log_prob(
        self,
        noise: Images,
        clean: Images,
        *,
        camera: Camera | None = None,
        iso: Iso | None = None,
        valid: Mask | None = None,
    ) -> Float[Array, "..."]:
        """Log density of noise given clean images.

        Args:
            noise: `noisy - clean`, shape (H, W, C) or (N, H, W, C), fraction of full scale.
            clean: same shape and unit.
            camera: as for `sample`.
            iso: as for `sample`.
            valid: shape (H, W, 1) or (N, H, W, 1), booleans, True where a pixel counts; what the
                others hold does not matter. None: all do.

        Returns:
            Nats per image, shape () or (N,); NaN for unknown conditions inside the caller's jit.

        Raises:
            UsageError: the model states no density, does not know the camera or the ISO number, or
                takes other images.
        """
        model = self._require("log_prob")
        batch, single = self._batch(clean, "clean")
        residual, _ = self._batch(noise, "noise")
        if residual.shape != batch.shape:
            raise UsageError(
                f"noise has shape {np.shape(noise)} and clean {np.shape(clean)}: give both the "
                "same."
            )
        conditions = self._conditions(camera, iso, batch)
        mask = None if valid is None else _mask(valid, batch, single=single)
        arguments = self.variables, residual, batch, *conditions, mask
        nats = _log_prob(*arguments, model=model, config=self.config)
        return nats[0] if single else nats

    def denoise(self, noisy: Images) -> Float[Array, "..."]:
        """The estimate of clean images.

        Args:
            noisy: shape (H, W, C) or (N, H, W, C), fraction of full scale.

        Returns:
            Same shape and unit, not clipped.

        Raises:
            UsageError: the model denoises no images, or takes other ones.
        """
        model = self._require("denoise")
        batch, single = self._batch(noisy, "noisy")
        estimate = _denoise(self.variables, batch, model=model, config=self.config)
        return estimate[0] if single else estimate

    def restore(self, degraded: Images) -> Float[Array, "..."]:
        """The estimate of clean colour images, by the task that the model was trained for.

        Args:
            degraded: shape (H, W, C) or (N, H, W, C), fraction of full scale: 3 channels of a
                colour image, or 4 of packed raw in R, Gr, Gb, B order, as `config.task` says.

        Returns:
            Shape (F H, F W, 3) or (N, F H, F W, 3) with F 2 or 4, `config.factor`; same unit, not
            clipped.

        Raises:
            UsageError: the model restores no images, or takes other ones.
        """
        model = self._require("restore")
        batch, single = self._batch(degraded, "degraded")
        estimate = _restore(self.variables, batch, model=model, config=self.config)
        return estimate[0] if single else estimate

    def _abilities(self) -> str:
        """What the model does, in words."""
        module = models.get(self.name)
        asked = {protocol for protocols in METHODS.values() for protocol in protocols}
        does = [
            ability.does
            for ability in ABILITIES
            if ability.protocol in asked and isinstance(module, ability.protocol)
        ]
        return _joined(does, "and") if does else "does nothing that is asked of it here"

    def _require(self, method: str) -> Any:
        """The module, which has the method."""
        module, protocols = models.get(self.name), METHODS[method]
        if isinstance(module, protocols):
            return module
        able = [name for name in models.names() if isinstance(models.get(name), protocols)]
        raise UsageError(
            f"this model is a {self.name}, which {self._abilities()}, and has no {method}: load a "
            f"{_joined(able, 'or')} model."
        )

    def _batch(self, images: Images, name: str) -> tuple[Array, bool]:
        """The images with a batch axis, and whether they had none."""
        shape, channels = shape_of(images), self.config.channels
        if len(shape) not in (3, 4) or shape[-1] != channels or 0 in shape[-3:]:
            raise UsageError(
                f"this model takes images of shape (height, width, {channels}), or a batch of "
                f"them, and {name} has shape {shape}."
            )
        check_fractions(**{name: images})
        batch = jnp.asarray(native(images), jnp.result_type(float))
        return (batch[None], True) if len(shape) == 3 else (batch, False)

    def _conditions(
        self, camera: Camera | None, iso: Iso | None, batch: Array
    ) -> tuple[Array, Array]:
        """Camera indices and ISO numbers, one per image."""
        cameras, isos = self.config.cameras, self.config.isos
        if camera is None and len(cameras) > 1:
            raise UsageError(
                f"this model knows several cameras: give camera={_joined(cameras, 'or')}."
            )
        if iso is None and len(isos) > 1:
            stated = [str(value) for value in isos if value != NOT_STATED]
            raise UsageError(
                f"this model knows several ISO numbers: give iso={_joined(stated, 'or')}."
            )
        indices = _camera_indices(0 if camera is None else camera, cameras)
        numbers = isos[0] if iso is None else iso
        for name, values in (("camera", indices), ("iso", numbers)):
            if np.shape(values) not in ((), batch.shape[:1]):
                raise UsageError(
                    f"{name} has shape {np.shape(values)}: give one for all {len(batch)} "
                    "image(s), or one for each."
                )
        check_conditions(indices, numbers, cameras=cameras, isos=isos)
        indices = jnp.asarray(indices, jnp.result_type(int))
        numbers = jnp.asarray(numbers, jnp.result_type(float))
        shape = batch.shape[:1]
        return jnp.broadcast_to(indices, shape), jnp.broadcast_to(numbers, shape)


def _mask(valid: Mask, batch: Array, *, single: bool) -> Array:
    """The mask with a batch axis."""
    check_mask(valid, batch.shape[1:] if single else batch.shape)
    return jnp.asarray(valid).reshape(*batch.shape[:3], 1)


def _level(sigma: Sigma | None, batch: Array, *, single: bool) -> Array:
    """A level for each image or for each of its pixels."""
    if sigma is None:
        raise UsageError(
            "this model makes noise of any level: give sigma, a standard deviation in the unit of "
            "the images, such as 20 / 255."
        )
    shape, wanted = shape_of(sigma), batch.shape[1:] if single else batch.shape
    if shape not in ((), batch.shape[:1], wanted) or not is_real(sigma):
        raise UsageError(
            f"sigma has shape {shape} and type {type_of(sigma)}: give one number for all "
            f"{len(batch)} image(s), one for each, or one for each pixel, shape {wanted}."
        )
    level = jnp.asarray(native(sigma), batch.dtype)
    whole = batch.shape[:1] if len(shape) < 2 else batch.shape
    return checked_level(jnp.broadcast_to(level, whole), batch)


def _camera_indices(camera: Camera, cameras: tuple[str, ...]) -> Any:
    """Indices of cameras that may be named."""
    if isinstance(camera, str):
        if camera not in cameras:
            raise UsageError(
                f"camera {camera} is unknown to this model: use {_joined(cameras, 'or')}."
            )
        return cameras.index(camera)
    if isinstance(camera, Sequence):
        return np.array([_camera_indices(one, cameras) for one in camera])
    if isinstance(camera, np.ndarray) and camera.dtype.kind in "UO":
        return _camera_indices([str(one) for one in camera.ravel()], cameras).reshape(camera.shape)
    return camera


def _joined(words: Sequence[str], last: str) -> str:
    """Words in a sentence, with a word before the last of them."""
    *others, final = words
    return f"{', '.join(others)} {last} {final}" if others else final


# The configuration and the module pick the program; everything else is an argument of it.
@partial(jax.jit, static_argnames=("model", "config"))
def _sample(key, variables, clean, *conditions, temperature, model, config):
    return model.sample(key, variables, config, clean, *conditions, temperature=temperature)


@partial(jax.jit, static_argnames=("model", "config"))
def _log_prob(variables, noise, clean, camera, iso, valid, *, model, config):
    masked = {} if valid is None else {"valid": valid}
    return model.log_prob(variables, config, noise, clean, camera, iso, **masked)


@partial(jax.jit, static_argnames=("model", "config"))
def _denoise(variables, noisy, *, model, config):
    return model.denoise(variables, config, noisy)


@partial(jax.jit, static_argnames=("model", "config"))
def _restore(variables, degraded, *, model, config):
    return model.restore(variables, config, degraded)
