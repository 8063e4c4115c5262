"""The pure step of CoNo: the noise of two crops of each image, and what it is to be like."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import NamedSharding, PartitionSpec

from jaxnoise import models
from jaxnoise.interop import open_encoder
from jaxnoise.io.noise_profile import variance
from jaxnoise.losses import perceptual
from jaxnoise.raw.rendering import packed_to_rgb
from train.cono.levels import FULL_SCALE, levels_of
from train.engine.devices import shard
from train.engine.system import Run, Task, Validation
from train.steps.optimisers import ADAM_EPSILON, adam

TERMS = {
    "contrastive": "contrastive",
    "perceptual": "perceptual",
    "alignment": "alignment of moments",
}
"""Terms of the loss, as they are called in metrics.jsonl, with their headings."""
FIELDS = ("first", "second", "negatives", "shot", "read")
"""What a step needs of a batch."""
OF_SIGMA, OF_CAMERA = 100.0, 30.0
"""Weights of the alignment to one level for all, and to a camera's noise at every intensity."""
LINEAR = 2.2
"""Gamma of images that are linear in light."""
TOO_FAR = 0.2
"""Part of the standard deviation asked for by which the noise of a training that failed misses."""


def level_map(clean: jax.Array, shot: jax.Array, read: jax.Array) -> jax.Array:
    """The standard deviation that is asked for at each pixel.

    Args:
        clean: (N, H, W, 4), fraction of full scale.
        shot: (N, 4), variance for each unit of `clean`.
        read: (N, 4), variance besides, in squared units of full scale.
    """
    return jnp.sqrt(variance(clean, shot, read))


def beside(first: jax.Array, second: jax.Array) -> jax.Array:
    """Two batches as one, each pair side by side, so that on several devices each stays where it
    is.
    """
    return jnp.stack([first, second], axis=1).reshape(-1, *first.shape[1:])


def one_green(packed: jax.Array) -> jax.Array:
    """Packed raw whose greens are both the first one in first crops, and the second in second ones.

    What shows the mean of both greens does not see noise that lies in their difference, where
    training would then put it.

    Args:
        packed: (2 N, H, W, 4), the crops of an image side by side.
    """
    first, second = np.array([0, 1, 1, 3]), np.array([0, 2, 2, 3])
    return beside(packed[0::2][..., first], packed[1::2][..., second])


def noise_of_pairs(
    variables: Any, batch: Mapping, key: jax.Array, *, settings: Any, train: bool
) -> tuple[jax.Array, jax.Array, jax.Array, Any]:
    """Noise of the crops of a batch.

    Args:
        variables: of the generator.
        batch: `FIELDS`.
        key: of the noise.
        settings: configuration of the generator.
        train: whether batch normalisation takes the statistics of this batch.

    Returns:
        Noise, clean images and levels, each (2 N, H, W, 4) with the crops of an image side by side;
        and the variables with updated statistics.
    """
    model: Any = models.get("cono")
    clean = beside(batch["first"], batch["second"])
    shot, read = (beside(batch[name], batch[name]) for name in ("shot", "read"))
    level = level_map(clean, shot, read)
    if train:
        noise, variables = model.sample_and_update(key, variables, settings, clean, level)
    else:
        noise = model.sample(key, variables, settings, clean, level)
    return noise, clean, level, variables


def loss_of(
    variables: Any,
    weights_of_encoder: Any,
    batch: Mapping,
    key: jax.Array,
    *,
    settings: Any,
    options: Mapping[str, Any],
    encoder: Any,
    gamma: float,
    train: bool,
) -> tuple[jax.Array, tuple[dict[str, jax.Array], Any]]:
    """The loss of a batch, its terms before their weights, and the variables.

    Args:
        variables: of the generator.
        weights_of_encoder: of the perceptual term.
        batch: `FIELDS`.
        key: of the noise.
        settings: configuration of the generator.
        options: of `jaxnoise.models.cono.objective`; "by_intensity" says whether it is given the
            clean images.
        encoder: of the perceptual term; None for no such term.
        gamma: that turns the images into what the encoder knows: 1 where they are already.
        train: whether batch normalisation takes the statistics of this batch.
    """
    noise, clean, level, variables = noise_of_pairs(
        variables, batch, key, settings=settings, train=train
    )
    seen: Any = 0.0
    if encoder is not None:
        images = (packed_to_rgb(one_green(image), gamma=gamma) for image in (clean + noise, clean))
        seen = perceptual(encoder, weights_of_encoder, *images)
    given = dict(options)
    if given.pop("by_intensity"):
        given["clean"] = clean[0::2], clean[1::2]
    found = models.get("cono").objective(
        noise[0::2],
        noise[1::2],
        level[0::2],
        level[1::2],
        negatives=batch["negatives"],
        perceptual=seen,
        **given,
    )
    terms = {name: getattr(found, name) for name in TERMS}
    terms["std_ratio"] = jnp.sqrt((noise**2).mean() / (level**2).mean())
    return found.total, (terms, variables)


