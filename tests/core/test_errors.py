from __future__ import annotations

import pytest

from polyscene.core.errors import (
    ConfigError,
    DataError,
    MissingExtraError,
    ModelError,
    PolysceneError,
    Problem,
    ProblemsError,
    RunError,
    UnknownIdError,
)

PROBLEM = Problem("a price is no number", "a number", "'cheap'", "mend the row")


def test_a_problem_says_what_where_and_what_to_do() -> None:
    full = Problem(
        "a price is no number", "a number", "'cheap'", "mend the row", "items.csv", 3, "price", count=1234
    )
    assert str(full).split("\n") == [
        "items.csv, row 3, column price: a price is no number (1,234 times)",
        "  expected: a number",
        "  found:    'cheap'",
        "  remedy:   mend the row",
    ]


def test_what_is_not_known_is_not_mentioned() -> None:
    assert str(PROBLEM).startswith("a price is no number\n")
    assert str(Problem("w", "e", "f", "r", row=0)).startswith("row 0: w\n")
    assert str(Problem("w", "e", "f", "r", column="c")).startswith("column c: w\n")


def test_a_problem_is_told_in_one_line_without_its_place() -> None:
    many = Problem("a price is no number", "a number", "'cheap'", "mend the row", "items.csv", 3, count=2)
    assert many.place == "items.csv, row 3"
    assert many.sentence == "a price is no number (2 times): expected a number, found 'cheap'; mend the row"
    assert Problem("w", "e", "f", "r", key="a.b").place == "key a.b"
    assert PROBLEM.place == ""


def test_an_error_shows_all_its_problems() -> None:
    other = Problem("no items", "items", "nothing", "name the file")
    error = DataError([PROBLEM, other])
    assert error.problems == (PROBLEM, other)
    assert str(error) == f"{PROBLEM}\n{other}"
    assert ConfigError(other).problems == (other,)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (ConfigError(PROBLEM), ValueError),
        (DataError(PROBLEM), ValueError),
        (ModelError("m"), RuntimeError),
        (UnknownIdError("u"), LookupError),
        (RunError("r"), RuntimeError),
        (MissingExtraError("x"), ImportError),
    ],
)
def test_errors_can_be_caught_as_ours_or_as_the_builtin(
    error: PolysceneError, builtin: type[Exception]
) -> None:
    assert isinstance(error, PolysceneError)
    assert isinstance(error, builtin)
    assert isinstance(error, ProblemsError) is (builtin is ValueError)
