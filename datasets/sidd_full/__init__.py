"""SIDD-Full Raw: bursts of raw photographs of five phones (Abdelhamed et al. 2018)."""
