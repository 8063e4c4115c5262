"""Distances between the marginal histograms of real and synthetic noise.

Numpy arrays are counted in numpy and give float64; jax arrays work under jit.
"""

import warnings
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Num

from jaxnoise.checks import check_same, is_float, is_real, native, shape_of, type_of
from jaxnoise.errors import UsageError
from jaxnoise.metrics._namespace import namespace
from jaxnoise.tracing import is_concrete

NOISE_EDGES = np.linspace(-0.1, 0.1, 65)
"""Inner bin edges of Noise Flow, full scale 1: 64 bins of 0.003125 and an open tail either side."""

Real = Num[Array | np.ndarray, "*real"]
Synthetic = Num[Array | np.ndarray, "*synthetic"]
Scalar = float | np.floating | Num[Array | np.ndarray, ""]


OUTSIDE = 0.5
"""Above this share of all values in the two outermost bins, their unit is probably another one."""


def grouped_counts(
    values: Num[Array | np.ndarray, "*shape"],
    groups: Num[Array | np.ndarray, "*shape"],
    group_count: int,
    *,
    edges: Num[np.ndarray, " edges"] = NOISE_EDGES,
) -> Num[Array | np.ndarray, "groups bins"]:
    """Counts of the values of each group in bins whose outer two are open.

    Args:
        values: any shape, in the unit of `edges`.
        groups: the group of each value, an integer from 0 to `group_count` - 1, same shape.
        group_count: number of groups G.
        edges: inner edges, ascending, shape (B,); bin b holds edges[b - 1] <= value < edges[b].

    Returns:
        Shape (G, B + 1). NaN values count nowhere, so that a total which falls short of the number
        of values betrays them.

    Raises:
        UsageError: groups of another shape or type than values; values that are not real, or are
            integers where `edges` are left at fractions of full scale.
    """
    _check_unit(edges is not NOISE_EDGES, "edges", values=values)
    check_same(values=values, groups=groups)
    if is_float(groups) or not is_real(groups):
        raise UsageError(
            f"groups of shape {shape_of(groups)} are {type_of(groups)}: give integers."
        )
    xp, values, groups = namespace(values, groups), native(values), native(groups)
    if xp is jnp and not is_float(values):
        values = jnp.asarray(values, float)  # JAX would wrap 64-bit integers of NumPy around
    columns = len(edges) + 2
    index = xp.searchsorted(xp.asarray(edges), values.ravel(), side="right")
    index = xp.where(xp.isnan(values.ravel()), columns - 1, index) + columns * groups.ravel()
    if xp is jnp:
        counts = jnp.bincount(index, length=group_count * columns)
    else:
        counts = np.bincount(index, minlength=group_count * columns)
    return counts.reshape(group_count, columns)[:, :-1]


def noise_counts(
    values: Num[Array | np.ndarray, "*shape"],
    *,
    edges: Num[np.ndarray, " edges"] = NOISE_EDGES,
    per_patch: bool = False,
) -> Num[Array | np.ndarray, "*bins"]:
    """Counts of the values in bins whose outer two are open.

    Args:
        values: any shape, in the unit of `edges`. Channels, rows and columns are pooled.
        edges: inner edges, ascending, shape (B,).
        per_patch: counts each entry of the first axis on its own.

    Returns:
        Shape (B + 1,), or (N, B + 1) per patch; NaN values count nowhere.

    Raises:
        UsageError: as in `grouped_counts`, or a single number per patch.
    """
    xp = namespace(values)
    if per_patch and not shape_of(values):
        raise UsageError("values have shape (): give patches along a first axis.")
    patches = values.shape[0] if per_patch else 1
    flat = values.reshape(patches, -1)
    groups = xp.broadcast_to(xp.arange(patches)[:, None], flat.shape)
    counts = grouped_counts(flat, groups, patches, edges=edges)
    return counts if per_patch else counts[0]


