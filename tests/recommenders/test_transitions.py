from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from polyscene.data.queries import Queries
from polyscene.data.schema import EventLog
from polyscene.recommenders import transitions
from polyscene.recommenders.signal import Evidence
from polyscene.recommenders.transitions import Transitions, TransitionsSettings, ordered_pairs

N_ITEMS = 5
SETTINGS = TransitionsSettings()
MakeLog = Callable[..., EventLog]
MakeEvidence = Callable[..., Evidence]
Asked = Callable[..., Queries]

events = st.lists(st.tuples(st.integers(0, 2), st.integers(0, N_ITEMS - 1), st.integers(0, 30)), max_size=40)


def in_turn(log: EventLog, start: int, stop: int) -> sparse.csr_array:
    """Return rows of the pair counts of a log."""
    order = np.lexsort((log.time, log.user))
    return ordered_pairs(log.user[order], log.item[order], N_ITEMS, start, stop, SETTINGS)


@given(rows=events, start=st.integers(0, N_ITEMS), data=st.data())
def test_ordered_pairs_are_those_of_a_plain_loop(
    make_log: MakeLog, rows: list[tuple[int, int, int]], start: int, data: st.DataObject
) -> None:
    log, stop = make_log(rows), data.draw(st.integers(start, N_ITEMS), label="stop")
    expected = np.zeros((N_ITEMS, N_ITEMS))
    for user in range(3):
        mine = log.item[log.user == user].tolist()
        for later in range(len(mine)):
            for earlier in range(max(later - SETTINGS.window, 0), later):
                if mine[earlier] != mine[later]:
                    weight = SETTINGS.pair_decay ** (later - earlier - 1)
                    expected[mine[earlier], mine[later]] += weight
                    expected[mine[later], mine[earlier]] += SETTINGS.backward * weight
    actual = in_turn(log, start, stop)
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual.todense(), expected[start:stop], rtol=1e-5)


def test_a_strict_chain_leads_to_its_next_link(make_evidence: MakeEvidence, asked: Asked) -> None:
    n = 8
    rows = [(user, item, item) for user in range(6) for item in range(n)]
    signal = Transitions().fit(make_evidence(rows, n))
    actual = signal.score(asked([[item] for item in range(n - 1)])).argmax(axis=1)
    assert actual.tolist() == list(range(1, n))


def test_the_last_item_counts_most(make_evidence: MakeEvidence, asked: Asked) -> None:
    rows = [(0, 0, 0), (0, 1, 1), (1, 2, 0), (1, 3, 1)]  # 0 leads to 1, 2 leads to 3
    signal = Transitions().fit(make_evidence(rows, 4))
    scores = signal.score(asked([[0, 2], [2, 0]]))
    assert scores[0, 3] == 2 * scores[0, 1] > 0
    assert scores[1, 1] == 2 * scores[1, 3] > 0


def test_rows_are_divided_by_the_root_of_their_sum(make_log: MakeLog, make_evidence: MakeEvidence) -> None:
    log = make_log([(0, 0, 0), (0, 1, 1), (0, 2, 2), (1, 1, 0), (1, 3, 1), (1, 1, 2), (1, 4, 3)])
    counts = in_turn(log, 0, N_ITEMS).todense()
    expected = counts / np.sqrt(counts.sum(axis=1, keepdims=True))
    actual = Transitions().fit(make_evidence(log, N_ITEMS)).matrix.todense()
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


@pytest.mark.parametrize("at_once", [20, 200, 500])
def test_rows_counted_in_blocks_are_rows_counted_at_once(
    make_evidence: MakeEvidence, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    generator = np.random.default_rng(1)
    evidence = make_evidence([(t % 3, int(generator.integers(6)), t) for t in range(50)], 9)
    whole = Transitions().fit(evidence).matrix.todense()
    monkeypatch.setattr(transitions, "PAIRS_AT_ONCE", at_once)
    np.testing.assert_allclose(Transitions().fit(evidence).matrix.todense(), whole, rtol=1e-6)


def test_events_that_weigh_nothing_lead_nowhere(make_log: MakeLog, make_evidence: MakeEvidence) -> None:
    log = make_log([(0, 0, 0), (0, 1, 1), (0, 2, 2)], weight=[1, 0, 1])
    matrix = Transitions().fit(make_evidence(log, 3)).matrix.todense()
    assert matrix[0, 2] > 0
    assert not matrix[1].any()
    assert not matrix[:, 1].any()


def test_support_adds_up_to_the_score(make_evidence: MakeEvidence, asked: Asked) -> None:
    generator = np.random.default_rng(0)
    rows = [(int(generator.integers(9)), int(generator.integers(7)), t) for t in range(120)]
    signal = Transitions().fit(make_evidence(rows, 7))
    history = np.array([3, 1, 4, 1, 5], np.int32)
    scores = signal.score(asked([history.tolist()]))[0]
    np.testing.assert_allclose(signal.support(history, np.arange(7)).sum(axis=1), scores, rtol=1e-5)
