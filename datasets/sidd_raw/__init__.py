"""SIDD-Medium Raw: raw photographs of five phones, noisy and clean (Abdelhamed et al. 2018)."""
