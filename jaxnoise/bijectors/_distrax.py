"""The one place that imports distrax, so that a change of its names is mended here.

distrax reads `jax.core.pytype_aval_mappings` while it is imported, which JAX announces as
deprecated; the warning says nothing to users of jaxnoise and is kept from them.
"""

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings(
        "ignore", category=DeprecationWarning, message=".*pytype_aval_mappings.*"
    )
    from distrax import Bijector, Chain, Distribution, Independent, Normal, Transformed

__all__ = ["Bijector", "Chain", "Distribution", "Independent", "Normal", "Transformed"]
