"""The pure step of pre-training: residuals of two crops of each image, or what is compared."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from datasets.noisy_images import SHIFTS
from jaxnoise import models
from jaxnoise.losses import perceptual, squared_error
from jaxnoise.losses.mosaic2mosaic import mosaic2mosaic_error
from jaxnoise.losses.noise2self import CELL, filled_in, grid_mask, noise2self_error
from train.rcl.networks import RCL, Network

FIELDS = {
    "rcl": ("first", "second", "negatives"),
    "noise2noise": ("first", "second", "first_noisy2", "second_noisy2"),
    "noise2self": ("first", "second"),
    "mosaic2mosaic": ("first", "second", "first_noisy2", "second_noisy2", "image"),
}
"""What a step needs of a batch, by method."""
TERMS = {
    "rcl": {"loss": "loss", "contrastive": "contrastive", "consistency": "consistency"},
    **dict.fromkeys(("noise2noise", "noise2self", "mosaic2mosaic"), {"loss": "loss"}),
}
"""The loss and its terms, as they are called in metrics.jsonl, with their headings."""

Loss = Callable[..., tuple[jax.Array, tuple[dict[str, jax.Array], Any]]]
"""From (variables, fixed, batch, key, train=) to (loss, (terms, variables))."""


@dataclass(frozen=True)
class Contrast:
    """Options of the loss of RCL; static under jit.

    Attributes:
        distance: between residuals.
        alpha: weight of the contrastive term.
        temperature: of the contrastive term.
        reduction: of it over the rows.
        scale: full scale of the residuals.
        form: of the consistency of photographs, as of `jaxnoise.losses.perceptual`.
    """

    distance: str
    alpha: float
    temperature: float
    reduction: str
    scale: float
    form: str


def beside(first: jax.Array, second: jax.Array) -> jax.Array:
    """Two batches as one, each pair side by side, so that on several devices each stays where it
    is.
    """
    return jnp.stack([first, second], axis=1).reshape(-1, *first.shape[1:])


def both_crops(batch: Mapping, kind: str = "") -> jax.Array:
    """Both crops of each image of a kind, (2 N, H, W, C), the crops of an image side by side."""
    suffix = f"_{kind}" if kind else ""
    return beside(batch[f"first{suffix}"], batch[f"second{suffix}"])


def contrast_loss(
    variables: Any,
    fixed: Any,
    batch: Mapping,
    key: jax.Array,
    *,
    network: Network,
    options: Contrast,
    encoder: Any,
    train: bool,
) -> tuple[jax.Array, tuple[dict[str, jax.Array], Any]]:
    """The loss of RCL: residuals that tell images apart, estimates that look like the images.

    Args:
        variables: of the network.
        fixed: weights of the encoder; () for raw.
        batch: first and second noisy crops, and which rows are negatives of which.
        key: of the shift that consistency of raw looks at.
        network: that is trained.
        options: of the loss.
        encoder: of the consistency of photographs; None for raw.
        train: whether batch normalisation takes the statistics of this batch.

    Returns:
        The loss; its terms, and the variables.

    Source: Dong et al., Residual Contrastive Learning, Eqs. 9 to 11.
    """
    rcl: Any = models.get(RCL)
    noisy = both_crops(batch)
    estimate, variables = network.estimate(variables, noisy, train=train)
    residual = network.residual(noisy, estimate)
    if encoder is None:
        consistency = rcl.raw_consistency(noisy, estimate, key=key)
    else:
        consistency = perceptual(encoder, fixed, estimate, noisy, form=options.form)
    found = rcl.objective(
        residual[0::2],
        residual[1::2],
        consistency=consistency,
        alpha=options.alpha,
        negatives=batch["negatives"],
        distance=options.distance,
        temperature=options.temperature,
        reduction=options.reduction,
        scale=options.scale,
    )
    terms = {"contrastive": found.contrastive, "consistency": found.consistency}
    return found.total, (terms, variables)


def noise2noise_loss(
    variables: Any, fixed: Any, batch: Mapping, key: jax.Array, *, network: Network, train: bool
) -> tuple[jax.Array, tuple[dict[str, jax.Array], Any]]:
    """Mean squared error against another draw of the noise.

    Source: Noise2Noise (Lehtinen et al. 2018), Eq. 6.
    """
    del fixed, key
    estimate, variables = network.estimate(variables, both_crops(batch), train=train)
    return squared_error(estimate, both_crops(batch, "noisy2")).mean(), ({}, variables)


def noise2self_loss(
    variables: Any, fixed: Any, batch: Mapping, key: jax.Array, *, network: Network, train: bool
) -> tuple[jax.Array, tuple[dict[str, jax.Array], Any]]:
    """Mean squared error at pixels that the network does not see, one grid of them a step.

    Source: Noise2Self (Batson and Royer 2019), Section 3.
    """
    del fixed
    noisy = both_crops(batch)
    _, height, width, _ = noisy.shape
    hidden = grid_mask((height, width), jax.random.randint(key, (), 0, CELL**2))
    estimate, variables = network.estimate(variables, filled_in(noisy, hidden), train=train)
    return noise2self_error(estimate, noisy, hidden), ({}, variables)


def mosaic2mosaic_loss(
    variables: Any, fixed: Any, batch: Mapping, key: jax.Array, *, network: Network, train: bool
) -> tuple[jax.Array, tuple[dict[str, jax.Array], Any]]:
    """Mean squared error against another mosaic, whose sensor was moved as `SHIFTS` say.

    Source: Ehret et al., "Joint demosaicking and denoising by fine-tuning of bursts of raw images",
        2019, Section 3.
    """
    del fixed, key
    estimate, variables = network.estimate(variables, both_crops(batch), train=train)
    other, image = both_crops(batch, "noisy2"), beside(batch["image"], batch["image"])
    by_shift = [jax.vmap(partial(_mosaic_error, shift=shift))(estimate, other) for shift in SHIFTS]
    places = jax.nn.one_hot(image % len(SHIFTS), len(SHIFTS), axis=0)
    return (places * jnp.stack(by_shift)).sum(0).mean(), ({}, variables)


def _mosaic_error(estimate: jax.Array, other: jax.Array, *, shift: tuple[int, int]) -> jax.Array:
    return mosaic2mosaic_error(estimate[None], other[None], shift=shift)


def training_step(
    state: dict,
    fixed: Any,
    batch: Mapping,
    key: jax.Array,
    *,
    loss: Loss,
    optimiser: optax.GradientTransformation,
) -> tuple[dict, dict]:
    """The pure step.

    Args:
        state: "variables" of the network and the state of its "optimiser".
        fixed: weights of the encoder.
        batch: `FIELDS` of the method.
        key: of what the loss draws.
        loss: with its options.
        optimiser: of the parameters.

    Returns:
        The new state; metrics: "loss", its terms before their weights, and "gradient_norm".
    """

    def objective(parameters: Any) -> tuple[jax.Array, Any]:
        variables = {**state["variables"], "params": parameters}
        return loss(variables, fixed, batch, key, train=True)

    parameters = state["variables"]["params"]
    (total, (terms, updated)), gradient = jax.value_and_grad(objective, has_aux=True)(parameters)
    updates, optimiser_state = optimiser.update(gradient, state["optimiser"], parameters)
    variables = {**updated, "params": optax.apply_updates(parameters, updates)}
    metrics = {"loss": total, **terms, "gradient_norm": optax.tree.norm(gradient)}
    return {"variables": variables, "optimiser": optimiser_state}, metrics
