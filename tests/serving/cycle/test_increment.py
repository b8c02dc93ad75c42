"""A night may cost what its day costs: the fusion learns on, keeps what it learned from, and is judged as
ever."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polyscene.core.settings.cycle import CycleSettings
from polyscene.core.types import Event
from polyscene.evaluation.offpolicy.shown import ShownSlate
from polyscene.learning import fusion_increment
from polyscene.learning.fusion_increment import Increment, learned_on
from polyscene.online.lessons import Lessons
from polyscene.policies.greedy import Greedy
from polyscene.project import Project
from polyscene.recommenders.fusion.kept_examples import arrays_of, examples_of_arrays
from polyscene.recommenders.fusion.training import Example
from polyscene.serving import cycle as nightly
from polyscene.serving.cycle_contest import Contest
from polyscene.serving.cycle_increment import Growth, _earlier, _keep, eyes_of
from polyscene.serving.cycle_replicas import Replica
from polyscene.serving.cycle_report import CycleReport
from polyscene.serving.cycle_service import cycle
from polyscene.serving.cycle_state import read_state
from polyscene.serving.stores.contract import Batch, LoggedEvent
from polyscene.serving.stores.opening import open_stores

Copied = Callable[[], Project]
DAY = 86_400_000_000


@pytest.fixture
def learning(copied: Copied, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a project whose fusion is used, and whose cycles learn on."""
    project = copied()
    settings = project.settings.cycle.model_copy(update={"refit_growth": 0.9})
    project.settings = project.settings.model_copy(update={"cycle": settings})
    plain = Replica.__init__

    def fused(self: Replica, *args: object) -> None:
        plain(self, *args)  # type: ignore[arg-type]
        for state in self.system.scenarios.values():
            state.fusion.fallback = None

    monkeypatch.setattr(Replica, "__init__", fused)
    return project


def _more(folder: Path, number: int, seed: int) -> None:
    """Append clicks of everybody on what they like, a minute apart."""
    generator, events = np.random.default_rng(seed), open_stores(folder, "")
    latest = max(one.time or 0 for _, one in events[0].since(0, 10_000) if isinstance(one, LoggedEvent))
    for row in range(number):
        user = int(generator.integers(60))
        item = user % 3 * 10 + min(int(generator.exponential(2.0)), 9)
        time = latest + (row + 1) * int(timedelta(minutes=1).total_seconds()) * 1_000_000
        events[0].append([Batch.of([LoggedEvent(f"u{user}", f"i{item}", "shop", "click", time=time)])])
    for store in events:
        store.close()


def _forbidden(*args: object, **kwargs: object) -> None:
    raise AssertionError("expected no training anew")


def test_nights_learn_on_and_remember_what_they_learned_from(
    learning: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Project, "train", _forbidden)
    folder, first = learning.base / "service", learning.run()
    weights = first.system.scenarios["shop"].fusion.weights.arrays["base"].copy()
    report = cycle(learning, folder)
    assert (report.verdict, report.anew) == ("promoted", False), report.reasons
    assert f"learned on from {report.learned} new choices and 0 earlier ones" in report.notes[0]
    second = learning.run(report.run)
    assert second.manifest["trained"] == {"events": 900, "nights": 1}
    assert len(second.system.scenarios["shop"].log) == 900 + report.events
    assert not np.array_equal(second.system.scenarios["shop"].fusion.weights.arrays["base"], weights)
    assert np.array_equal(
        learning.run(first.id).system.scenarios["shop"].fusion.weights.arrays["base"], weights
    )
    _more(folder, 120, 5)
    again = cycle(learning, folder)
    assert (again.verdict, again.anew) == ("promoted", False), again.reasons
    assert f"from {again.learned} new choices and {report.learned} earlier ones" in again.notes[0]
    assert learning.run(again.run).manifest["trained"] == {"events": 900, "nights": 2}


