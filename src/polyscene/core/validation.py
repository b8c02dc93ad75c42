"""What pydantic says of a value that it refuses, in the words of this project: expected, found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polyscene.core.text import shown

BEGINNINGS = ("Value error, ", "Input should be ", "String should have ", "List should have ", "expected ")
LENGTHS = {"too_short": ("at least", "min_length"), "too_long": ("at most", "max_length")}
COMPARISONS = ("greater_than", "less_than")


def expected_of(problem: Mapping[str, Any]) -> str:
    """Return what was expected in the place of a refused value.

    Args:
        problem: one of `ValidationError.errors()`.
    """
    kind, text = str(problem["type"]), str(problem["msg"])
    if kind == "missing":
        return "a value"
    if kind in LENGTHS:
        bound, limit = LENGTHS[kind]
        count = problem["ctx"][limit]
        unit = "character" if isinstance(problem.get("input"), str) else "item"
        return f"{bound} {count:,} {unit}{'' if count == 1 else 's'}"
    for beginning in BEGINNINGS:
        text = text.removeprefix(beginning)
    return f"a number {text}" if kind.startswith(COMPARISONS) else text


def found_of(problem: Mapping[str, Any]) -> str:
    """Return the refused value, fit to be shown."""
    return "none" if problem["type"] == "missing" else shown(problem.get("input"))


def refusal_of(problem: Mapping[str, Any]) -> str:
    """Return both as one sentence; what a validator of ours says stands as it is."""
    if problem["type"] == "extra_forbidden":
        return "there is no such key"
    if problem["type"] == "value_error":
        return str(problem["msg"]).removeprefix(BEGINNINGS[0])
    return f"expected {expected_of(problem)}, found {found_of(problem)}"
