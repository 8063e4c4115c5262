"""Trainers, run from a clone: `python -m train.<system>`."""
