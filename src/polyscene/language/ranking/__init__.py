"""Recommendation as a language task: a history and a candidate in words, and whether it is liked."""
