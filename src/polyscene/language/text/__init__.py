"""Texts before and after the model: normalisation, encoding, cache, coverage, keyword stuffing."""
