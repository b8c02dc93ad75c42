"""Items 0 to 3 are by one person, 4 to 7 by another, 8 is unknown to the graph; nobody has chosen 3 and 7."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from polyscene.data.links import KnowledgeGraph
from polyscene.data.queries import Queries
from polyscene.recommenders.knowledge import Knowledge
from polyscene.recommenders.signal import Evidence, Need
from polyscene.representation.item_space import ItemSpace
from polyscene.responsible.explanation import reason

N_ITEMS = 9
NAMES = (*(f"m.{film}" for film in range(8)), "Ann Lee", "Bo Kim")


@pytest.fixture
def evidence(make_evidence: Callable[..., Evidence]) -> Evidence:
    head = np.arange(8, dtype=np.int32)
    tail = np.repeat(np.array([8, 9], np.int32), 4)
    of_item = np.array([*range(8), -1], np.int32)
    graph = KnowledgeGraph(NAMES, ("by",), head, np.zeros(8, np.int32), tail, of_item)
    rows = [(user, item, item) for user in range(2) for item in range(3)]
    return replace(make_evidence(rows, N_ITEMS), knowledge=graph)


def test_it_needs_a_graph(evidence: Evidence) -> None:
    assert evidence.meets(Knowledge.needs)
    assert not replace(evidence, knowledge=None).meets(frozenset({Need.KNOWLEDGE}))
    assert not evidence.meets(frozenset({Need.LINKS}))


def test_an_item_without_events_is_reached_by_what_is_known_of_it(
    evidence: Evidence, asked: Callable[..., Queries]
) -> None:
    signal = Knowledge().fit(evidence)
    scores = signal.score(asked([[0, 1], [5], [], [8]]))
    assert scores[0, 3] == pytest.approx(1.0, abs=1e-3)
    assert scores[0, 7] < 0 < scores[1, 7]
    assert not scores[:, 8].any()
    assert not scores[2:].any()


def test_reasons_name_what_both_have_to_do_with(evidence: Evidence) -> None:
    signal = Knowledge().fit(evidence)
    assert signal.shared(3, 0) == ("“Ann Lee”",)
    assert signal.shared(3, 5) == ()
    assert signal.shared(8, 0) == ()
    assert signal.shared(40, 0) == ()
    assert reason(signal.wording(), "Lamps", signal.shared(3, 0)) == (
        "It has to do with “Ann Lee”, as “Lamps”, which you chose, does."
    )
    support = signal.support(np.array([0, 5], np.int32), np.array([3]))
    assert support[0, 0] > 0
    assert support[0, 1] == 0


def test_names_and_vectors_come_back_and_new_items_wait(
    evidence: Evidence, asked: Callable[..., Queries]
) -> None:
    signal = Knowledge().fit(evidence)
    again = Knowledge(signal.settings).restore(signal.state(), ItemSpace.empty(0), {})
    assert again.shared(3, 0) == ("“Ann Lee”",)
    again.extend(np.array([N_ITEMS, N_ITEMS + 1]), np.array([0, 0]))
    scores = again.score(asked([[0]]))
    np.testing.assert_array_equal(scores[:, :N_ITEMS], signal.score(asked([[0]])))
    assert not scores[:, N_ITEMS:].any()
    signal.resume(again.changes(), ItemSpace.empty(0), {})
    np.testing.assert_array_equal(signal.score(asked([[0]])), scores)


def test_the_decay_may_be_written_down(evidence: Evidence) -> None:
    assert Knowledge(Knowledge.Settings(decay=0.4)).fit(evidence).decay == 0.4
