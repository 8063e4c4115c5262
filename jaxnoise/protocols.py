"""What a density, a sampler and a denoiser is: a few functions, stated once.

Models are modules, so a module is what fulfils a protocol: `isinstance(module, Density)` asks
whether a model states densities. `jaxnoise.models.require` asks that of a model by its name, and
says in a sentence what the model lacks.

In all of them `config` is the model's own `Config` and `variables` what it stores; images are (N,
H, W, C), fractions of full scale; `noise` is `noisy - clean`; `camera` (N,) indexes
`config.cameras`, and `iso` (N,) holds ISO numbers; `valid` (N, H, W, 1) is True where a pixel
counts, and None where all do.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Num

from jaxnoise import tiles
from jaxnoise.curve import VARIANCE_FLOOR


@runtime_checkable
class Density(Protocol):
    """States how likely noise is, given clean images and the conditions of the shot."""

    def log_prob(
        self,
        variables: Any,
        config: Any,
        noise: Float[Array, "n h w c"],
        clean: Float[Array, "n h w c"],
        camera: Num[Array, " n"],
        iso: Num[Array, " n"],
        *,
        valid: Bool[Array, "n h w 1"] | None = None,
    ) -> Float[Array, " n"]:
        """Log density of noise (N, H, W, C) in evaluation mode, nats per image, shape (N,); with
        `valid` that of the noise at the pixels that count, whatever the others hold.
        """
        ...


@runtime_checkable
class Sampler(Protocol):
    """Makes noise for clean images and the conditions of the shot."""

    def sample(
        self,
        key: Array,
        variables: Any,
        config: Any,
        clean: Float[Array, "n h w c"],
        camera: Num[Array, " n"],
        iso: Num[Array, " n"],
        *,
        temperature: Any = 1.0,
    ) -> Float[Array, "n h w c"]:
        """Noise (N, H, W, C) from a `jax.random.key`; the temperature scales the randomness."""
        ...


@runtime_checkable
class ImageSampler(Protocol):
    """Makes noise for one image of any size, worked on in parts."""

    def sample_image(
        self,
        key: Array,
        variables: Any,
        config: Any,
        clean: Float[np.ndarray, "h w c"],
        camera: int,
        iso: float,
        *,
        temperature: float = 1.0,
        rows: int | None = None,
        progress: tiles.Progress | None = None,
    ) -> Float[np.ndarray, "h w c"]:
        """Noise (H, W, C), float32; `rows` of the image are worked on at a time."""
        ...

    def sample_bands(
        self,
        key: Array,
        variables: Any,
        config: Any,
        clean: tiles.RowSource,
        camera: int,
        iso: float,
        *,
        temperature: float = 1.0,
        rows: int | None = None,
        progress: tiles.Progress | None = None,
    ) -> Iterator[tiles.Band]:
        """The same noise, rows by rows from the top; rows of the clean image are asked for once,
        before noise for them is given.
        """
        ...


@runtime_checkable
class Denoiser(Protocol):
    """Estimates clean images from noisy ones."""

    def denoise(
        self, variables: Any, config: Any, noisy: Float[Array, "n h w c"]
    ) -> Float[Array, "n h w c"]:
        """The estimate (N, H, W, C) in evaluation mode, not clipped."""
        ...


@runtime_checkable
class ImageDenoiser(Protocol):
    """Estimates one clean image of any size, worked on in parts."""

    def denoise_image(
        self,
        variables: Any,
        config: Any,
        noisy: Float[np.ndarray, "h w c"],
        *,
        rows: int | None = None,
        progress: tiles.Progress | None = None,
        devices: Sequence[jax.Device] | None = None,
    ) -> Float[np.ndarray, "h w c"]:
        """The estimate (H, W, C), float32, not clipped; `rows` are worked on at a time.

        Where `devices` are named, each of them works on a part of its own.
        """
        ...

    def denoise_bands(
        self,
        variables: Any,
        config: Any,
        noisy: tiles.RowSource,
        *,
        rows: int | None = None,
        progress: tiles.Progress | None = None,
        devices: Sequence[jax.Device] | None = None,
    ) -> Iterator[tiles.Band]:
        """The same estimate, rows by rows from the top; rows of the noisy image are asked for
        before the estimate of them is given.
        """
        ...


@runtime_checkable
class Fitted(Protocol):
    """A simple noise model, whose variables are fitted to noise in one step.

    Its `Config` takes `channels`, `cameras` and `isos`.
    """

    Config: Any

    def fit(
        self,
        config: Any,
        noise: Float[Array, "n h w c"],
        clean: Float[Array, "n h w c"],
        camera: Num[Array, " n"],
        iso: Num[Array, " n"],
        *,
        valid: Bool[Array, "n h w 1"] | None = None,
        variance_floor: float = VARIANCE_FLOOR,
    ) -> Any:
        """Variables that fit the noise (N, H, W, C) at the pixels that count, no variance below the
        floor.
        """
        ...


@runtime_checkable
class TrainedModel(Protocol):
    """A model whose variables are trained: it starts from a key, and its size can be told."""

    Config: Any

    def init(self, key: Array, config: Any) -> Any:
        """Fresh variables from a `jax.random.key`: a dictionary with `params` or of such."""
        ...

    def parameter_count(self, variables: Any) -> int:
        """Number of trained scalars."""
        ...


@runtime_checkable
class TrainedDensity(TrainedModel, Density, Sampler, Protocol):
    """A noise model that is trained by its likelihood."""

    def nll_and_update(
        self,
        variables: Any,
        config: Any,
        noise: Float[Array, "n h w c"],
        clean: Float[Array, "n h w c"],
        camera: Num[Array, " n"],
        iso: Num[Array, " n"],
        *,
        valid: Bool[Array, "n h w 1"] | None = None,
    ) -> tuple[Float[Array, " n"], Any]:
        """Negative log-likelihood in training mode, nats per image, shape (N,); the variables with
        updated batch statistics; `valid` as for `log_prob`.
        """
        ...


@runtime_checkable
class DataStarted(Protocol):
    """A model that can start at the moments of real noise instead of from a key alone."""

    def init_from_data(
        self,
        variables: Any,
        config: Any,
        batch: Any,
        *,
        variance_floor: float = VARIANCE_FLOOR,
    ) -> Any:
        """Variables of the same structure that match a `jaxnoise.batch.NoiseBatch`, no variance of
        the noise below the floor.
        """
        ...


@runtime_checkable
class Described(Protocol):
    """A model with parameters that have a meaning."""

    def describe(self, variables: Any, config: Any) -> dict[str, float]:
        """Those parameters by name, as numbers to plot over training."""
        ...


@runtime_checkable
class TrainedDenoiser(TrainedModel, Denoiser, Protocol):
    """A denoiser that is trained."""

    def denoise_and_update(
        self, variables: Any, config: Any, noisy: Float[Array, "n h w c"]
    ) -> tuple[Float[Array, "n h w c"], Any]:
        """The estimate (N, H, W, C) in training mode, and the variables with updated batch
        statistics.
        """
        ...


@runtime_checkable
class CountsCells(Protocol):
    """A density that states whole cells of pixels, of which one that does not count spoils all."""

    def counted(self, settings: Any, valid: Bool[Array, "n h w 1"]) -> Bool[Array, "n h w 1"]:
        """The pixels of which the density is, given those that count."""
        ...


def counted(
    model: Any, config: Any, valid: Bool[Array, "n h w 1"] | None
) -> Bool[Array, "n h w 1"] | None:
    """The pixels of which a model's `log_prob` is the density.

    Args:
        model: a `Density`.
        config: its `Config`.
        valid: shape (N, H, W, 1), True where a pixel counts; None: all do.

    Returns:
        The same, but for models that squeeze pixels into cells.
    """
    if valid is None or not isinstance(model, CountsCells):
        return valid
    return model.counted(config, valid)


class Ability(NamedTuple):
    """What fulfilling a protocol means, to be read in a sentence about a model.

    Attributes:
        protocol: one of this file.
        does: what a model does that fulfils it.
        lacks: what is said of one that does not.
    """

    protocol: type
    does: str
    lacks: str


ABILITIES = (
    Ability(Sampler, "makes noise", "makes no noise"),
    Ability(ImageSampler, "makes noise for images of any size", "makes no noise for images"),
    Ability(Density, "states the density of noise", "states no density of noise"),
    Ability(Denoiser, "denoises images", "denoises no images"),
    Ability(ImageDenoiser, "denoises images of any size", "denoises no images"),
    Ability(TrainedModel, "is trained", "is not trained"),
    Ability(TrainedDensity, "learns by its likelihood", "does not learn by its likelihood"),
    Ability(TrainedDenoiser, "learns to denoise", "does not learn to denoise"),
    Ability(DataStarted, "starts at the moments of noise", "does not start at moments of noise"),
    Ability(Described, "describes its parameters", "has no parameters with a meaning"),
)
"""Everything that is asked of models by name."""


def what_it_lacks(protocol: type) -> str:
    """What is said of a model that does not fulfil a protocol.

    Args:
        protocol: one of `ABILITIES`.

    Returns:
        The words, to follow a name.
    """
    return next(ability.lacks for ability in ABILITIES if ability.protocol is protocol)
