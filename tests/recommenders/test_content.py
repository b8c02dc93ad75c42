"""A world of two topics: items 0 to 4 are about one thing, 5 to 9 about another, 10 says nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from polyscene.core.types import FloatArray
from polyscene.data.queries import Queries
from polyscene.data.schema import EventLog
from polyscene.recommenders.content import Content, ContentPrior, CrossScenario
from polyscene.recommenders.content_transitions import ContentTransitions
from polyscene.recommenders.signal import Evidence, OtherScenario
from polyscene.recommenders.transitions import Transitions
from polyscene.representation.history_decay import DECAYS, DEFAULT_DECAY
from polyscene.representation.item_space import ItemSpace
from polyscene.representation.items import centred, neighbourhood, unit

TOPIC, MUTE = 5, 10
MakeLog = Callable[..., EventLog]
MakeEvidence = Callable[..., Evidence]
Asked = Callable[..., Queries]


@pytest.fixture
def vectors() -> FloatArray:
    """All texts share a strong word; the topics differ in two others."""
    generator = np.random.default_rng(5)
    rows = np.zeros((11, 8), np.float32)
    rows[:10, 0] = 3.0
    rows[:TOPIC, 1] = 1.0
    rows[TOPIC:10, 2] = 1.0
    rows[:10, 3:] = 0.2 * generator.normal(size=(10, 5))
    rows[:10] = unit(rows[:10])
    return rows


def test_items_of_the_topic_stand_first(
    vectors: FloatArray, make_evidence: MakeEvidence, asked: Asked
) -> None:
    scores = Content().fit(make_evidence([], 11, vectors=vectors)).score(asked([[0, 1], [6]]))
    first, second = scores[:, :TOPIC], scores[:, TOPIC:MUTE]
    assert first[0].min() > 0 > second[0].max()
    assert second[1].min() > 0 > first[1].max()


def test_nothing_said_and_nothing_done_score_zero(
    vectors: FloatArray, make_evidence: MakeEvidence, asked: Asked
) -> None:
    scores = Content().fit(make_evidence([], 11, vectors=vectors)).score(asked([[0], [], [MUTE]]))
    assert not scores[:, MUTE].any()
    assert not scores[1:].any()
    assert scores[0, :MUTE].all()


def test_the_score_is_the_cosine_of_the_decayed_mean(
    vectors: FloatArray, make_evidence: MakeEvidence, asked: Asked
) -> None:
    with_text = vectors[:10] - vectors[:10].mean(axis=0)
    with_text /= np.linalg.norm(with_text, axis=1, keepdims=True)
    profile = with_text[7] + DEFAULT_DECAY * with_text[2] + DEFAULT_DECAY**2 * with_text[7]
    expected = with_text @ profile / np.linalg.norm(profile)
    actual = Content().fit(make_evidence([], 11, vectors=vectors)).score(asked([[7, 2, 7]]))
    np.testing.assert_allclose(actual[0, :10], expected, rtol=1e-4, atol=1e-6)


def test_what_the_model_knew_before_is_a_signal_of_its_own(
    vectors: FloatArray, make_evidence: MakeEvidence, asked: Asked
) -> None:
    turned = np.ascontiguousarray(vectors[::-1])
    evidence = make_evidence([], 11, vectors=vectors, prior=turned)
    queries = asked([[0, 1], [6]])
    plain = Content().fit(make_evidence([], 11, vectors=turned))
    np.testing.assert_array_equal(ContentPrior().fit(evidence).score(queries), plain.score(queries))
    assert not np.allclose(Content().fit(evidence).score(queries), plain.score(queries))


def test_taste_fades_as_it_does_by_the_model_that_has_learned_nothing_by_heart(
    vectors: FloatArray, make_evidence: MakeEvidence
) -> None:
    rows = [(user, item, time) for user in range(60) for time, item in enumerate([6, 0, 1, 2])]
    evidence = make_evidence(rows, 11, vectors=vectors)
    mute = np.zeros_like(vectors)
    assert Content().fit(evidence).decay == min(DECAYS), "the last topic alone foretells the next"
    assert Content().fit(make_evidence(rows, 11, vectors=vectors, prior=mute)).decay == DEFAULT_DECAY
    assert Content().fit(make_evidence(rows, 11, vectors=mute, prior=vectors)).decay == min(DECAYS)


def test_support_is_largest_for_what_reads_alike(vectors: FloatArray, make_evidence: MakeEvidence) -> None:
    signal = Content().fit(make_evidence([], 11, vectors=vectors))
    (actual,) = signal.support(np.array([0, 6, MUTE], np.int32), np.array([8]))
    assert actual[1] > 0
    assert actual[0] == 0.0  # which is not close
    assert actual[2] == 0


def test_taste_is_carried_over_from_another_scenario(
    vectors: FloatArray, make_log: MakeLog, make_evidence: MakeEvidence, asked: Asked
) -> None:
    news = OtherScenario(
        make_log([]), ItemSpace.of(np.eye(8, dtype=np.float32)[1:3])
    )  # one text for each topic
    evidence = make_evidence([], 11, vectors=vectors, elsewhere={"news": news})
    signal = CrossScenario().fit(evidence)
    scores = signal.score(asked([[5], [5], [0]], {"news": [[0], [1], []]}))
    assert scores[0, :TOPIC].min() > 0 > scores[0, TOPIC:MUTE].max()
    assert scores[1, TOPIC:MUTE].min() > 0 > scores[1, :TOPIC].max()
    assert not scores[2].any(), "what was done here is not its affair"
    assert not signal.support(np.array([5], np.int32), np.array([6])).any()


def test_a_scenario_nobody_knew_when_fitting_is_not_heard(
    vectors: FloatArray, make_evidence: MakeEvidence, asked: Asked
) -> None:
    signal = CrossScenario().fit(make_evidence([], 11, vectors=vectors))
    assert not signal.score(asked([[]], {"new": [[0, 1]]})).any()


def test_an_item_without_events_is_reached_where_its_neighbours_were(
    vectors: FloatArray, make_evidence: MakeEvidence, asked: Asked
) -> None:
    rows = [(user, item, time) for user in range(5) for time, item in enumerate([0, 6])]  # 0 leads to 6
    evidence = make_evidence(rows, 11, vectors=vectors)
    queries = asked([[0], [3]])
    plain = Transitions().fit(evidence).score(queries)
    smooth = ContentTransitions().fit(evidence).score(queries)
    assert plain[0, 6] > 0
    assert not plain[0, [5, 7, 8, 9]].any()
    assert not plain[1].any(), "nobody went anywhere from 3"
    for row in smooth:  # 5, 7, 8, 9 are reached as 6 was, and 3 leads where 0 did
        assert row[TOPIC:MUTE].min() > row[:TOPIC].max()
    assert smooth[0].argmax() == 6
    assert smooth[0, MUTE] == 0


def test_content_transitions_are_the_product_with_neighbourhoods_on_both_sides(
    vectors: FloatArray, make_evidence: MakeEvidence
) -> None:
    generator = np.random.default_rng(0)
    rows = [(int(generator.integers(6)), int(generator.integers(11)), t) for t in range(80)]
    evidence = make_evidence(rows, 11, vectors=vectors)
    near = neighbourhood(centred(vectors)).todense()
    expected = near @ Transitions().fit(evidence).matrix.todense() @ near.T
    actual = ContentTransitions().fit(evidence).matrix.todense()
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-6)


def test_what_held_out_choices_told_of_the_decay_counts_for_tuned_vectors_alone(
    vectors: FloatArray, make_evidence: MakeEvidence
) -> None:
    evidence = replace(make_evidence([(0, 0, 0)], 11, vectors=vectors, prior=vectors), tuned_decay=0.31)
    assert Content().fit(evidence).decay == 0.31
    assert ContentPrior().fit(evidence).decay == DEFAULT_DECAY
    assert Content(Content.Settings(decay=0.4)).fit(evidence).decay == 0.4
