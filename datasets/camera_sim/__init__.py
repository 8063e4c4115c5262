"""Simulated cameras with exact truth."""
