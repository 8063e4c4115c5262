"""Noise Flow: a normalizing flow of camera noise, and how close it comes."""
