"""The fusion learns from some people and is judged on others, for all scenarios and then for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from tests.learning.planted import lessons, planted

from polyscene.core.progress import Silent
from polyscene.core.settings.project import Settings
from polyscene.data.queries import Queries
from polyscene.data.splits.phases import Phase
from polyscene.learning.fusion import (
    MIN_CHOICES,
    FusionData,
    PastSignals,
    fusion_data,
    held_out_rows,
)
from polyscene.learning.training_data import TrainingData
from polyscene.recommenders.popularity import Popularity
from polyscene.recommenders.scores import Scores
from polyscene.recommenders.signal import SignalSettings

MakeData = Callable[..., tuple[TrainingData, Settings]]
Walks = Callable[[int, int, int], Sequence[tuple[int, int, int]]]


@pytest.mark.parametrize(("people", "expected"), [(1, 1), (4, 1), (10, 2), (100, 20)])
def test_a_fifth_of_the_people_is_held_out_with_all_their_choices(people: int, expected: int) -> None:
    user = np.random.default_rng(0).permutation(np.repeat(np.arange(people, dtype=np.int32), 3))
    held = held_out_rows(user, np.random.default_rng(1))
    assert len(set(user[held])) == expected
    assert not set(user[held]) & set(user[~held])


def test_earlier_choices_alone_teach_nothing() -> None:
    none_own = replace(lessons(0, 0, 1), earlier=planted(0, 100, 2))
    assert not none_own.enough
    assert replace(lessons(0, 1, 1), earlier=planted(0, MIN_CHOICES - 1, 2)).enough
    assert not replace(lessons(0, 1, 1), earlier=planted(0, MIN_CHOICES - 2, 2)).enough


class Asked(Popularity):
    """Popularity that remembers who asked."""

    name: ClassVar[str] = "asked"

    def __init__(self, settings: SignalSettings | None = None) -> None:
        super().__init__(settings)
        self.users: list[set[int]] = []

    def prepare(self, queries: Queries) -> Scores:
        self.users.append(set(queries.user.tolist()))
        return super().prepare(queries)


def test_people_held_out_teach_neither_weights_nor_scales(make_data: MakeData, walks: Walks) -> None:
    """Everybody's history is of a length of their own, which an example tells."""
    rows = [row for row in walks(10, 44, 1) if row[2] // 10_000_000 >= 4 * row[0]]
    data, known = make_data({"a": rows}, 10, scenarios={"a": {"repeats": True}})
    past = data.evidence("a", Phase.PAST)
    signal = Asked().fit(past)
    sample = fusion_data(data, "a", PastSignals(["asked"], [signal], past), known, Silent())
    held_out = set(sample.judged.queries.user.tolist())
    assert len(held_out) == 2
    assert signal.users[0] == set(range(10)) - held_out
    lengths = [
        {round(float(np.expm1(example.user[0]))) for example in part}
        for part in (sample.training, sample.held_out)
    ]
    assert not lengths[0] & lengths[1]
    assert len(sample.training) + len(sample.held_out) == len(data.folds.tune("a").choices)
    assert len(sample.judged) == len(sample.held_out)
    assert set(sample.held_people.tolist()) == held_out
    assert sample.n_own == len(sample.examples)


def test_the_limit_of_choices_is_kept(make_data: MakeData, walks: Walks) -> None:
    data, known = make_data({"a": walks(40, 10, 1)}, 40, fusion={"max_choices": 25})
    past = data.evidence("a", Phase.PAST)
    known_signals = PastSignals(["popularity"], [Popularity().fit(past)], past)
    sample = fusion_data(data, "a", known_signals, known, Silent())
    assert len(sample.training) + len(sample.held_out) == 25


def test_choices_without_a_signal_are_as_if_it_had_never_been(make_data: MakeData, walks: Walks) -> None:
    data, known = make_data({"a": walks(40, 10, 1)}, 40, scenarios={"a": {"repeats": True}})
    past = data.evidence("a", Phase.PAST)
    fitted, names = Popularity().fit(past), ["popularity", "asked"]
    both = fusion_data(data, "a", PastSignals(names, [fitted, Asked().fit(past)], past), known, Silent())
    one = fusion_data(data, "a", PastSignals(names, [fitted, None], past), known, Silent())
    assert not np.array_equal(both.training[0].user, one.training[0].user)
    less = both.without(1)
    assert less.signals[0] is fitted
    assert less.signals[1] is None
    assert len(less.examples) == len(one.examples) > 0
    for actual, expected in zip(less.examples, one.examples, strict=True):
        for name in ("signals", "facts", "peaks", "user", "log_weights"):
            np.testing.assert_array_equal(getattr(actual, name), getattr(expected, name))


def living(make_data: MakeData, live: bool | None) -> tuple[FusionData, Popularity]:
    """Return what a fusion learns from of one stream in which somebody new chooses every second."""
    rows = [(user, user % 3 if user < 48 else 5, 1_000_000 * user) for user in range(100)]
    blocks = {"evaluation": {"protocol": "progressive", "valid_share": 0.4, "warmup": 0.8}}
    data, known = make_data({"a": rows}, 100, fusion={"live": live}, **blocks)
    past = data.evidence("a", Phase.PAST)
    signal = Popularity().fit(past)
    return fusion_data(data, "a", PastSignals(["popularity"], [signal], past), known, Silent()), signal


@pytest.mark.parametrize("live", [True, None])
def test_signals_learn_on_while_choices_become_examples(make_data: MakeData, live: bool | None) -> None:
    learned, signal = living(make_data, live)
    n = len(learned.training) + len(learned.held_out)
    assert n == 32
    counts = sorted(round(float(np.expm1(example.facts[0, 0]))) for example in learned.examples)
    assert counts[0] == 0
    assert counts[-1] > 0, "later choices of the new item find it known"
    assert signal.score(learned.judged.queries)[:, 5].tolist() == [0.0] * len(learned.judged)
    assert learned.features.counts[5] == 0, "what is judged has not been learned"
    assert np.all(np.diff(learned.judged.queries.time) > 0)


def test_signals_that_stand_still_find_it_new_to_the_end(make_data: MakeData) -> None:
    learned, _ = living(make_data, live=False)
    assert {float(example.facts[0, 0]) for example in learned.examples} == {0.0}
