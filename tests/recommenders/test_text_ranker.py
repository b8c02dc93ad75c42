"""People who only ever choose one kind, and a catalogue in which one kind is chosen by all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from polyscene.core.arrays import load_arrays, save_arrays
from polyscene.core.types import FloatArray, IntArray
from polyscene.data.queries import LATEST, Histories, Queries
from polyscene.recommenders.reranker import TOP, Reranker
from polyscene.recommenders.signal import Evidence
from polyscene.recommenders.text_ranker import SIMILARITY, TextRanker
from polyscene.representation.items import unit

KINDS, EACH = 3, 20
N = KINDS * EACH
MakeEvidence = Callable[..., Evidence]
Asked = Callable[..., Queries]


@pytest.fixture(scope="module")
def vectors() -> FloatArray:
    draws = np.random.default_rng(4)
    rows = 0.3 * draws.normal(size=(N, 6))
    rows[np.arange(N), np.arange(N) // EACH] += 1.0
    return unit(rows.astype(np.float32))


def loyal(users: int) -> list[tuple[int, int, int]]:
    """Everybody stays with one kind, and never chooses the last five of it."""
    draws = np.random.default_rng(1)
    return [
        (user, (user % KINDS) * EACH + int(draws.integers(EACH - 5)), step)
        for user in range(users)
        for step in range(6)
    ]


@pytest.fixture(scope="module")
def fitted(make_evidence: MakeEvidence, vectors: FloatArray) -> TextRanker:
    return TextRanker().fit(make_evidence(loyal(90), N, vectors=vectors))


def test_items_nobody_chose_are_ranked_by_taste(fitted: TextRanker, asked: Asked) -> None:
    scores = fitted.score(asked([[0, 1], [EACH, EACH + 1]]))
    new = [np.arange(kind * EACH + EACH - 5, (kind + 1) * EACH) for kind in range(KINDS)]
    assert scores[0, new[0]].mean() > scores[0, new[1]].mean() + 1.0
    assert scores[1, new[1]].mean() > scores[1, new[0]].mean() + 1.0
    assert fitted.student.liked > 1.0


def test_what_all_people_choose_is_learnt_for_strangers(
    make_evidence: MakeEvidence, vectors: FloatArray, asked: Asked
) -> None:
    rows = [(user, item, step) for user, _, step in loyal(90) for item in [(user * 7 + step) % (EACH - 5)]]
    signal = TextRanker().fit(make_evidence(rows, N, vectors=vectors))
    (stranger,) = signal.score(asked([[]]))
    assert stranger[EACH - 5 : EACH].mean() > stranger[EACH:].max(), "new items of the kind all choose"


def test_without_choices_the_prior_is_likeness(
    make_evidence: MakeEvidence, vectors: FloatArray, asked: Asked
) -> None:
    signal = TextRanker().fit(make_evidence([], N, vectors=vectors))
    assert signal.student.liked == pytest.approx(SIMILARITY)
    (scores,) = signal.score(asked([[3]]))
    np.testing.assert_allclose(scores, SIMILARITY * (signal.vectors @ signal.vectors[3]), atol=1e-5)


def test_few_choices_move_the_prior_a_little(make_evidence: MakeEvidence, vectors: FloatArray) -> None:
    few = TextRanker().fit(make_evidence(loyal(2), N, vectors=vectors)).student
    many = TextRanker().fit(make_evidence(loyal(90), N, vectors=vectors)).student
    assert abs(few.liked - SIMILARITY) < 4.0
    assert np.linalg.norm(few.item) < np.linalg.norm(many.item)


def test_candidates_score_as_in_the_catalogue(fitted: TextRanker, asked: Asked) -> None:
    queries, candidates = asked([[0, 1], []]), np.array([[3, 59], [0, 30]], np.int32)
    wanted = np.take_along_axis(fitted.score(queries), candidates.astype(np.int64), axis=1)
    np.testing.assert_array_equal(fitted.score(queries, candidates), wanted)


def test_strangers_and_items_without_text_have_finite_scores(
    make_evidence: MakeEvidence, vectors: FloatArray
) -> None:
    mute = vectors.copy()
    mute[5] = 0.0
    signal = TextRanker().fit(make_evidence(loyal(9), N, vectors=mute))
    nobody = Queries(np.array([-1], np.int32), np.array([LATEST]), Histories.of([[]]))
    assert np.isfinite(signal.score(nobody)).all()
    assert not signal.support(np.array([5], np.int32), np.array([6])).any()
    assert signal.support(np.array([], np.int32), np.array([6])).shape == (1, 0)


def test_what_is_restored_scores_the_same(fitted: TextRanker, asked: Asked, tmp_path: Path) -> None:
    save_arrays(tmp_path / "signal.safetensors", fitted.state())
    again = TextRanker().restore(load_arrays(tmp_path / "signal.safetensors"), fitted.space, {})
    np.testing.assert_array_equal(again.score(asked([[0, 25]])), fitted.score(asked([[0, 25]])))


def test_a_second_look_orders_the_best_and_moves_nothing_else(fitted: TextRanker, asked: Asked) -> None:
    histories: list[list[int]] = []

    def contrary(history: Histories, candidates: IntArray) -> FloatArray:
        histories.append(history.items.tolist())
        return np.tile(np.arange(candidates.shape[1], dtype=np.float32), (len(candidates), 1))

    queries = asked([[0, 1], [EACH]])
    plain = fitted.score(queries)
    every = np.tile(np.arange(N), (2, 1))
    reread = Reranker(contrary).reorder(plain, every, queries.history)
    assert histories == [[0, 1, EACH]], "all requests at once"
    for before, after in zip(plain, reread, strict=True):
        order = np.argsort(-before, kind="stable")
        best, rest = order[:TOP], order[TOP:]
        np.testing.assert_array_equal(np.argsort(-after, kind="stable")[:TOP], best[::-1])
        np.testing.assert_array_equal(after[rest], before[rest])
        np.testing.assert_array_equal(np.sort(after), np.sort(before))


def test_what_the_student_says_of_pairs_is_what_it_says_of_the_catalogue(
    fitted: TextRanker, asked: Asked
) -> None:
    queries, candidates = asked([[0, 1], [EACH]]), np.array([[3, 59], [0, 30]])
    wanted = np.take_along_axis(fitted.score(queries), candidates, axis=1)
    np.testing.assert_allclose(fitted.log_odds(queries.history, candidates), wanted, atol=1e-5)


def test_a_catalogue_of_one_item_teaches_nothing(make_evidence: MakeEvidence) -> None:
    signal = TextRanker().fit(make_evidence([(0, 0, 0), (0, 0, 1)], 1, vectors=np.ones((1, 2), np.float32)))
    assert signal.student.liked == SIMILARITY
