"""A folder of clean and noisy images with an index.csv."""
