"""In which order an inner product is summed, wherever it is computed."""

LANES = 64
"""So many sums run beside each other, and are then added half to half; a power of two."""
