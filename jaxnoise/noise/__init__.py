"""Statistical noise models: each has Config, fit, sample, and log_prob where a density exists."""

from jaxnoise.noise import autoregressive, awgn, nlf, poisson, poisson_gaussian

__all__ = ["autoregressive", "awgn", "nlf", "poisson", "poisson_gaussian"]
