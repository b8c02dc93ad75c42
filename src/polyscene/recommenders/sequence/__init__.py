"""The signal `sequence`: self-attention over the vectors of what a person did last."""
