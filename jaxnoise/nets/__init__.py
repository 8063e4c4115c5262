"""Neural networks in flax.linen."""