def test_one_that_learned_on_and_is_worse_is_refused_and_the_next_is_trained_anew(
    learning: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, live = learning.base / "service", learning.run().id

    def spoilt(weights: object, *args: object) -> Increment:
        step = learned_on(weights, *args)  # type: ignore[arg-type]
        arrays = {name: -array for name, array in step.weights.arrays.items()}
        return replace(step, weights=replace(step.weights, arrays=arrays))

    with monkeypatch.context() as patched:
        patched.setattr(fusion_increment, "learned_on", spoilt)
        report = cycle(learning, folder)
    assert (report.verdict, report.anew) == ("refused", False)
    assert "worse on new choices" in report.reasons[0]
    assert read_state(folder / "cycle").anew
    assert learning.runs() == [live]
    _more(folder, 120, 6)
    again = cycle(learning, folder)
    assert again.anew
    assert "which had learned on, was refused" in again.notes[0]
    assert not read_state(folder / "cycle").anew


def test_one_that_was_killed_does_not_learn_on_twice(
    learning: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = learning.base / "service"
    with monkeypatch.context() as patched:
        patched.setattr(Contest, "hold", _forbidden)
        with pytest.raises(AssertionError):
            cycle(learning, folder)
    monkeypatch.setattr(nightly, "learn_on", _forbidden)
    assert cycle(learning, folder).verdict == "promoted"


def test_growth_and_nights_decide_when_a_run_is_trained_anew() -> None:
    settings = CycleSettings(refit_growth=0.2, refit_nights=3)
    assert Growth(1000, 2).why_anew(settings, 1199) is None
    assert "from 1,000 to 1,200 events" in (Growth(1000).why_anew(settings, 1200) or "")
    assert "3 cycles have learned on" in (Growth(1000, 3).why_anew(settings, 1100) or "")
    assert Growth(1000).why_anew(CycleSettings(refit_growth=0), 1000) == "every cycle trains anew"


def test_a_lesson_is_what_was_known_before_the_choice(shop: Path) -> None:
    run = Project.open(shop / "polyscene.toml").run()
    state = run.system.scenarios["shop"]
    state.fusion.fallback = None
    lessons = Lessons(run.system, 2_000, 7)
    assert lessons.put_down("shop", "u1", "i4")
    assert not lessons.put_down("shop", "u1", "unheard of")
    run.observe(*[Event("u2", "i4", "shop", "click") for _ in range(20)])
    assert lessons.put_down("shop", "u1", "i4")
    before, after = lessons.examples["shop"]
    assert before.signals.shape == (2, 30)
    assert before.person == run.system.user("u1", "shop")
    popular = state.fusion.names.index("popularity")
    assert after.signals[popular, 0] > before.signals[popular, 0], "the choice stands first"
    stranger = Lessons(run.system, 2_000, 7)
    assert stranger.put_down("shop", "nobody", "i4")
    assert stranger.examples["shop"][0].person == -1
    state.fusion.fallback = "popularity"
    assert not stranger.put_down("shop", "u1", "i4")


def test_lessons_are_kept_bit_for_bit_and_those_of_the_erased_are_not(shop: Path, tmp_path: Path) -> None:
    run = Project.open(shop / "polyscene.toml").run()
    run.system.scenarios["shop"].fusion.fallback = None
    lessons = Lessons(run.system, 2_000, 7)
    for user, item in (("u1", "i4"), ("u2", "i7"), ("nobody", "i1")):
        lessons.put_down("shop", user, item)
    examples = lessons.examples["shop"]
    back = examples_of_arrays(arrays_of(examples))
    assert len(back) == 3
    for one, other in zip(examples, back, strict=True):
        for name in ("signals", "facts", "peaks", "user", "log_weights"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert one.person == other.person
    with pytest.raises(ValueError, match="found none"):
        arrays_of([])
    _keep(tmp_path, {"shop": examples})

    class Kept:
        system = run.system

    assert len(_earlier(tmp_path, "shop", Kept())) == 3  # type: ignore[arg-type]
    run.intake.forget(lambda name: name == "u1")
    assert len(_earlier(tmp_path, "shop", Kept())) == 2  # type: ignore[arg-type]
    assert _earlier(tmp_path, "news", Kept()) == []  # type: ignore[arg-type]


def test_what_makes_held_out_choices_worse_is_not_kept(shop: Path) -> None:
    project = Project.open(shop / "polyscene.toml")
    run = project.run()
    state = run.system.scenarios["shop"]
    state.fusion.fallback = None
    lessons = Lessons(run.system, 2_000, 7)
    generator = np.random.default_rng(0)
    for user in generator.integers(0, 60, 80).tolist():
        lessons.put_down("shop", f"u{user}", f"i{user % 3 * 10}")
    fusion, settings = state.fusion, project.settings.fusion
    fusion.weights = fusion.weights.lifted(1.0, 3.0)

    def step(examples: list[Example]) -> Increment:
        return learned_on(fusion.weights, fusion.scenario, examples, [], settings, 7, project.progress)

    whole, few = step(lessons.examples["shop"]), step(lessons.examples["shop"][:10])
    assert whole.after < whole.before
    assert whole.learned
    assert whole.choices == 80
    assert whole.weights.lift == (1.0, 3.0), "how far new items are lifted is not learned"
    assert few.weights is state.fusion.weights
    assert not few.learned


def test_a_choice_from_a_slate_is_one_among_what_it_showed(shop: Path) -> None:
    run = Project.open(shop / "polyscene.toml").run()
    run.system.scenarios["shop"].fusion.fallback = None
    lessons = Lessons(run.system, 2_000, 7)
    eyes = {"i7": 0.5, "i4": 0.25, "gone": 0.2, "i1": 0.125}
    assert lessons.put_down("shop", "u1", "i4")
    assert lessons.put_down("shop", "u1", "i4", eyes)
    assert lessons.put_down("shop", "u1", "i4", {"i4": 1.0, "gone": 0.5})
    whole, among, alone = lessons.examples["shop"]
    np.testing.assert_allclose(among.log_weights, np.log([0.25, 0.5, 0.125]), rtol=1e-6)
    assert among.signals.shape == (2, 3)
    np.testing.assert_array_equal(among.signals[:, 0], whole.signals[:, 0])
    codes = [run.system.scenarios["shop"].catalogue.ids.get(name) for name in ("i7", "i1")]
    places = [1 + code - (code > 4) for code in codes if code is not None]
    np.testing.assert_array_equal(among.signals[:, 1:], whole.signals[:, places])
    assert alone.signals.shape == (2, 30), "a slate of one says nothing"


def test_events_find_the_slates_that_they_answer_and_how_its_places_are_looked_at() -> None:
    def slate(number: int, user: str) -> ShownSlate:
        places, chances = np.arange(2), np.ones(2, np.float32)
        scores = np.zeros(3, np.float32)
        return ShownSlate(
            f"d{number}", number * 100, user, "shop", ("a", "b"), places, chances, scores, Greedy()
        )

    slates = [slate(number, f"u{number}") for number in range(200)]
    events = [LoggedEvent(f"u{number}", "a", "shop", "click", time=number * 100 + 5) for number in range(100)]
    events += [LoggedEvent(f"u{number}", "b", "shop", "click", time=number * 100 + 6) for number in range(20)]
    events += [
        LoggedEvent("u3", "c", "shop", "click", time=305),
        LoggedEvent("u4", "a", "news", "click", time=405),
    ]
    eyes = eyes_of(slates, events, 50)
    assert eyes[-2:] == [None, None]
    assert eyes[0] == eyes[50]
    first = eyes[0]
    assert first is not None
    assert list(first) == ["a", "b"]
    mean = 120 / 400
    assert first["a"] == pytest.approx((100 + 20 * mean) / 220)
    assert first["b"] == pytest.approx((20 + 20 * mean) / 220)
    late = LoggedEvent("u0", "a", "shop", "click", time=51)
    assert eyes_of(slates, [late], 50) == [None]


def test_a_posterior_that_drifted_from_a_refit_lets_the_night_train_anew(
    learning: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[object, CycleReport]] = []

    def note(self: object, state: object, live: object, lessons: object, known: object, *rest: Any) -> None:
        calls.append((lessons, rest[0]))
        raise InterruptedError

    reason = "the posterior of 'shop' has drifted from a refit"
    monkeypatch.setattr(nightly.Cycle, "_made", note)
    monkeypatch.setattr(nightly, "compare_with_refits", lambda *_: reason)
    for has_one in (True, False):
        monkeypatch.setattr(nightly, "has_posteriors", lambda _, one=has_one: one)
        with pytest.raises(InterruptedError):
            cycle(learning, learning.base / "service")
    (lessons, drifted), (kept, usual) = calls
    assert (lessons, drifted.anew, drifted.anew_because) == (None, True, reason)
    assert drifted.notes == [f"it was trained anew: {reason}"]
    assert kept is not None
    assert (usual.anew, usual.anew_because, usual.notes) == (False, None, [])
