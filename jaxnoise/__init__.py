"""Camera noise in JAX: likelihoods, samplers and distances for denoising research."""

__version__ = "0.1.0"
