"""Distances between sets of noise values: one pair, or all pairs of thousands of tensors."""

from jaxnoise.distances.bandwidth import median_bandwidth
from jaxnoise.distances.bhattacharyya import bhattacharyya, pairwise_bhattacharyya
from jaxnoise.distances.emd import emd, pairwise_emd
from jaxnoise.distances.exact import mmd2_exact, pairwise_mmd2_exact
from jaxnoise.distances.mmd import mmd2, mmd2_nodes, pairwise_mmd2
from jaxnoise.distances.quadrature import mmd2_error_bound
from jaxnoise.distances.sliced import (
    pairwise_sliced_emd,
    pairwise_sliced_mmd2,
    random_directions,
    sliced_emd,
    sliced_mmd2,
)

__all__ = [
    "bhattacharyya",
    "emd",
    "median_bandwidth",
    "mmd2",
    "mmd2_error_bound",
    "mmd2_exact",
    "mmd2_nodes",
    "pairwise_bhattacharyya",
    "pairwise_emd",
    "pairwise_mmd2",
    "pairwise_mmd2_exact",
    "pairwise_sliced_emd",
    "pairwise_sliced_mmd2",
    "random_directions",
    "sliced_emd",
    "sliced_mmd2",
]
