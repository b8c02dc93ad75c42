"""Four items, a student that is wrong about two of them, and a reader that knows."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from polyscene.data.queries import Choices, Histories, Queries
from polyscene.recommenders.reranker import Reranker

Script = Callable[[str], ModuleType]
ROWS = np.array([[4.0, 3.0, 2.0, 1.0]] * 2, np.float32)


@pytest.fixture
def choices() -> Choices:
    history = Histories.of([[0], [3]])
    return Choices(
        Queries(np.array([0, 1], np.int32), np.zeros(2, np.int64), history), np.array([2, 1], np.int32)
    )


def test_a_reader_that_knows_lifts_what_was_taken(script: Script, choices: Choices) -> None:
    reader = script("reader")
    taken = {0: 2, 3: 1}

    def knows(history: Histories, candidates: np.ndarray) -> np.ndarray:
        return (
            np.stack([row == taken[past] for row, past in zip(candidates, history.items, strict=True)]) * 9.0
        )

    def student(queries: Queries) -> np.ndarray:
        return ROWS[: len(queries)]

    reread = reader.reread(student, Reranker(knows, top=3, student=1.0, trust=1.0))
    np.testing.assert_allclose(reader.judged(student, choices, False), [1 / 2, 1 / np.log2(3)])
    np.testing.assert_allclose(reader.judged(reread, choices, False), [1.0, 1.0])
    assert reader.milliseconds(student, choices) >= 0.0
    row = {"ndcg@10": 0.5, "over_student": 0.1, "low": 0.0, "high": 0.2, "milliseconds": 3.0}
    results = {
        "set": "s",
        "choices": 2,
        "top": 3,
        "rows": {"student": row, "reader": row | {"trust": 1.0, "own_weight": 0.5}},
    }
    assert "+0.1000 [+0.0000, +0.2000]" in reader.tables(results)


def test_what_a_person_had_is_out_where_it_is_never_shown(script: Script, choices: Choices) -> None:
    reader = script("reader")
    barred = reader.judged(lambda queries: ROWS, choices, True)
    np.testing.assert_allclose(barred, [1 / np.log2(3), 1 / np.log2(3)])
