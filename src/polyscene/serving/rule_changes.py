"""Rules of a scenario as they are replaced while it serves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from polyscene.core.errors import DataError, Problem
from polyscene.core.settings.keys import keys_at
from polyscene.core.settings.rules import Rules
from polyscene.core.text import shown
from polyscene.core.validation import expected_of, found_of, place_of
from polyscene.engine.rules import RuleBook
from polyscene.runs.run import Run

_RULES: TypeAdapter[Rules] = TypeAdapter(Rules)
KEY = "rules"
"""Of a change's fields."""


def book_of(run: Run, scenario: str, fields: Mapping[str, Any] | None) -> RuleBook:
    """Return the rules that a change names; those of the configuration where it names none.

    Raises:
        DataError: they are no rules; all problems are listed.
    """
    if fields is None:
        return RuleBook((run.present or run.settings)[scenario].rules)
    try:
        return RuleBook(_RULES.validate_python(fields[KEY]))
    except ValidationError as error:
        raise DataError(
            [
                Problem(
                    "a rule cannot be used",
                    *_expected_and_found(one),
                    "mend the rule; docs/configuration.md says what rules may say",
                    key=".".join([KEY, *place_of(one, fields[KEY])]),
                )
                for one in error.errors()
            ]
        ) from error


def _expected_and_found(problem: Mapping[str, Any]) -> tuple[str, str]:
    if problem["type"] == "extra_forbidden":
        *place, key = problem["loc"]
        return f"one of {', '.join(keys_at(Rules, place))}", shown(key)
    return expected_of(problem), found_of(problem)


def demand_fit(run: Run, scenario: str, book: RuleBook) -> list[str]:
    """Return what is doubtful of rules, each a sentence.

    Raises:
        DataError: a rule names attributes that the items do not have.
    """
    problems = book.problems(run.system.scenario(scenario).catalogue)
    wrong = [problem for problem in problems if problem.severity == "error"]
    if wrong:
        raise DataError(wrong)
    return [f"{problem.what}: {problem.found}" for problem in problems]


def plain_rules(book: RuleBook) -> list[dict[str, Any]]:
    """Return rules as an answer."""
    return [rule.model_dump(mode="json", by_alias=True) for rule in book.rules]
