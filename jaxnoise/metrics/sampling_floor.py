"""The KL divergence that remains between two finite draws of the same noise."""

import numpy as np
from jaxtyping import Array, Num

from jaxnoise.checks import is_float, is_real
from jaxnoise.errors import UsageError
from jaxnoise.metrics.histograms import (
    NOISE_EDGES,
    kl_from_counts,
    noise_counts,
    say_if_outside,
)


def floor_from_counts(
    counts: Num[np.ndarray, "*batch bins"],
    *,
    variant: str = "smoothed",
    repeats: int = 16,
    seed: int = 0,
) -> Num[np.ndarray, "*batch"] | np.floating:
    """Expected KL divergence between two independent draws from a histogram, of its own size.

    The draws are multinomial: neighbouring values are taken as independent. For correlated noise
    the true floor is higher.

    Args:
        counts: integer counts, bins along the last axis.
        variant: "smoothed" or "dropped"; see `kl_from_counts`.
        repeats: pairs of draws to average.
        seed: the result is a pure function of it.

    Returns:
        Nats, one number per histogram, about (occupied bins - 1) / values; NaN for an empty one.

    Raises:
        UsageError: for counts that are no integers, or an unknown variant.
    """
    if is_float(counts) or not is_real(counts):
        raise UsageError(f"counts of shape {counts.shape} are {counts.dtype}: give integers.")
    generator = np.random.default_rng(seed)
    total = counts.sum(axis=-1)
    # An empty histogram has no frequencies; any will do, as nothing is drawn from them.
    frequencies = np.where(total[..., None] > 0, counts, 1).astype(np.float64)
    frequencies /= frequencies.sum(axis=-1, keepdims=True)
    draws = generator.multinomial(total, frequencies, size=(2, repeats, *total.shape))
    return np.asarray(kl_from_counts(draws[0], draws[1], variant=variant)).mean(axis=0)


def marginal_kl_floor(
    real: Num[Array | np.ndarray, "*real"],
    second: Num[Array | np.ndarray, "*second"] | None = None,
    *,
    variant: str = "smoothed",
    edges: Num[np.ndarray, " edges"] = NOISE_EDGES,
    repeats: int = 16,
    seed: int = 0,
) -> float:
    """What `marginal_kl` gives for a perfect model of this noise, on this much of it.

    Args:
        real: noise of any shape, full scale 1.
        second: an independent draw of the same noise, same size. Without it, two draws are taken
            from the histogram of `real`, which ignores correlation between pixels.
        variant: "smoothed" or "dropped"; see `kl_from_counts`.
        edges: inner bin edges, ascending, same unit.
        repeats: pairs of draws to average when there is no second draw.
        seed: of those draws.

    Returns:
        Nats. With a second draw it is one draw of a random number whose relative spread is about
        sqrt(2 / (occupied bins - 1)).

    Raises:
        UsageError: as in `marginal_kl`.

    Warns:
        UserWarning: as in `marginal_kl`.
    """
    counts = np.asarray(noise_counts(np.asarray(real), edges=edges))
    say_if_outside(edges, real=counts)
    if second is None:
        return float(floor_from_counts(counts, variant=variant, repeats=repeats, seed=seed))
    return float(
        kl_from_counts(counts, noise_counts(np.asarray(second), edges=edges), variant=variant)
    )
