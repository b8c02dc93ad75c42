from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from polyscene.core.clock import HOUR
from polyscene.core.types import FloatArray
from polyscene.data.queries import LATEST, Histories
from polyscene.data.schema import UNKNOWN_TIME
from polyscene.recommenders.sequence.beside import GAPS, NO_GAP, Beside, Other, left_at
from polyscene.representation.item_space import ItemSpace

NEWS = np.eye(3, 4, dtype=np.float32)
VIDEO = -np.eye(2, 4, dtype=np.float32)


def space(vectors: FloatArray) -> ItemSpace:
    """Return one whose common view is not its tuned one."""
    return ItemSpace.of(vectors[::-1].copy(), common=vectors)


def history(rows: list[list[int]], weight: float = 1.0) -> Histories:
    histories = Histories.of(rows)
    return replace(
        histories, times=histories.times + 100, weights=np.full(len(histories.items), weight, np.float32)
    )


@pytest.fixture
def others() -> dict[str, Other]:
    return {"news": Other(0, space(NEWS), True), "video": Other(1, space(VIDEO), False)}


def test_histories_of_every_scenario_lie_side_by_side(others: dict[str, Other]) -> None:
    elsewhere = {
        "news": history([[2, 1], [], []]),
        "video": history([[1], [0, 1], []], 0.5),
        "shop": history([[5]] * 3),
    }
    events = Beside.of(elsewhere, others, 3)
    assert events.there.tolist() == [[True, True, True], [True, True, False], [False] * 3]
    assert events.scenario.tolist() == [[0, 0, 1], [1, 1, 0], [0, 0, 0]]
    unknown = UNKNOWN_TIME
    assert events.time[:2].tolist() == [[100, 101, unknown], [unknown] * 3], "no clock tells of the video"
    np.testing.assert_allclose(events.weight[0], np.log([1, 1, 0.5]), rtol=1e-6)
    news, video = (others[name].space.view("common").vectors for name in ("news", "video"))
    np.testing.assert_array_equal(events.vectors[0], [news[2], news[1], video[1]])
    np.testing.assert_array_equal(events.vectors[1], [video[0], video[1], np.zeros(4)])


def test_of_whom_nothing_is_told_has_nothing_beside_the_history(others: dict[str, Other]) -> None:
    events = Beside.of({}, others, 2)
    assert events.there.shape == (2, 0)


def test_an_event_is_seen_by_what_came_after_it(others: dict[str, Other]) -> None:
    events = Beside.of({"news": history([[0, 1]]), "video": history([[0]])}, others, 1)
    seen = events.seen(np.array([[100, 101, 102, LATEST]]))[0]
    assert seen.tolist() == [
        [False, False, True],
        [True, False, True],
        [True, True, True],
        [True, True, True],
    ], "of the moment itself nothing; without a common clock always"


def test_gaps_are_told_in_powers_of_two_of_an_hour(others: dict[str, Other]) -> None:
    events = Beside.of({"news": history([[0]]), "video": history([[0]])}, others, 1)
    hours = np.array([[-5.0, 0.0, 0.9, 1.0, 2.9, 3.0, 7.0, 1e9]])
    gaps = events.gaps((100 + hours * HOUR).astype(np.int64))[0]
    assert gaps[:, 0].tolist() == [0, 0, 0, 1, 1, 2, 3, GAPS - 1]
    assert set(gaps[:, 1].tolist()) == {NO_GAP}


def test_a_place_is_left_when_something_later_happens() -> None:
    times = np.array([[1, 1, 4, 9], [2, 3, 3, 3]])
    assert left_at(times).tolist() == [[4, 4, 9, LATEST], [3, LATEST, LATEST, LATEST]]
