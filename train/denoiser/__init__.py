"""A denoiser alone, and how much of the noise it removes."""