def kl_from_counts(
    real: Num[Array | np.ndarray, "*batch bins"],
    synthetic: Num[Array | np.ndarray, "*batch bins"],
    *,
    variant: str = "smoothed",
) -> Num[Array | np.ndarray, "*batch"] | np.floating:
    """Kullback-Leibler divergence KL(real || synthetic) between histograms given as counts.

    Args:
        real: counts, bins along the last axis.
        synthetic: counts in the same bins.
        variant: "smoothed" adds one to every count (Noise2NoiseFlow); "dropped" leaves out the bins
            where either count is 0 and does not renormalise (Noise Flow), which can be negative and
            is blind to real noise where the model has none.

    Returns:
        Nats, one number per histogram; NaN where a histogram is empty.

    Raises:
        UsageError: for an unknown variant, or unlike shapes.
    """
    check_same(real=real, synthetic=synthetic)
    xp = namespace(real, synthetic)
    if variant == "smoothed":
        p, q = _smoothed(real), _smoothed(synthetic)
        terms = p * xp.log(p / q)
    elif variant == "dropped":
        p, q = _frequencies(real), _frequencies(synthetic)
        kept = (real > 0) & (synthetic > 0)
        terms = xp.where(kept, p * xp.log(xp.where(kept, p, 1) / xp.where(kept, q, 1)), 0)
    else:
        raise UsageError(f'variant {variant!r} is unknown: use "smoothed" or "dropped".')
    filled = (real.sum(axis=-1) > 0) & (synthetic.sum(axis=-1) > 0)
    return xp.where(filled, terms.sum(axis=-1), xp.nan)[()]


def _frequencies(counts):
    xp = namespace(counts)
    return counts / xp.maximum(counts.sum(axis=-1, keepdims=True), 1)


def _smoothed(counts):
    return (counts + 1) / (counts.sum(axis=-1, keepdims=True) + counts.shape[-1])


def marginal_kl(
    real: Real,
    synthetic: Synthetic,
    *,
    variant: str = "smoothed",
    edges: Num[np.ndarray, " edges"] = NOISE_EDGES,
) -> Scalar:
    """Marginal KL divergence between the histograms of real and synthetic noise, all values pooled.

    Two independent draws of the same noise do not give 0 but about (occupied bins - 1) / values:
    compare with `marginal_kl_floor`.

    Args:
        real: noise of any shape, full scale 1.
        synthetic: noise of any shape, same unit.
        variant: "smoothed" or "dropped"; see `kl_from_counts`.
        edges: inner bin edges, ascending, same unit.

    Returns:
        Nats; 0 for identical data, NaN when either holds a NaN.

    Raises:
        UsageError: for an unknown variant, or integers where `edges` are left at fractions of full
            scale.

    Warns:
        UserWarning: outside jit, where more than half of the values of either lie in the two open
            bins, and the number says little of them.

    Source: Abdelhamed et al., Noise Flow, section 5.1; the smoothing is that of Noise2NoiseFlow.
    """
    _check_unit(edges is not NOISE_EDGES, "edges", real=real, synthetic=synthetic)
    real, synthetic = native(real), native(synthetic)
    xp = namespace(real, synthetic)
    counts = [noise_counts(values, edges=edges) for values in (real, synthetic)]
    say_if_outside(edges, real=counts[0], synthetic=counts[1])
    value = kl_from_counts(*counts, variant=variant)
    return xp.where(xp.isnan(real).any() | xp.isnan(synthetic).any(), xp.nan, value)[()]


def patch_marginal_kl(
    real: Num[Array | np.ndarray, "n *shape"],
    synthetic: Num[Array | np.ndarray, "n *shape"],
    *,
    variant: str = "smoothed",
    edges: Num[np.ndarray, " edges"] = NOISE_EDGES,
) -> Num[Array | np.ndarray, " n"]:
    """Marginal KL divergence of each patch on its own; its mean is the number papers tabulate.

    Args:
        real: noise patches, shape (N, ...), full scale 1.
        synthetic: one synthetic noise patch for each, same shape and unit.
        variant: "smoothed" or "dropped"; see `kl_from_counts`.
        edges: inner bin edges, ascending, same unit.

    Returns:
        Nats, shape (N,); NaN for a patch that holds a NaN.

    Raises:
        UsageError: as in `marginal_kl`, or unlike shapes.

    Warns:
        UserWarning: as in `marginal_kl`, of all patches together.
    """
    _check_unit(edges is not NOISE_EDGES, "edges", real=real, synthetic=synthetic)
    check_same(real=real, synthetic=synthetic)
    real, synthetic = native(real), native(synthetic)
    xp = namespace(real, synthetic)
    counts = [noise_counts(values, edges=edges, per_patch=True) for values in (real, synthetic)]
    say_if_outside(edges, real=counts[0], synthetic=counts[1])
    broken = [xp.isnan(values.reshape(len(values), -1)).any(axis=1) for values in (real, synthetic)]
    return xp.where(broken[0] | broken[1], xp.nan, kl_from_counts(*counts, variant=variant))


