"""Where the split's own choices are few, those before them teach the fusion too, ranked by past signals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from polyscene.core.progress import Silent
from polyscene.core.settings.fusion import FusionSettings
from polyscene.core.settings.project import Settings
from polyscene.data.schema import Part
from polyscene.data.splits.phases import Phase
from polyscene.learning.earlier_choices import few, wanted_cuts, with_earlier_choices
from polyscene.learning.fit import fit_system
from polyscene.learning.fusion import ENOUGH_HELD_OUT, FusionData, PastSignals, fusion_data
from polyscene.learning.training_data import TrainingData
from polyscene.recommenders.popularity import Popularity

MakeData = Callable[..., tuple[TrainingData, Settings]]
Walks = Callable[[int, int, int], Sequence[tuple[int, int, int]]]
HALF = {"test_share": 0.2, "valid_share": 0.1}


def signals_at(data: TrainingData, name: str) -> PastSignals:
    past = data.evidence(name, Phase.PAST)
    return PastSignals(["popularity"], [Popularity().fit(past)], past)


def counts(data: TrainingData, cuts: Sequence[dict[str, np.ndarray]], name: str) -> list[int]:
    return [int(np.sum(cut[name] == Part.VALID)) for cut in cuts]


@pytest.mark.parametrize(
    ("own", "enough", "most", "expected"),
    [(49, 100, 1000, True), (50, 100, 1000, False), (49, 1000, 100, True), (50, 1000, 100, False)],
)
def test_few_are_less_than_half_of_enough(own: int, enough: int, most: int, expected: bool) -> None:
    limits = FusionSettings(enough_choices=enough, max_choices=most)
    assert few(own, limits) is expected


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"enough_choices": 100, "earlier_cuts": 4}, [32, 32, 32]),  # 32 + 3 * 32 = 128
        ({"enough_choices": 129, "earlier_cuts": 4}, [32, 32, 32, 32]),
        ({"enough_choices": 1000, "earlier_cuts": 2}, [32, 32]),
        ({"enough_choices": 1000, "earlier_cuts": 0}, []),
        ({"enough_choices": 64, "earlier_cuts": 4}, []),
    ],
)
def test_cuts_are_taken_until_there_are_enough(
    make_data: MakeData, walks: Walks, limits: dict[str, int], expected: list[int]
) -> None:
    data, settings = make_data({"a": walks(40, 10, 1)}, 40, evaluation=HALF, fusion=limits)
    assert int(np.sum(data.parts["a"] == Part.VALID)) == 32
    assert counts(data, wanted_cuts(data, settings), "a") == expected


def learned_with(
    make_data: MakeData, walks: Walks, people: int = 40, **fusion: int
) -> tuple[FusionData, FusionData, TrainingData]:
    data, settings = make_data(
        {"a": walks(people, 10, 1)},
        people,
        evaluation=HALF,
        fusion={"earlier_cuts": 4} | fusion,
        scenarios={"a": {"repeats": True}},
    )
    own = fusion_data(data, "a", signals_at(data, "a"), settings, Silent())
    cuts = [data.at(parts) for parts in wanted_cuts(data, settings)]
    return own, with_earlier_choices(own, "a", cuts, signals_at, settings, Silent()), data


def test_people_who_are_held_out_teach_nothing_at_earlier_cuts(make_data: MakeData, walks: Walks) -> None:
    """Everybody has one choice in every slice, so the shares of the people are those of the choices."""
    own, more, _ = learned_with(make_data, walks, enough_choices=200)
    assert len(own.held_people) == 6
    assert own.earlier == ()
    assert len(more.held_out) > len(own.held_out)
    assert more.held_out[: len(own.held_out)] == own.held_out
    assert more.training == own.training
    assert len(more.earlier) + len(more.held_out) - len(own.held_out) == 4 * 32
    assert more.n_own == own.n_own == 32
    assert more.earlier_seconds > 0


def test_no_more_than_enough_are_learned_from(make_data: MakeData, walks: Walks) -> None:
    own, more, _ = learned_with(make_data, walks, enough_choices=70)
    assert len(own.held_out) < ENOUGH_HELD_OUT
    assert len(more.examples) == 70


def test_where_enough_are_held_out_none_join_them(make_data: MakeData, walks: Walks) -> None:
    own, more, _ = learned_with(make_data, walks, people=1300, enough_choices=4000)
    assert len(own.held_out) >= ENOUGH_HELD_OUT
    assert more.held_out == own.held_out
    assert more.earlier


def test_a_scenario_with_enough_of_its_own_learns_no_earlier_ones(make_data: MakeData, walks: Walks) -> None:
    own, more, data = learned_with(make_data, walks, enough_choices=64)
    cuts = [data.at(data.parts)]
    settings = Settings.parse(
        {
            "scenarios": {
                "a": {"items": {"path": "i", "id": "i"}, "events": {"path": "e", "user": "u", "item": "i"}}
            },
            "fusion": {"enough_choices": 64},
        }
    )
    assert with_earlier_choices(own, "a", cuts, signals_at, settings, Silent()).earlier == []
    assert more.earlier == []


def test_at_a_cut_the_signals_know_nothing_of_what_came_after(make_data: MakeData, walks: Walks) -> None:
    data, settings = make_data(
        {"a": walks(40, 10, 1)}, 40, evaluation=HALF, fusion={"enough_choices": 200, "earlier_cuts": 4}
    )
    for parts in wanted_cuts(data, settings):
        at = data.at(parts)
        log = data.dataset.scenarios["a"].events
        choices = at.folds.tune("a").choices
        assert at.evidence("a", Phase.PAST).events.time.max() < choices.queries.time.min()
        assert len(choices) == int(np.sum(parts["a"] == Part.VALID))
        assert at.folds_of_split is data.folds
        assert at.evidence("a", Phase.PAST).events.time.max() < log.time.max()


def test_the_earliest_cut_tells_all_how_fast_taste_fades(make_data: MakeData, walks: Walks) -> None:
    data, settings = make_data(
        {"a": walks(40, 10, 1)}, 40, evaluation=HALF, fusion={"enough_choices": 200, "earlier_cuts": 3}
    )
    cuts = wanted_cuts(data, settings)
    assert len(cuts) == 3
    first, second, earliest = (data.evidence("a", Phase.PAST) for data in data.at_each(cuts))
    assert first.decay_of is second.decay_of is earliest.decay_of
    assert first.decay_of is not None
    assert first.decay_of.events.time.max() == earliest.events.time.max() < second.events.time.max()
    object.__setattr__(first.decay_of, "decay", 0.123)
    assert second.decay == 0.123
    assert data.at_each([]) == []
    assert data.evidence("a", Phase.PAST).decay_of is None


def test_a_system_says_what_its_fusion_learned_from(make_data: MakeData, walks: Walks) -> None:
    data, settings = make_data(
        {"a": walks(60, 10, 1)},
        60,
        evaluation=HALF,
        fusion={"earlier_cuts": 4, "enough_choices": 200, "epochs": 2, "hidden": 4},
        scenarios={"a": {"signals": ["popularity", "transitions"], "repeats": True}},
    )
    fitted = fit_system(data, settings, Silent(), cuts=wanted_cuts(data, settings))
    facts = fitted.facts["a"]
    assert facts["choices"] == 48
    assert facts["earlier_choices"] == 200 - 48
    assert facts["new_items"]["size"] == 0.0
    (note,) = [note for note in fitted.notes if note.startswith("choices that the fusion learned from")]
    assert note.startswith(
        "choices that the fusion learned from: a: 48 and 152 earlier ones; loss on those held"
    )
    assert note.endswith("earlier ones are left out") is not facts["earlier_kept"]
    assert "with earlier choices" in fitted.curves


def test_a_system_without_cuts_says_nothing_of_them(make_data: MakeData, walks: Walks) -> None:
    data, settings = make_data({"a": walks(60, 10, 1)}, 60, evaluation=HALF, fusion={"new_items": "cautious"})
    fitted = fit_system(data, settings, Silent())
    assert not [note for note in fitted.notes if "earlier" in note or "new items" in note]
    assert fitted.facts["a"]["earlier_choices"] == 0
