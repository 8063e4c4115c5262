"""A sixth system, in the shape of the others and as small as that can be."""
