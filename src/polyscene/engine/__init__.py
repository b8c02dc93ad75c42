"""Answers requests: state, decisions, explanations."""
