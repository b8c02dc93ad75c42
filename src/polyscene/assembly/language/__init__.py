"""The language model within a project: how it learns from events, reads catalogues and is judged."""
