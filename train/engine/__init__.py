"""One program for every trainer: it knows no system, model, field or noise."""
