"""A training that may last only so long leaves out the worst bargains, and says so, by the test's clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Self, cast

import numpy as np
import pytest

from polyscene.core.errors import ConfigError
from polyscene.core.progress import Silent
from polyscene.core.settings.project import Settings
from polyscene.learning.earlier_choices import wanted_cuts
from polyscene.learning.fit import Fitted, fit_system
from polyscene.learning.language import TunedLanguage, _tune_together
from polyscene.learning.language_tuner import LanguageTuner
from polyscene.learning.signal_fitter import PAST
from polyscene.learning.time_budget import REFIT_SHARE, TimeBudget, seconds_of, too_dear
from polyscene.learning.training_data import TrainingData
from polyscene.learning.tuning_outcome import PastTuning, TuningOutcome
from polyscene.recommenders.recency import Recency
from polyscene.recommenders.signal import Evidence

MakeData = Callable[..., tuple[TrainingData, Settings]]
Walks = Callable[[int, int, int], Sequence[tuple[int, int, int]]]


@dataclass
class Watch:
    """A clock that stands still unless it is moved."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("2m", 120), ("1.5h", 5400), ("0.5s", 0.5)])
def test_a_length_of_time_is_read(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds
    assert TimeBudget.of(text).seconds == seconds


@pytest.mark.parametrize("text", ["", "2", "m", "2d", "-2m", "0s", "nanm", "infh", "2 minutes"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="write --budget 2m"):
        seconds_of(text)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("inf"), float("nan")])
def test_no_time_at_all_is_refused(seconds: float) -> None:
    with pytest.raises(ConfigError):
        TimeBudget.of(seconds)


def test_time_passes_by_the_clock_and_parts_add_up() -> None:
    watch = Watch()
    budget = TimeBudget(60.0, watch)
    assert TimeBudget.of(budget) is budget
    for seconds in (10.0, 5.0):
        with budget.measured("reading"):
            watch.now += seconds
    assert (budget.spent, budget.left, budget.cost("reading"), budget.cost("nothing")) == (
        15.0,
        45.0,
        15.0,
        0.0,
    )
    assert budget.minutes(0.4) == pytest.approx(0.3)
    watch.now += 100
    assert budget.left == -55.0
    assert budget.minutes(0.4) == 0.0
    budget.leave_out("all")
    assert budget.facts() == {
        "seconds": 60.0,
        "spent": 115.0,
        "parts": {"reading": 15.0},
        "left_out": ["all"],
    }
    assert budget.notes() == [
        "budget of 60 s, 115 s spent, overdrawn: what cannot be left out took longer; left out: all"
    ]


def test_without_a_bound_nothing_is_told_and_all_is_left() -> None:
    budget = TimeBudget.of(None)
    assert not budget.bounded
    assert budget.left == float("inf")
    assert budget.minutes(0.5) is None
    assert budget.notes() == []


SECONDS = {("a", "dear"): 6.0, ("a", "best"): 8.0, ("a", "cheap"): 1.0, ("b", "only"): 9.0}
WORTH = {("a", "dear"): 0.1, ("a", "best"): 0.5, ("a", "cheap"): 0.0, ("b", "only"): 0.0}


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        (24.0, []),
        (23.9, [("a", "cheap")]),  # finds nothing, so that each of its seconds is lost
        (22.9, [("a", "cheap"), ("a", "dear")]),
        (0.0, [("a", "cheap"), ("a", "dear")]),  # the best of each scenario stays
    ],
)
def test_the_worst_bargain_goes_first(allowed: float, expected: list[tuple[str, str]]) -> None:
    assert too_dear(SECONDS, WORTH, allowed) == expected


