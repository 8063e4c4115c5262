"""What a density, a sampler, a denoiser and an encoder is: a few functions, stated once.

Models are modules, so a module is what fulfils a protocol: `isinstance(module, Density)` asks
whether a model states densities. `jaxnoise.models.require` asks that of a model by its name, and
says in a sentence what the model lacks. Samplers by camera and ISO number and samplers by level
have functions of the same names, which are told apart by whether they take a `sigma`. What works on
one image of any size is in `jaxnoise.image_protocols`.

In all of them `config` is the model's own `Config` and `variables` what it stores; images are (N,
H, W, C), fractions of full scale; `noise` is `noisy - clean`; `camera` (N,) indexes
`config.cameras`, and `iso` (N,) holds ISO numbers; `valid` (N, H, W, 1) is True where a pixel
counts, and None where all do. `sigma` is a standard deviation of noise, a fraction of full scale.
"""

import inspect
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Array, Bool, Float, Num

from jaxnoise.curve import VARIANCE_FLOOR


class BySigma(type(Protocol)):
    """Tells samplers apart that have functions of the same names."""

    def __instancecheck__(cls, instance: Any) -> bool:
        """Whether the functions are there, and take a `sigma` where those of the protocol do."""
        return super().__instancecheck__(instance) and all(
            _takes_sigma(getattr(instance, name)) == _takes_sigma(getattr(cls, name))
            for name in ("sample", "sample_bands", "sample_image")
            if hasattr(cls, name)
        )


def _takes_sigma(function: Any) -> bool:
    return "sigma" in inspect.signature(function).parameters


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
class Sampler(Protocol, metaclass=BySigma):
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
class SigmaSampler(Protocol, metaclass=BySigma):
    """Makes noise of a given level, for clean images."""

    def sample(
        self,
        key: Array,
        variables: Any,
        config: Any,
        clean: Float[Array, "n h w c"],
        sigma: Num[Array, " n"] | Num[Array, "n h w c"],
        *,
        temperature: Any = 1.0,
    ) -> Float[Array, "n h w c"]:
        """Noise (N, H, W, C) from a `jax.random.key`; `sigma` is one number above 0 an image, or
        one a pixel, where 0 means none; the temperature scales the randomness.
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
class Restorer(Protocol):
    """Makes colour images of what a camera or a file has left of them."""

    def restore(
        self, variables: Any, config: Any, degraded: Float[Array, "n h w c"]
    ) -> Float[Array, "n h2 w2 3"]:
        """The estimate (N, F H, F W, 3) in evaluation mode, not clipped; F is a whole number."""
        ...


@runtime_checkable
class Backbone(Protocol):
    """Lends all but its last layer to other tasks."""

    def features(
        self, variables: Any, config: Any, images: Float[Array, "n h w c"], *, train: bool = False
    ) -> tuple[Float[Array, "n h2 w2 d"], Any]:
        """What the last layer sees (N, H', W', D) of images that may be continued below and to the
        right, D being `config.last_width`, and the variables; the last layer's are not needed.
        """
        ...

    def last_layer(self, config: Any) -> str:
        """The name of the last layer among the parameters."""
        ...


@runtime_checkable
class Encoder(Protocol):
    """Turns colour images into maps of features, by which losses compare images.

    It is an object that says which network it is and can be hashed, as a static argument of jit;
    its weights are an argument, which a training keeps in `Task.fixed`.
    """

    def encode(
        self, variables: Any, images: Float[Array, "n h w 3"]
    ) -> tuple[Float[Array, "n i j k"], ...]:
        """Maps of features, each of a resolution (I, J) and a number of features K of its own, of
        images R, G, B in which photographs lie in [0, 1]; other values are taken as they are.
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
class TrainedRestorer(TrainedModel, Restorer, Protocol):
    """A restorer that is trained."""

    def restore_and_update(
        self, variables: Any, config: Any, degraded: Float[Array, "n h w c"]
    ) -> tuple[Float[Array, "n h2 w2 3"], Any]:
        """The estimate (N, F H, F W, 3) in training mode, and the variables with updated batch
        statistics.
        """
        ...


@runtime_checkable
class TrainedSigmaSampler(TrainedModel, SigmaSampler, Protocol):
    """A sampler by level that is trained by what its noise is like."""

    def sample_and_update(
        self,
        key: Array,
        variables: Any,
        config: Any,
        clean: Float[Array, "n h w c"],
        sigma: Num[Array, " n"] | Num[Array, "n h w c"],
    ) -> tuple[Float[Array, "n h w c"], Any]:
        """Noise (N, H, W, C) in training mode, and the variables with updated batch statistics."""
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
