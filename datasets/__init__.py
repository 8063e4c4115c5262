"""Datasets as TFDS builders that write ArrayRecord, and the pipeline that feeds from them."""
