"""Of signals whose worth is known, the report tells which carries, which harms and which does nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from polyscene.core.progress import Silent
from polyscene.core.types import FloatArray
from polyscene.data.queries import Choices, Queries
from polyscene.evaluation.importance import Cost, ScenarioImportance, Verdict
from polyscene.evaluation.judge import Case
from polyscene.learning.importance import (
    NO_CHOICES,
    ONE_BY_ONE,
    THE_OTHERS,
    Measuring,
    fit_seconds,
    held_out_importance,
    language_cost,
    measured_importance,
    request_costs,
    signal_costs,
    summed,
)
from polyscene.recommenders.fusion.features import Features
from polyscene.recommenders.fusion.fusion import Fusion
from polyscene.recommenders.fusion.network import FusionNetwork
from polyscene.recommenders.signal import Evidence, Signal

N_ITEMS, PEOPLE = 60, 200
MEASURING = Measuring(cutoff=10, resamples=300, seed=3, blocks_mb=64)
TARGETS = np.random.default_rng(8).integers(0, N_ITEMS, PEOPLE)
SECONDS = {"knowing": 1.0, "constant": 8.0, "misleading": 1.0}


MakeSignal = Callable[[FloatArray], Signal]


def tables() -> dict[str, FloatArray]:
    """Return scores of a signal that knows the choices, one that knows nothing, and one that misleads."""
    draws = np.random.default_rng(1)
    knowing = draws.normal(size=(PEOPLE, N_ITEMS))
    knowing[np.arange(PEOPLE), TARGETS] += 3.0
    misleading = draws.normal(size=(PEOPLE, N_ITEMS))
    misleading[np.arange(PEOPLE), TARGETS] -= 2.0
    return {
        "knowing": knowing.astype(np.float32),
        "constant": np.full((PEOPLE, N_ITEMS), 0.5, np.float32),
        "misleading": misleading.astype(np.float32),
    }


@pytest.fixture(scope="module")
def fusion(
    make_evidence: Callable[..., Evidence], asked: Callable[..., Queries], table_signal: MakeSignal
) -> Fusion:
    """Return a fusion that trusts all three alike."""
    signals = [table_signal(table) for table in tables().values()]
    features = Features.of(make_evidence([(0, 0, 0)], N_ITEMS, clock="sequence"))
    features.measure(signals, asked([[]] * PEOPLE))
    return Fusion(list(SECONDS), signals, features, FusionNetwork(3, 1, 4).fitted(), 0, hide_seen=False)


@pytest.fixture(scope="module")
def case(fusion: Fusion, asked: Callable[..., Queries]) -> Case:
    choices = Choices(asked([[]] * PEOPLE, {"news": [[1]] * PEOPLE}), TARGETS.astype(np.int32))
    counts = np.zeros(N_ITEMS, np.int64)
    return Case("shop", choices, fusion.open, counts, np.zeros(PEOPLE, np.int64), None, "kept", "temporal")


@pytest.fixture(scope="module")
def importance(fusion: Fusion, case: Case) -> ScenarioImportance:
    return measured_importance(case, fusion, SECONDS, MEASURING, Silent()).importance


def test_each_part_gets_the_verdict_that_is_true(importance: ScenarioImportance) -> None:
    verdicts = {part.name: part.verdict(importance.ndcg) for part in importance.parts}
    assert verdicts == {
        "knowing": Verdict.CARRIES,
        "constant": Verdict.DEAR,
        "misleading": Verdict.HARMS,
        "news": Verdict.OPEN,
        THE_OTHERS: Verdict.HARMS,
    }
    assert importance.part("signal", "constant").loss.mean == 0.0
    assert importance.choices == importance.users == PEOPLE


def test_an_exchange_takes_away_what_a_signal_knows(importance: ScenarioImportance) -> None:
    knowing, constant = (importance.part("signal", name) for name in ("knowing", "constant"))
    for loss in (knowing.between_people, knowing.between_items):
        assert loss is not None
        assert loss.low > 0.5 * importance.ndcg
    for loss in (constant.between_people, constant.between_items):
        assert loss is not None
        assert (loss.mean, loss.low, loss.high) == (0.0, 0.0, 0.0)


def test_costs_are_those_of_the_fits_and_of_requests(importance: ScenarioImportance) -> None:
    cost = importance.part("signal", "constant").cost
    assert cost.fit_seconds == 8.0
    assert cost.request_us is not None
    assert cost.request_us > 0
    assert cost.share is not None
    assert cost.share >= 0.8
    assert importance.part("scenario", "news").cost == Cost()


def test_nothing_but_the_signal_that_is_used_alone_carries(fusion: Fusion, case: Case) -> None:
    alone = Fusion(
        fusion.names, fusion.signals, fusion.features, fusion.weights, 0, False, fallback="knowing"
    )
    importance = measured_importance(case, alone, SECONDS, MEASURING, Silent()).importance
    assert importance.alone == "knowing"
    assert importance.part("signal", "knowing").loss.low > 0
    assert importance.part("signal", "misleading").loss.high == 0.0


def test_the_sample_is_of_the_seed_and_in_order_where_choices_are_learned(case: Case) -> None:
    measuring = replace(MEASURING, max_choices=50)
    mixed = measuring.sample(case.choices, "shop", in_order=False).queries.user
    ordered = measuring.sample(case.choices, "shop", in_order=True).queries.user
    assert len(mixed) == 50
    assert sorted(mixed.tolist()) == ordered.tolist() != mixed.tolist()
    assert len(replace(MEASURING, max_choices=None).sample(case.choices, "shop", False)) == PEOPLE


def test_choices_that_are_learned_are_not_exchanged_between_people(fusion: Fusion, case: Case) -> None:
    moments: list[int] = []
    some = replace(case, choices=case.choices.pick(np.arange(5)))
    importance = measured_importance(some, fusion, {}, MEASURING, Silent(), moments.append).importance
    assert moments
    assert importance.notes == (ONE_BY_ONE,)
    assert all(part.between_people is None for part in importance.parts)
    assert importance.part("signal", "knowing").between_items is not None


def test_without_choices_nothing_is_told(fusion: Fusion, case: Case) -> None:
    none = replace(case, choices=case.choices.pick(np.arange(0)))
    importance = measured_importance(none, fusion, SECONDS, MEASURING, Silent()).importance
    assert (importance.parts, importance.choices, importance.notes) == ((), 0, (NO_CHOICES,))
    empty = held_out_importance("shop", fusion, none.choices, SECONDS, MEASURING, Silent())
    assert empty.parts == ()


def test_held_out_choices_are_measured_alike(
    fusion: Fusion, case: Case, importance: ScenarioImportance
) -> None:
    held = held_out_importance("shop", fusion, case.choices, SECONDS, MEASURING, Silent())
    assert held.ndcg == pytest.approx(importance.ndcg)
    assert held.part("signal", "knowing").loss.mean == pytest.approx(
        importance.part("signal", "knowing").loss.mean
    )


def test_fits_of_a_signal_are_summed_over_cuts() -> None:
    parts = {
        "shop: popularity: past events": 1.0,
        "shop: popularity: earlier": 2.0,
        "shop: linear: all events": 0.5,
        "news: popularity: past events": 9.0,
        "reading texts": 60.0,
        "shop: unheard of": 3.0,
    }
    assert fit_seconds(parts, "shop") == {"popularity": 3.0, "linear": 0.5}


def test_what_is_of_no_signal_is_the_language_model_s() -> None:
    parts = {"a: linear: past events": 1.0, "b: linear: earlier": 2.0, "reading texts": 6.0, "tuning": 1.0}
    assert language_cost(parts, ("a", "b")) == Cost(7.0, None, 0.7)
    assert language_cost({}, ("a",)) == Cost()


def test_the_larger_share_counts() -> None:
    costs = signal_costs({"a": 3.0, "b": 1.0}, {"a": 10.0, "b": 90.0, "c": 0.0})
    assert costs["a"] == Cost(3.0, 10.0, 0.75)
    assert costs["b"] == Cost(1.0, 90.0, 0.9)
    assert costs["c"] == Cost(None, 0.0, 0.0)
    assert signal_costs({}, {"a": 0.0})["a"].share is None


def test_requests_are_timed_one_by_one(
    fusion: Fusion, case: Case, table_signal: type[Signal], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    of_queries = table_signal.score_all

    def score_all(self: Signal, queries: Queries) -> FloatArray:
        sizes.append(len(queries))
        return of_queries(self, queries)

    monkeypatch.setattr(table_signal, "score_all", score_all)
    assert request_costs(fusion, case.choices.queries).keys() == SECONDS.keys()
    assert set(sizes) == {1}


def test_signals_that_stand_in_for_each_other_carry_together(
    fusion: Fusion, case: Case, table_signal: MakeSignal
) -> None:
    sure = np.zeros((PEOPLE, N_ITEMS), np.float32)
    sure[np.arange(PEOPLE), TARGETS] = 5.0
    twins = [table_signal(sure), table_signal(tables()["constant"]), table_signal(sure)]
    either = Fusion(fusion.names, twins, fusion.features, fusion.weights, 0, hide_seen=False)
    importance = measured_importance(case, either, SECONDS, MEASURING, Silent()).importance
    assert importance.ndcg == 1.0
    assert [part.loss.mean for part in importance.of("signal")] == [0.0, 0.0, 0.0]
    (together,) = importance.of("signals")
    assert together.name == THE_OTHERS
    assert together.loss.low > 0.5
    assert together.cost.fit_seconds == sum(SECONDS.values())


def test_costs_of_several_are_added() -> None:
    assert summed([Cost(1.0, 2.0, 0.3), Cost(None, 3.0, 0.9), Cost()]) == Cost(1.0, 5.0, 1.0)
    assert summed([Cost()]) == Cost()
