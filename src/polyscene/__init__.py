"""Polyscene: a recommender system with a language model at its core."""