def fitted_in(
    data: TrainingData,
    settings: Settings,
    seconds: float | None,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[Fitted, TimeBudget]:
    """Fit a system whose recency takes 10 seconds, and nothing else any."""
    fit, watch = Recency.fit, Watch()

    def slow(self: Recency, evidence: Evidence) -> Recency:
        watch.now += 10.0
        return fit(self, evidence)

    monkeypatch.setattr(Recency, "fit", slow)
    budget = TimeBudget(seconds, watch)
    cuts = wanted_cuts(data, settings)
    return fit_system(data, settings, Silent(), cuts=cuts, budget=budget), budget


@pytest.mark.parametrize(
    ("seconds", "kept", "cuts"),
    [
        (None, True, True),
        (10 + 10 / REFIT_SHARE - 0.1, False, False),
        (10 + 10 / REFIT_SHARE + 0.1, True, False),
        (50 + 10 / REFIT_SHARE + 0.1, True, True),
    ],
)
def test_what_there_is_no_time_for_is_left_out_and_told(
    make_data: MakeData,
    walks: Walks,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float | None,
    kept: bool,
    cuts: bool,
) -> None:
    """Four earlier cuts take ten seconds each, as does fitting recency on everything."""
    data, settings = make_data(
        {"a": walks(60, 10, 1)},
        60,
        evaluation={"test_share": 0.2, "valid_share": 0.1},
        fusion={"earlier_cuts": 4, "enough_choices": 1000, "epochs": 2, "hidden": 4},
        scenarios={"a": {"signals": ["popularity", "recency", "transitions"], "repeats": True}},
    )
    fitted, budget = fitted_in(data, settings, seconds, monkeypatch)
    assert ("recency" in fitted.fusions["a"].fitted()) is kept
    assert {"popularity", "transitions"} <= set(fitted.fusions["a"].fitted())
    assert any("'recency', 10.0 s for an NDCG@10 of" in what for what in budget.left_out) is not kept
    assert (fitted.facts["a"]["earlier_choices"] > 0) is cuts
    assert ("a: choices at 4 earlier cuts" in budget.left_out) is not cuts
    assert budget.cost(f"a: recency: {PAST}") == 10.0
    assert budget.cost("a: recency: earlier") == (40.0 if cuts else 0.0)
    assert seconds is None or budget.left >= 0


@dataclass
class Tuner:
    """Tunes at once, and moves the clock by 20 seconds for the past."""

    watch: Watch
    gain: float
    minutes: list[float | None] = field(default_factory=list)
    label: str = "a"
    model: Any = None
    details: Any = field(default_factory=lambda: SimpleNamespace(scope="scenario"))
    bounds: Mapping[str, Any] = field(default_factory=dict)
    forgotten: bool = False

    def learn_past(self, minutes: float | None) -> PastTuning:
        self.minutes.append(minutes)
        self.watch.now += 20.0
        outcome = TuningOutcome(0.2, 0.2 + self.gain, {}, 1, 1)
        return PastTuning({"a": np.full((2, 2), 1.0)}, {"a": outcome}, {}, {}, {})

    def learn_all(self, past: PastTuning) -> dict[str, Any]:
        return {"a": np.full((2, 2), 2.0)}

    def forget(self) -> Self:
        self.forgotten = True
        return self


@pytest.mark.parametrize(
    ("seconds", "gain", "final", "left_out"),
    [
        (None, -0.1, 2.0, []),
        (100.0, 0.1, 2.0, []),
        (100.0, 0.0, None, ["a: tuning of the language model, which gained nothing in its time"]),
        (100.0, float("nan"), 2.0, []),  # nothing is held out
        (39.0, 0.1, 1.0, ["a: tuning of the language model on what came after the past"]),
    ],
)
def test_tuning_goes_on_where_held_out_choices_say_that_it_pays(
    monkeypatch: pytest.MonkeyPatch,
    seconds: float | None,
    gain: float,
    final: float | None,
    left_out: list[str],
) -> None:
    monkeypatch.setattr("polyscene.learning.language.marked", lambda model: model)
    watch = Watch()
    tuner, budget = Tuner(watch, gain), TimeBudget(seconds, watch)
    backbone = SimpleNamespace(fingerprint="f")
    tuned = TunedLanguage(cast(Any, {"a": backbone}), {})
    worth = _tune_together(
        cast(LanguageTuner, tuner), tuned, {"a": np.zeros((2, 2), np.float32)}, budget, 0.4
    )
    assert worth is (final is not None)
    assert tuner.forgotten
    assert budget.left_out == left_out
    assert tuner.minutes == [None if seconds is None else pytest.approx(0.2 * seconds / 60)]
    if final is not None:
        assert float(tuned.vectors["a"].final[0, 0]) == final
        assert float(tuned.vectors["a"].early[0, 0]) == 1.0
    else:
        assert tuned.vectors == {}
