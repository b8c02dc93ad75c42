"""Losses (tensors in, scalar out) and the joint trainer; knows no model."""