def ks_from_counts(
    real: Num[Array | np.ndarray, "*batch bins"], synthetic: Num[Array | np.ndarray, "*batch bins"]
) -> Num[Array | np.ndarray, "*batch"] | np.floating:
    """Largest gap between the cumulative frequencies of histograms given as counts.

    Args:
        real: counts, bins in ascending order along the last axis.
        synthetic: counts in the same bins.

    Returns:
        From 0 (same frequencies) to 1 (disjoint), one number per histogram; NaN for an empty one.

    Raises:
        UsageError: for unlike shapes.
    """
    check_same(real=real, synthetic=synthetic)
    xp = namespace(real, synthetic)
    gap = xp.cumsum(_frequencies(real), axis=-1) - xp.cumsum(_frequencies(synthetic), axis=-1)
    filled = (real.sum(axis=-1) > 0) & (synthetic.sum(axis=-1) > 0)
    return xp.where(filled, xp.abs(gap).max(axis=-1), xp.nan)[()]


def ks(
    real: Real, synthetic: Synthetic, *, limit: float | int | None = None, bins: int = 256
) -> Scalar:
    """Largest gap between the cumulative histograms of real and synthetic noise.

    Args:
        real: noise of any shape, full scale 1, all values pooled.
        synthetic: noise of any shape, same unit.
        limit: the bins span -limit to limit; values beyond count in the outermost bin. None: 1.0,
            for floats alone.
        bins: number of equal bins. The default width of 0.0078 is coarse for raw noise.

    Returns:
        A number from 0 (same histogram) to 1 (disjoint), NaN when either holds a NaN.

    Raises:
        UsageError: for integers without a `limit`, or fewer than 2 bins.

    Warns:
        UserWarning: outside jit, where more than half of the values of either lie beyond the limit.

    Source: Henz et al., NoiseGAN, with the bins of NoiseTransfer.
    """
    _check_unit(limit is not None, "a limit", real=real, synthetic=synthetic)
    if bins < 2:
        raise UsageError(f"bins is {bins}: give at least 2.")
    real, synthetic = native(real), native(synthetic)
    xp = namespace(real, synthetic)
    limit = 1.0 if limit is None else limit
    edges = np.linspace(-limit, limit, bins + 1)[1:-1]
    counts = [noise_counts(values, edges=edges) for values in (real, synthetic)]
    if is_concrete(*counts):
        # Values of just the limit are inside.
        around = np.array([-limit, limit]) * (1 + 1e-6)
        outside = [noise_counts(values, edges=around) for values in (real, synthetic)]
        say_if_outside(around, real=outside[0], synthetic=outside[1])
    value = ks_from_counts(*counts)
    return xp.where(xp.isnan(real).any() | xp.isnan(synthetic).any(), xp.nan, value)[()]


def _check_unit(stated: bool, option: str, **values: Any) -> None:
    """Raises for what is no noise, and for integers whose unit nothing states."""
    for name, noise in values.items():
        if not is_real(noise) or not (stated or is_float(noise)):
            raise UsageError(
                f"{name} of shape {shape_of(noise)} is {type_of(noise)}: give fractions of full "
                f"scale, or {option} in the unit of the noise."
            )


def say_if_outside(edges: Num[np.ndarray, " edges"], **counts: Any) -> None:
    """Warns where most values lie in the two outermost bins, which cannot tell them apart.

    Args:
        edges: inner edges of the bins.
        counts: by the names of what was counted, bins along the last axis. Nothing is said of those
            under jit, or on other hosts.

    Warns:
        UserWarning: the share of the values is above `OUTSIDE`.
    """
    if not is_concrete(*counts.values()):
        return
    for name, histogram in counts.items():
        if not getattr(histogram, "is_fully_addressable", True):
            continue
        bins = np.asarray(histogram, np.float64).reshape(-1, shape_of(histogram)[-1]).sum(0)
        share = (bins[0] + bins[-1]) / max(bins.sum(), 1)
        if share > OUTSIDE:
            warnings.warn(
                f"{100 * share:.0f} % of the values of {name} lie below {edges[0]:g} or from "
                f"{edges[-1]:g} on, in bins that cannot tell them apart: give fractions of full "
                "scale, or bins in the unit of the noise.",
                stacklevel=3,
            )
