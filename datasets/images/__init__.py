"""Whole images of any size, clean or noisy."""
