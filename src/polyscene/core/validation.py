"""What pydantic says of a value that it refuses, in the words of this project: expected, found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from polyscene.core.text import shown

if TYPE_CHECKING:
    from pydantic import ValidationError

BEGINNINGS = ("Value error, ", "Input should be ", "String should have ", "List should have ", "expected ")
LENGTHS = {"too_short": ("at least", "min_length"), "too_long": ("at most", "max_length")}
COMPARISONS = ("greater_than", "less_than")
WRONG_TAG, NO_TAG = "union_tag_invalid", "union_tag_not_found"
"""One of several shapes was wanted, and the key that tells which names none of them, or is not there."""


def expected_of(problem: Mapping[str, Any]) -> str:
    """Return what was expected in the place of a refused value.

    Args:
        problem: one of `ValidationError.errors()`.
    """
    kind, text = str(problem["type"]), str(problem["msg"])
    if kind == "missing":
        return "a value"
    if kind == WRONG_TAG:
        return f"one of {problem['ctx']['expected_tags']} as {_discriminator(problem)}"
    if kind == NO_TAG:
        return f"the key '{_discriminator(problem)}'"
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
    if problem["type"] == "missing":
        return "none"
    return shown(refused_value(problem))


def refused_value(problem: Mapping[str, Any]) -> object:
    """Return what was refused itself; of something whose kind is unknown, the kind."""
    return problem["ctx"]["tag"] if problem["type"] == WRONG_TAG else problem.get("input")


def _discriminator(problem: Mapping[str, Any]) -> str:
    return str(problem["ctx"]["discriminator"]).strip("'")


def place_of(problem: Mapping[str, Any], document: object) -> list[str]:
    """Return the keys that lead to a refused value, as somebody wrote them.

    pydantic names on the way which of several shapes it took, as in `rules.0.pin.item`: that is no key.

    Args:
        problem: one of `ValidationError.errors()`.
        document: what was validated.
    """
    place, value = list[str](), document
    for part in problem["loc"]:
        if isinstance(value, Mapping) and part not in value and part in list(value.values()):
            continue
        place.append(str(part))
        if isinstance(value, Mapping):
            value = value.get(part)
        else:
            value = value[part] if isinstance(value, list) and isinstance(part, int) else None
    return place


def refusal_of(problem: Mapping[str, Any]) -> str:
    """Return both as one sentence; what a validator of ours says stands as it is."""
    if problem["type"] == "extra_forbidden":
        return "there is no such key"
    if problem["type"] == "value_error":
        return str(problem["msg"]).removeprefix(BEGINNINGS[0])
    return f"expected {expected_of(problem)}, found {found_of(problem)}"


def first_refusal_of(error: ValidationError) -> str:
    """Return the first of several refusals, behind its place where it has one."""
    problem = error.errors()[0]
    place = ".".join(place_of(problem, None))
    return f"{place}: {refusal_of(problem)}" if place else refusal_of(problem)
