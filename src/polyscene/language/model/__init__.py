"""The language model itself: finding, loading, its layers, pooling and projection."""
