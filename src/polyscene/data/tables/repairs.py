"""Repairs that touch many rows are warnings: `check` shows them as such, and `train` repeats them."""

from __future__ import annotations

from dataclasses import replace

from polyscene.core.errors import Problem

GRAVE_SHARE = 0.01
"""Of the rows of a table: a repair that touches more is a warning."""


def weighed(problem: Problem, rows: int) -> Problem:
    """Return a repair as what it is: a warning with its share where it touches more than `GRAVE_SHARE`.

    Args:
        problem: any; only repairs change.
        rows: of the table.
    """
    if problem.severity != "repaired" or not rows or problem.count <= GRAVE_SHARE * rows:
        return problem
    share = f"{problem.count / rows:.1%} of {rows:,} rows"
    found = problem.found if share in problem.found else f"{problem.found} ({share})"
    return replace(problem, found=found, severity="warning", mended=True)
