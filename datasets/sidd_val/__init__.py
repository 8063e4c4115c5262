"""SIDD's validation blocks in raw: for evaluation only (Abdelhamed et al. 2018)."""
