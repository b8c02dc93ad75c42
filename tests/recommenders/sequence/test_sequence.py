from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from polyscene.core.settings.tuning import OptimiserSettings
from polyscene.core.types import FloatArray
from polyscene.data.queries import Histories, Queries, Timeline
from polyscene.data.schema import UNKNOWN_TIME
from polyscene.learning.signal_trainer import train_learner
from polyscene.recommenders.sequence import sequence as module
from polyscene.recommenders.sequence.sequence import Sequence as SequenceSignal
from polyscene.recommenders.sequence.sequence import SequenceSettings
from polyscene.recommenders.signal import MIN_SEQUENCES, Evidence, Need, OtherScenario
from polyscene.representation.item_space import ItemSpace
from polyscene.representation.items import unit

MakeEvidence = Callable[..., Evidence]
Asked = Callable[[Sequence[Sequence[int]]], Queries]
QUICK = SequenceSettings(size=16, epochs=25, learning_rate=1e-2, dropout=0.0, forgetting=0.0, patience=8)
N = 12


def topics() -> FloatArray:
    """Return texts of four topics, three items each."""
    vectors = np.eye(4, 8, dtype=np.float32)[np.arange(N) // 3]
    return vectors + 0.1 * np.random.default_rng(0).normal(size=(N, 8)).astype(np.float32)


def walks() -> list[tuple[int, int, int]]:
    """Return what 162 people do who begin with any two items; the last but one decides what comes next."""
    rows = []
    for user, (one, two) in enumerate(2 * [(one, two) for one in range(9) for two in range(9)]):
        for place in range(6):
            rows.append((user, one, place))
            one, two = two, (one + 4) % 9
    return rows


@pytest.fixture(scope="module")
def evidence(make_evidence: MakeEvidence) -> Evidence:
    return replace(make_evidence(walks(), N, vectors=topics()), trainer=train_learner)


@pytest.fixture(scope="module")
def signal(evidence: Evidence) -> SequenceSignal:
    return SequenceSignal(QUICK).fit(evidence)


def best(signal: SequenceSignal, queries: Queries) -> list[int]:
    return [int(item) for item in np.argmax(signal.score(queries), axis=1)]


def test_the_last_but_one_decides(signal: SequenceSignal, asked: Asked) -> None:
    pairs = [(one, two) for one in range(9) for two in range(9) if one != two]
    wanted = [(one + 4) % 9 for one, _ in pairs]
    actual = best(signal, asked([[*pair] for pair in pairs]))
    assert np.mean(np.array(actual) == wanted) > 0.8, "by the last alone one in nine"


def test_nobody_has_anything_said_without_a_history(signal: SequenceSignal, asked: Asked) -> None:
    assert not signal.score(asked([[]])).any()


def test_only_the_latest_events_are_looked_at(evidence: Evidence, asked: Asked) -> None:
    short = SequenceSignal(QUICK.model_copy(update={"length": 3, "epochs": 2})).fit(evidence)
    np.testing.assert_allclose(
        short.score(asked([[8, 7, 1, 2, 3]])), short.score(asked([[1, 2, 3]])), rtol=1e-5
    )


def test_an_item_nobody_chose_is_scored_by_its_text_alone(signal: SequenceSignal) -> None:
    weights = signal.weights.arrays
    expected = unit(signal._space.view("prior").vectors @ weights["text"])
    np.testing.assert_allclose(signal.items[9:], expected[9:], rtol=1e-4, atol=1e-6)
    assert (np.abs(signal.items[:9] - expected[:9]).max(axis=1) > 1e-3).all()


def test_without_a_language_model_behaviour_alone_is_learned(evidence: Evidence, asked: Asked) -> None:
    signal = SequenceSignal(QUICK).fit(replace(evidence, space=ItemSpace.empty(N)))
    pairs = [(one, two) for one in range(9) for two in range(9) if one != two]
    expected = [(one + 4) % 9 for one, _ in pairs]
    assert np.mean(np.array(best(signal, asked([[*pair] for pair in pairs]))) == expected) > 0.5
    assert not signal.items[9:].any(), "nobody chose them, and they say nothing"


def test_new_items_follow_where_their_like_followed(make_evidence: MakeEvidence, asked: Asked) -> None:
    """Topic 0 leads to 1, 1 to 2, 2 to 0; a new text of a topic comes after the topic before."""
    generator = np.random.default_rng(1)
    rows = [
        (user, (user + place) % 3 * 3 + int(generator.integers(3)), place)
        for user in range(100)
        for place in range(6)
    ]
    texts = topics()
    space = ItemSpace.of(texts[:9])
    training_data = replace(make_evidence(rows, 9), space=space, trainer=train_learner)
    signal = SequenceSignal(QUICK.model_copy(update={"forgetting": 0.3})).fit(training_data)
    space.put(np.arange(9, 12), {"tuned": texts[[0, 3, 6]]})
    signal.extend(np.arange(9, 12), np.full(3, UNKNOWN_TIME))
    scores = signal.score(asked([[0], [3], [6]]))
    assert (np.argmax(scores[:, 9:], axis=1) == [1, 2, 0]).all()


def test_a_text_written_anew_moves_its_item_and_keeps_what_behaviour_added(evidence: Evidence) -> None:
    space = ItemSpace.of(topics())
    signal = SequenceSignal(QUICK.model_copy(update={"epochs": 2})).fit(replace(evidence, space=space))
    before = signal.items.copy()
    space.put(np.array([2]), {"tuned": topics()[[10]]})
    signal.extend(np.array([2]), np.array([UNKNOWN_TIME]))
    weights = signal.weights.arrays
    expected = unit((space.view("prior").vectors[2] @ weights["text"] + weights["residual"][2])[None])
    np.testing.assert_allclose(signal.items[2], expected[0], rtol=1e-4, atol=1e-6)
    others = np.delete(np.arange(N), 2)
    np.testing.assert_array_equal(signal.items[others], before[others])


def test_where_it_was_it_is_again_to_the_last_digit(evidence: Evidence, asked: Asked) -> None:
    space = ItemSpace.of(topics())
    signal = SequenceSignal(QUICK.model_copy(update={"epochs": 2})).fit(replace(evidence, space=space))
    state = {name: array.copy() for name, array in signal.state().items()}
    space.put(np.array([4, 12]), {"tuned": topics()[[0, 1]]})
    signal.extend(np.array([4]), np.array([UNKNOWN_TIME]))
    signal.extend(np.array([12]), np.array([UNKNOWN_TIME]))
    again = SequenceSignal(signal.settings).restore(state, ItemSpace.of(topics()), {})
    again.resume(signal.changes(), space, {})
    queries = asked([[1, 2], [12, 4]])
    np.testing.assert_array_equal(again.score(queries), signal.score(queries))
    assert again.changes()["placed"].tolist() == [4, 12]


def test_support_is_what_the_score_would_lose(signal: SequenceSignal, asked: Asked) -> None:
    history, items = np.array([1, 4, 2], np.int32), np.array([0, 5])
    whole, without_last = signal.score(asked([[1, 4, 2], [1, 4]]))
    support = signal.support(history, items)
    np.testing.assert_allclose(support[:, 2], (whole - without_last)[items], rtol=1e-4, atol=1e-5)


def test_an_only_event_supports_all_of_the_score(signal: SequenceSignal, asked: Asked) -> None:
    score = signal.score(asked([[3]]))[0]
    np.testing.assert_allclose(
        signal.support(np.array([3], np.int32), np.arange(N))[:, 0], score, rtol=1e-4, atol=1e-5
    )


def test_what_is_too_old_to_be_looked_at_supports_nothing(evidence: Evidence, asked: Asked) -> None:
    short = SequenceSignal(QUICK.model_copy(update={"length": 2, "epochs": 2})).fit(evidence)
    support = short.support(np.array([8, 7, 1, 2], np.int32), np.array([3]))
    assert not support[0, :2].any()
    whole, without = short.score(asked([[1, 2], [7, 2]]))[:, 3]
    assert support[0, 2] == pytest.approx(whole - without, rel=1e-4), "what lies before takes its place"


@pytest.mark.parametrize("lacking", ["trainer", "sequences"])
def test_with_nothing_to_learn_from_it_has_nothing_to_say(
    make_evidence: MakeEvidence, evidence: Evidence, asked: Asked, lacking: str
) -> None:
    alone = make_evidence([(user, user % N, 0) for user in range(9)], N, vectors=topics())
    training_data = (
        replace(evidence, trainer=None) if lacking == "trainer" else replace(alone, trainer=train_learner)
    )
    signal = SequenceSignal().fit(training_data)
    assert not signal.state()
    scores = signal.prepare(asked([[0], [1, 2]]))
    assert not scores.whole().any()
    assert not len(scores.best(0, 5, np.zeros(N, bool)))


class Trainer:
    """Trains nothing, and remembers what it was asked."""

    def __call__(
        self,
        learner: Any,
        optimiser: OptimiserSettings,
        epochs: int,
        patience: int,
        minutes: float | None,
        seed: int,
    ) -> None:
        self.learner, self.optimiser, self.seed = learner, optimiser, seed
        self.bounds = epochs, patience, minutes


def asked_of(evidence: Evidence, **settings: Any) -> Trainer:
    trainer = Trainer()
    SequenceSignal(SequenceSettings(**settings)).fit(replace(evidence, trainer=trainer))
    return trainer


def test_the_trainer_is_told_of_the_bounds(evidence: Evidence) -> None:
    trainer = asked_of(evidence, epochs=7, patience=2, minutes=0.5, learning_rate=0.1)
    assert trainer.bounds == (7, 2, 0.5)
    assert trainer.optimiser.learning_rate == 0.1
    assert asked_of(replace(evidence, seed=1)).seed != trainer.seed, "the seed is the run's"


def test_some_people_decide_when_to_stop_and_teach_all_but_their_last(evidence: Evidence) -> None:
    learner = asked_of(evidence).learner
    assert len(learner._held_out) == 16, "a tenth of 162 people"
    assert len(learner._training) == 162 * 5 - 16


def test_no_more_are_held_out_than_tell_enough(evidence: Evidence, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_HELD_OUT", 5)
    assert len(asked_of(evidence).learner._held_out) == 5


def test_only_the_latest_choices_and_the_most_chosen_items_learn(evidence: Evidence) -> None:
    learner = asked_of(evidence, max_choices=100, max_items=4).learner
    assert 84 <= len(learner._training) <= 100
    counts = np.bincount(evidence.events.item, minlength=N)
    own = np.flatnonzero(learner.network.own.numpy())
    assert len(own) == 4
    assert counts[own].min() >= np.delete(counts, own).max()


def test_the_same_seed_trains_the_same_and_another_does_not(evidence: Evidence) -> None:
    brief = QUICK.model_copy(update={"epochs": 2, "dropout": 0.2})

    def items(seed: int) -> FloatArray:
        return SequenceSignal(brief).fit(replace(evidence, seed=seed)).items

    np.testing.assert_array_equal(items(3), items(3))
    assert not np.allclose(items(3), items(4))


def test_order_is_left_alone_where_too_few_follow_another(make_evidence: MakeEvidence) -> None:
    def follows(extra: int) -> Evidence:
        rows = [(user, 0, 0) for user in range(MIN_SEQUENCES)]
        return make_evidence([*rows, *((user, 1, 1) for user in range(MIN_SEQUENCES + extra))], 2)

    assert follows(0).meets(frozenset({Need.SEQUENCES}))
    assert not follows(-1).meets(frozenset({Need.SEQUENCES}))
    nothing = make_evidence([(0, 0, 0)], 2)
    assert not nothing.meets(frozenset({Need.SEQUENCES}))


def test_events_that_do_not_count_are_no_sequence(make_evidence: MakeEvidence, make_log: Any) -> None:
    rows = [(user, 0, place) for user in range(MIN_SEQUENCES) for place in range(2)]
    log = make_log(rows, weight=[1.0] * MIN_SEQUENCES + [0.0] * MIN_SEQUENCES)
    assert not make_evidence(log, 1).meets(frozenset({Need.SEQUENCES}))


def test_a_size_that_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"multiple of heads \(3\), not 16"):
        SequenceSettings(size=16, heads=3)


def test_requests_of_equal_length_are_answered_together(asked: Asked) -> None:
    history = asked([[1], [], [2, 3, 4], [5], [6, 7]]).history
    groups = [
        (rows.tolist(), history.items[places].tolist())
        for rows, places in module._of_equal_length(history, 2)
    ]
    assert groups == [([0, 3], [[1], [5]]), ([2, 4], [[3, 4], [6, 7]])]


ABROAD = np.eye(4, 8, dtype=np.float32)
"""Texts of another scenario's four items, told apart by nothing in this one."""


@pytest.fixture(scope="module")
def travelled(make_evidence: MakeEvidence, make_log: Any) -> Evidence:
    """Return 100 people whose third choice follows from what they did elsewhere before it, not here."""
    here = [
        (user, item, 100 * place) for user in range(100) for place, item in enumerate([0, 1, 2 + user % 4])
    ]
    there = make_log([(user, user % 4, 150) for user in range(100)])
    elsewhere = {"far": OtherScenario(there, ItemSpace.of(ABROAD), True)}
    training_data = make_evidence(make_log(here), N, vectors=topics())
    return replace(training_data, elsewhere=elsewhere, trainer=train_learner)


@pytest.fixture(scope="module")
def hearing(travelled: Evidence) -> SequenceSignal:
    return SequenceSignal(
        QUICK.model_copy(update={"scenarios": "all", "epochs": 20, "learning_rate": 2e-2})
    ).fit(travelled)


def heard(asked: Asked, here: Sequence[Sequence[int]], there: Sequence[Sequence[int]]) -> Queries:
    queries = asked(here)
    history = replace(queries.history, times=100 * queries.history.times)
    far = Histories.of([list(row) for row in there])
    return replace(queries, history=history, elsewhere={"far": replace(far, times=far.times + 150)})


def test_what_was_done_elsewhere_decides(hearing: SequenceSignal, asked: Asked) -> None:
    queries = heard(asked, [[0, 1]] * 4, [[0], [1], [2], [3]])
    assert best(hearing, queries) == [2, 3, 4, 5]


def test_nothing_is_heard_unless_it_is_asked_for(travelled: Evidence, asked: Asked) -> None:
    deaf = SequenceSignal(QUICK.model_copy(update={"epochs": 1})).fit(travelled)
    scores = deaf.score(heard(asked, [[0, 1]] * 2, [[0], [3]]))
    np.testing.assert_array_equal(scores[0], scores[1])
    assert not any(name.startswith(("other", "heard")) for name in deaf.state())


def test_what_cannot_be_compared_is_not_heard(travelled: Evidence) -> None:
    log = travelled.elsewhere["far"].events
    elsewhere = {
        "mute": OtherScenario(log, ItemSpace.empty(4)),
        "wide": OtherScenario(log, ItemSpace.of(np.eye(4, 9, dtype=np.float32))),
    }
    settings = QUICK.model_copy(update={"scenarios": "all", "epochs": 1})
    signal = SequenceSignal(settings).fit(replace(travelled, elsewhere=elsewhere))
    assert not any(name.startswith(("other", "heard")) for name in signal.state())


def test_it_hears_the_same_after_it_was_kept(
    hearing: SequenceSignal, travelled: Evidence, asked: Asked
) -> None:
    others = {"far": travelled.elsewhere["far"].space, "new": ItemSpace.empty(2)}
    again = SequenceSignal(hearing.settings).restore(hearing.state(), travelled.space, others)
    queries = heard(asked, [[0, 1], [1], []], [[0, 3], [], [2]])
    np.testing.assert_array_equal(again.score(queries), hearing.score(queries))
    assert again.state().keys() == hearing.state().keys()
    later = ItemSpace.of(np.concatenate([ABROAD, ABROAD[:1]]))
    again.resume(hearing.changes(), travelled.space, {"far": later, "new": ItemSpace.empty(2)})
    scores = again.score(heard(asked, [[0, 1]] * 2, [[0], [4]]))
    assert int(np.argmax(scores[1])) == 2, "an item that came since is heard by its text"


def test_served_is_what_was_trained_on_the_same_events(travelled: Evidence) -> None:
    """Every choice is asked anew as a service would be asked, at its moment, with both logs cut there."""
    settings = QUICK.model_copy(update={"scenarios": "all", "layers": 2})
    trainer = Trainer()
    signal = SequenceSignal(settings).fit(replace(travelled, trainer=trainer))
    learner = trainer.learner
    windows = learner._training
    network = learner.network.eval()
    with torch.inference_mode():
        vectors = network.items(torch.arange(N))
        trained = learner._users(vectors[torch.from_numpy(windows.padded()).long()], windows).numpy()
    user = windows.user[windows.row]
    at = windows.offsets[windows.row] + windows.place
    moment = windows.until[at]
    here = Timeline(travelled.events, 100).before(user, moment)
    there = Timeline(travelled.elsewhere["far"].events, 100).before(user, moment)
    served = signal.users(here, {"far": there})
    np.testing.assert_allclose(served, trained, rtol=1e-4, atol=1e-5)
    assert 0 < there.lengths.sum() < len(there), "some choices came before what was done elsewhere"
