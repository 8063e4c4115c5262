"""A network as training uses it: a denoiser of photographs, or one for another task."""

from dataclasses import dataclass
from typing import Any

import jax

from jaxnoise import models
from jaxnoise.tasks import RAW, RGB

DENOISER, RCL = "denoiser", "rcl"
TASK_OF_RAW = "jdd"
"""Joint demosaicing and denoising: from packed noisy raw to a colour image of full resolution."""


@dataclass(frozen=True)
class Network:
    """A model as training uses it; static under jit.

    Attributes:
        model: its name in the registry: "denoiser", or "rcl" for any other task than that.
        settings: its configuration.
    """

    model: str
    settings: Any

    @property
    def raw(self) -> bool:
        """Whether it takes packed raw."""
        return self.model == RCL and self.settings.channels == RAW

    def init(self, seed: int) -> Any:
        """Fresh variables."""
        return models.get(self.model).init(jax.random.key(seed), self.settings)

    def estimate(self, variables: Any, noisy: jax.Array, *, train: bool) -> tuple[jax.Array, Any]:
        """The estimate of the clean images, and the variables with the statistics of the batch.

        Args:
            variables: of the model.
            noisy: (N, H, W, 3), or (N, H, W, 4) packed raw, fraction of full scale.
            train: whether batch normalisation takes the statistics of this batch.

        Returns:
            (N, H, W, 3) for RGB, (N, 2 H, 2 W, 3) for raw, same unit; and the variables.
        """
        model: Any = models.get(self.model)
        verb = "restore" if self.model == RCL else "denoise"
        if train:
            return getattr(model, f"{verb}_and_update")(variables, self.settings, noisy)
        return getattr(model, verb)(variables, self.settings, noisy), variables

    def residual(self, noisy: jax.Array, estimate: jax.Array) -> jax.Array:
        """What the estimate takes for noise, of the shape of the noisy images.

        Source: Dong et al., Residual Contrastive Learning, Eq. 4, and Eq. 11 for raw.
        """
        return models.get(RCL).raw_residual(noisy, estimate) if self.raw else noisy - estimate


def denoiser_of(config: Any, *, channels: int) -> Any:
    """The configuration of the denoiser that options state.

    Args:
        config: options of pre-training.
        channels: of its input.

    Returns:
        A `Config` of `jaxnoise.models.denoiser`.
    """
    return models.get(DENOISER).Config(
        net=config.denoiser,
        channels=channels,
        features=config.features,
        depth=config.depth,
        share=config.share,
        normalisation=config.denoiser_normalisation,
    )


def network_of(config: Any) -> Network:
    """The network that options state.

    Args:
        config: options of pre-training.
    """
    inner = denoiser_of(config, channels=RGB if config.input == "rgb" else RAW)
    if config.input == "rgb":
        return Network(DENOISER, inner)
    return Network(RCL, models.get(RCL).Config(task=TASK_OF_RAW, denoiser=inner))