def training_step(
    state: dict,
    fixed: Any,
    batch: Mapping,
    key: jax.Array,
    *,
    loss: Any,
    optimiser: optax.GradientTransformation,
) -> tuple[dict, dict]:
    """The pure step.

    Args:
        state: "variables" of the generator and the state of its "optimiser".
        fixed: weights of the encoder.
        batch: `FIELDS`.
        key: of the noise.
        loss: `loss_of` with its options.
        optimiser: of the parameters.

    Returns:
        The new state; metrics: "loss", its terms before their weights, the noise's root mean square
        over that of the level as "std_ratio", and "gradient_norm".
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


def optimiser_of(config: Any) -> optax.GradientTransformation:
    """Adam on gradients of bounded norm, at a fixed rate or one that falls to zero.

    Args:
        config: the run's options.
    """
    steps = optax.adam(config.learning_rate, eps=ADAM_EPSILON)
    if config.decay:
        steps = adam(config.learning_rate, steps=config.steps, warm_up=config.warm_up)
    return optax.chain(optax.clip_by_global_norm(config.clip), steps)


def options_of(config: Any) -> dict[str, Any]:
    """The options of `jaxnoise.models.cono.objective` that a run has.

    Args:
        config: the run's options.
    """
    camera = levels_of(config).profile is not None
    scope = config.alignment_scope or ("intensity" if camera else "batch")
    by_intensity = scope == "intensity"
    weights = {name: getattr(config, f"{name}_weight") for name in TERMS}
    if weights["alignment"] is None:
        weights["alignment"] = OF_CAMERA if camera else OF_SIGMA
    return {
        "weights": models.get("cono").Weights(**weights),
        "temperature": config.temperature,
        "bandwidth": "sigma" if config.bandwidth is None else config.bandwidth / FULL_SCALE,
        "form": config.alignment,
        "scope": "batch" if by_intensity else scope,
        "by_channel": config.alignment_by_channel,
        "by_intensity": by_intensity,
    }


def task(run: Run, *, settings: Any, variables: Any) -> Task:
    """What the training loop needs to know about the generator.

    Args:
        run: the run.
        settings: the generator's configuration.
        variables: where it starts.

    Returns:
        The task: its score is the loss over validation crops at the levels that are stated.
    """
    config, data = run.config, run.data["clean"]
    levels, optimiser = levels_of(config), optimiser_of(config)
    encoder, fixed = None, ()
    if config.perceptual_weight:
        encoder, fixed = open_encoder(config.encoder)
    loss = partial(
        loss_of,
        settings=settings,
        options=options_of(config),
        encoder=encoder,
        gamma=LINEAR if data.is_linear else 1.0,
    )

    def batch(number: int) -> dict[str, np.ndarray]:
        sizes = {"seed": config.seed, "step": number, "batch_size": config.batch_size}
        made = data.batch("train", **sizes) | levels.drawn(**sizes)
        return {name: made[name] for name in FIELDS}

    return Task(
        title="CoNo",
        state={"variables": dict(variables), "optimiser": optimiser.init(variables["params"])},
        fixed=fixed,
        batch=batch,
        step=partial(training_step, loss=loss, optimiser=optimiser),
        evaluate=Judge(run, loss),
        export=lambda state: state["variables"],
        shown="loss",
        # Images differ in brightness, so that noise which depends on it misses the level of few.
        keep="last" if config.decay else "best",
    )


class Judge:
    """Validation: the loss and the strength of the noise at every stated level.

    Args:
        run: the run.
        loss: `loss_of` with its options.
    """

    def __init__(self, run: Run, loss: Any):
        self.config, self.data, self.mesh = run.config, run.data["clean"], run.mesh
        self.levels = levels_of(run.config).stated()
        everywhere = NamedSharding(run.mesh, PartitionSpec())
        self.measure = jax.jit(partial(loss, train=False), out_shardings=everywhere)

    def __call__(self, state: Any, fixed: Any) -> Validation:
        """Measures a state."""
        found = [self._at(level, state["variables"], fixed) for level in self.levels]
        means = {name: float(np.mean([row[name] for row in found])) for name in ("loss", *TERMS)}
        names = [level.name for level in self.levels]
        ratios = {name: row["std_ratio"] for name, row in zip(names, found, strict=True)}
        values: dict[str, Any] = {f"validation_{name}": mean for name, mean in means.items()}
        values["validation_std_ratio"] = ratios
        worst = max(ratios, key=lambda name: abs(ratios[name] - 1))
        failed = None
        if not abs(ratios[worst] - 1) <= TOO_FAR:
            failed = (
                f"the standard deviation of its noise at {worst} is {ratios[worst]:.2f} times what "
                "is asked for: train with a smaller --learning-rate, or a larger "
                "--alignment-weight, in a new --workdir."
            )
        return Validation(means["loss"], values, failed=failed)

    def _at(self, level: Any, variables: Any, fixed: Any) -> dict[str, float]:
        size = self.config.batch_size
        rows = []
        limits = {"batch_size": size, "limit": self.config.validation_patches}
        for number, made in enumerate(self.data.batches("validation", **limits)):
            made |= level.of_images(size)
            fields = shard(self.mesh, {name: made[name] for name in FIELDS})
            key = jax.random.fold_in(jax.random.key(self.config.seed), number)
            total, (terms, _) = self.measure(variables, fixed, fields, key)
            rows.append({"loss": float(total), **{name: float(terms[name]) for name in terms}})
        return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
