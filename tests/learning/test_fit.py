"""A system learns what was planted: signals on the past, the fusion after it, then signals on everything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from polyscene.core.progress import Silent
from polyscene.core.settings.project import Settings
from polyscene.data.schema import Part
from polyscene.data.splits.phases import Phase
from polyscene.learning.fit import Fitted, fit_system
from polyscene.learning.fusion import FusionData, fusion_data
from polyscene.learning.signal_fitter import left_out_notes, usable_signals
from polyscene.learning.training_data import TrainingData
from polyscene.recommenders import signal as signals
from polyscene.recommenders.popularity import Popularity
from polyscene.recommenders.signal import Evidence, OtherScenario
from polyscene.recommenders.transitions import Transitions
from polyscene.representation.item_space import ItemSpace

MakeData = Callable[..., tuple[TrainingData, Settings]]
Walks = Callable[[int, int, int], Sequence[tuple[int, int, int]]]


class Town:
    """Two scenarios in which the next item stands one or five steps farther, and what was learned of them."""

    def __init__(self, make_data: MakeData, walks: Walks) -> None:
        own = {"one": {"signals": ["transitions", "popularity"]}, "five": {"signals": ["transitions"]}}
        self.data, self.settings = make_data(
            {"one": walks(60, 10, 1), "five": walks(60, 10, 5)},
            60,
            scenarios={name: {**block, "repeats": True} for name, block in own.items()},
            evaluation={"test_share": 0.2, "valid_share": 0.25},
            fusion={"epochs": 4, "hidden": 4},
        )
        self.fusion_datas: dict[str, FusionData] = {}
        self.fitted = self._fitted()

    def _fitted(self) -> Fitted:
        def spy(data: TrainingData, name: str, *rest: object) -> FusionData:
            self.fusion_datas[name] = fusion_data(data, name, *rest)  # type: ignore[arg-type]
            return self.fusion_datas[name]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("polyscene.learning.fit.fusion_data", spy)
            return fit_system(self.data, self.settings, Silent())

    def counts(self, name: str, *parts: Part) -> list[int]:
        """Return (n_items,) how many events of these parts each item has."""
        events = self.data.dataset.scenarios[name].events
        kept = np.isin(self.data.parts[name], parts)
        return [int(count) for count in np.bincount(events.item[kept], minlength=12)]


@pytest.fixture(scope="module")
def town(make_data: MakeData, walks: Walks) -> Town:
    return Town(make_data, walks)


@pytest.mark.parametrize(("name", "stride"), [("one", 1), ("five", 5)])
def test_the_next_item_is_the_planted_one(town: Town, name: str, stride: int) -> None:
    choices = town.data.folds.test(name).choices
    last = choices.queries.history.items[choices.queries.history.offsets[1:] - 1]
    assert choices.target.tolist() == ((last + stride) % 12).tolist()
    best = town.fitted.fusions[name].score(choices.queries).argmax(axis=1)
    assert np.mean(best == choices.target) > 0.95


@pytest.mark.parametrize("name", ["one", "five"])
def test_the_fusion_learns_from_what_the_signals_have_not_seen(town: Town, name: str) -> None:
    learned = town.fusion_datas[name]
    assert learned.features.counts.tolist() == town.counts(name, Part.TRAIN)
    assert sum(town.counts(name, Part.VALID)) == len(learned.training) + len(learned.held_out)


@pytest.mark.parametrize("name", ["one", "five"])
def test_the_signals_that_are_kept_know_everything_but_the_test_part(town: Town, name: str) -> None:
    fusion = town.fitted.fusions[name]
    evidence = town.data.evidence(name, Phase.ALL)
    assert fusion.features.counts.tolist() == town.counts(name, Part.TRAIN, Part.VALID)
    assert fusion.features.counts.tolist() != town.counts(name, Part.TRAIN)
    transitions = fusion.signals[fusion.names.index("transitions")]
    assert transitions is not None
    for key, array in Transitions().fit(evidence).state().items():
        np.testing.assert_array_equal(transitions.state()[key], array)
    past = town.fusion_datas[name].signals[fusion.names.index("transitions")]
    assert past is not None
    assert past is not transitions


@pytest.mark.parametrize("name", ["one", "five"])
def test_the_scales_stay_those_that_the_network_learned_with(town: Town, name: str) -> None:
    scales = town.fitted.fusions[name].features.scales
    np.testing.assert_array_equal(scales, town.fusion_datas[name].features.scales)
    assert len(scales) == 2
    assert not np.any(scales[[signal is not None for signal in town.fitted.fusions[name].signals]] == 1.0)


def test_what_is_measured_for_probabilities_goes_into_the_run(make_data: MakeData, walks: Walks) -> None:
    own = {"a": {"signals": ["popularity", "transitions"], "repeats": True}}
    data, settings = make_data({"a": walks(300, 12, 1)}, 300, scenarios=own)
    fitted = fit_system(data, settings, Silent())
    temperatures = fitted.fusions["a"].weights.temperatures
    assert temperatures is not None
    (note,) = [note for note in fitted.notes if "probabilities of a next choice" in note]
    assert "held-out choices, mean -log" in note


def test_a_scenario_has_its_own_signals_in_the_order_of_all(town: Town) -> None:
    one, five = town.fitted.fusions["one"], town.fitted.fusions["five"]
    assert one.names == five.names == ("popularity", "transitions")
    assert [type(signal) for signal in one.signals] == [Popularity, Transitions]
    assert [type(signal) for signal in five.signals] == [type(None), Transitions]


def test_each_scenario_has_its_own_number_and_weights(town: Town) -> None:
    fusions = town.fitted.fusions
    assert [fusions[name].scenario for name in ("one", "five")] == [0, 1]
    one, five = (fusions[name].weights.arrays for name in ("one", "five"))
    assert any(not np.array_equal(one[key], five[key]) for key in one)
    assert list(town.fitted.curves) == ["all scenarios", "one", "one alone", "five", "five alone"]
    assert [fusion.hide_seen for fusion in fusions.values()] == [False, False]


def test_a_fusion_that_reaches_its_signals_is_used(town: Town) -> None:
    assert town.fitted.validation["one"]["polyscene"] > 0.9
    assert town.fitted.fusions["one"].fallback is None
    (note,) = [note for note in town.fitted.notes if note.startswith("one:")]
    assert "probabilities of a next choice are not calibrated" in note


def test_with_few_choices_the_best_signal_is_used_alone(make_data: MakeData, walks: Walks) -> None:
    own = {"a": {"signals": ["popularity", "transitions"], "repeats": True}}
    data, settings = make_data({"a": walks(8, 12, 1)}, 8, scenarios=own)
    fitted = fit_system(data, settings, Silent())
    fusion = fitted.fusions["a"]
    assert fusion.fallback == "transitions"
    alone, uncalibrated = fitted.notes
    assert alone.startswith("a: 'transitions' is used alone: on ")
    assert uncalibrated.startswith("a: probabilities of a next choice are not calibrated")
    queries = data.folds.test("a").choices.queries
    scaled = fusion.features.block(fusion.signals, queries).signals[:, fusion.names.index("transitions")]
    np.testing.assert_array_equal(fusion.score(queries), scaled)


TEXT = np.eye(2, dtype=np.float32)
ALL = ["cross_scenario", "content_prior", "content", "recency", "popularity"]


@pytest.mark.parametrize(
    ("wanted", "evidence", "expected"),
    [
        (ALL, {}, ["popularity", "recency"]),
        (ALL, {"clock": "sequence"}, ["popularity"]),
        (ALL, {"vectors": TEXT}, ["popularity", "recency", "content"]),
        (["recency", "content"], {"clock": "sequence"}, ["popularity"]),
    ],
)
def test_signals_without_anything_to_learn_from_are_left_out(
    make_evidence: Callable[..., Evidence],
    wanted: list[str],
    evidence: dict[str, object],
    expected: list[str],
) -> None:
    assert usable_signals(wanted, make_evidence([(0, 0, 0)], 2, **evidence)) == expected


def test_signals_of_other_scenarios_and_of_the_untuned_model_want_them(
    make_evidence: Callable[..., Evidence],
) -> None:
    alone = make_evidence([(0, 0, 0)], 2, vectors=TEXT)
    other = {"b": OtherScenario(alone.events, alone.space)}
    beside = make_evidence([(0, 0, 0)], 2, vectors=TEXT, elsewhere=other)
    assert "cross_scenario" in usable_signals(ALL, beside)
    assert "content_prior" not in usable_signals(ALL, beside)
    tuned = replace(alone, space=ItemSpace.of(TEXT, prior=TEXT[::-1].copy()))
    assert usable_signals(ALL, tuned) == ["popularity", "recency", "content", "content_prior"]


def sequence_town(make_data: MakeData, walks: Walks) -> tuple[TrainingData, Settings]:
    return make_data(
        {"one": walks(60, 10, 1)},
        60,
        scenarios={"one": {"signals": ["popularity", "sequence"], "repeats": True}},
        evaluation={"test_share": 0.2, "valid_share": 0.25},
        fusion={"epochs": 2, "hidden": 4},
    )


def test_a_signal_that_learns_by_gradients_is_handed_a_trainer(
    make_data: MakeData, walks: Walks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "MIN_SEQUENCES", 100)
    fitted = fit_system(*sequence_town(make_data, walks), Silent())
    assert "sequence" in fitted.fusions["one"].present()
    values = fitted.validation["one"]
    assert values["sequence"] > values["popularity"] + 0.1
    assert not any("left out" in note for note in fitted.notes)


def test_a_signal_that_was_asked_for_and_cannot_be_used_is_told_of(make_data: MakeData, walks: Walks) -> None:
    fitted = fit_system(*sequence_town(make_data, walks), Silent())
    assert "sequence" not in fitted.fusions["one"].present()
    note = "one: 'sequence' is left out: it needs enough choices that follow another"
    assert [line for line in fitted.notes if "left out" in line] == [note]


def test_usual_signals_are_left_out_without_a_word() -> None:
    assert left_out_notes("shop", ["content", "recency", "popularity"], ["popularity"]) == []
    assert left_out_notes("shop", ["text_ranker", "sequence"], ["sequence"]) == [
        "shop: 'text_ranker' is left out: it needs text"
    ]
