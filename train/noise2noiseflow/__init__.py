"""Noise2NoiseFlow: a noise model and a denoiser from pairs of noisy shots."""
