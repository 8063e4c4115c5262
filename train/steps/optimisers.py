"""Optimisers: Adam with a warm-up and a cosine decay, in groups of parameters."""

from collections.abc import Hashable

import optax

from jaxnoise.bijectors.chain import MOMENTS, NETWORKS, parameter_groups

ADAM_EPSILON = 1e-7
"""Keeps Adam from blowing rounding errors up to full steps where a gradient is zero in theory."""


def schedule_of(peak: float, *, steps: int, warm_up: float) -> optax.Schedule:
    """A learning rate that rises linearly and falls to zero along a cosine.

    Args:
        peak: the highest one.
        steps: length of the schedule.
        warm_up: part of the steps spent rising, 0 to 1.

    Returns:
        A function from the step's number to the rate.
    """
    rising = round(warm_up * steps)
    start = 0.0 if rising else peak
    return optax.warmup_cosine_decay_schedule(start, peak, rising, max(steps, rising + 1))


def adam(peak: float, *, steps: int, warm_up: float) -> optax.GradientTransformation:
    """Adam with a linear warm-up and a cosine decay to zero.

    Args:
        peak: the highest learning rate.
        steps: length of the schedule.
        warm_up: part of the steps spent rising, 0 to 1.

    Returns:
        The optimiser.
    """
    return optax.adam(schedule_of(peak, steps=steps, warm_up=warm_up), eps=ADAM_EPSILON)


def noise_model_adam(
    *, steps: int, learning_rate: float, moments_learning_rate: float, warm_up: float, clip: float
) -> optax.GradientTransformation:
    """Adam for a noise flow, on gradients clipped by their global norm.

    Args:
        steps: length of the schedule.
        learning_rate: highest one of the couplings' networks.
        moments_learning_rate: highest one of all other layers, which start at the data's moments.
        warm_up: part of the steps spent rising, 0 to 1.
        clip: largest global norm of a gradient.

    Returns:
        The optimiser.
    """
    groups: dict[Hashable, optax.GradientTransformation] = {
        name: adam(peak, steps=steps, warm_up=warm_up)
        for name, peak in ((NETWORKS, learning_rate), (MOMENTS, moments_learning_rate))
    }
    return optax.chain(
        optax.clip_by_global_norm(clip), optax.multi_transform(groups, parameter_groups)
    )
