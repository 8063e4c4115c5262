"""One page of a run, made of sections."""
