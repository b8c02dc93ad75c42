"""Problems become the one shape of an answer: a sentence, and each with its place where there are several."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient

from polyscene.core.errors import ConfigError, Problem
from polyscene.serving.failures import handle_failures

PRICE = Problem("no number", "a number", "'cheap'", "mend it", "/inside/rules.toml", 3, key="where.price")
NAME = Problem("no name", "a name", "nothing", "give one", column="name")


def answered(*problems: Problem) -> dict[str, Any]:
    app = FastAPI()
    handle_failures(app)

    @app.get("/")
    def refuse() -> None:
        raise ConfigError(problems)

    answer = TestClient(app).get("/")
    assert answer.status_code == 422
    error: dict[str, Any] = answer.json()["error"]
    assert error["code"] == "invalid"
    return error


def test_one_problem_is_a_sentence() -> None:
    error = answered(PRICE)
    assert error["message"] == "row 3, key where.price: no number: expected a number, found 'cheap'; mend it"
    assert error["details"] == []


def test_several_problems_are_told_each_with_its_place_and_no_path() -> None:
    error = answered(PRICE, NAME)
    assert error["message"].endswith("mend it (the first of 2 problems)")
    assert error["details"] == [
        {"where": "row 3, key where.price", "message": PRICE.sentence},
        {"where": "column name", "message": "no name: expected a name, found nothing; give one"},
    ]
