"""Which settings are searched, and that what is proposed follows from what was tried."""

from __future__ import annotations

import importlib
import math
from typing import Any, NoReturn

import pytest

from polyscene.core.errors import ConfigError, MissingExtraError
from polyscene.core.settings.project import Settings
from polyscene.core.settings.tuning import TuningDetails
from polyscene.learning.search_space import RANDOM_FIRST, STEPS, Space, Trial, applied

ALWAYS = {"projection_rate", "projection_batch", "temperature", "history", "history_dropout", "dropout"}
WEIGHTS = {"steps", "optimiser.learning_rate"}


def _settings(method: str = "top", **tuning: Any) -> Settings:
    scenario = {"items": {"path": "i.csv", "id": "i"}, "events": {"path": "e.csv", "user": "u", "item": "i"}}
    document = {"language": {"tuning": method}, "tuning": tuning, "scenarios": {"shop": scenario}}
    return Settings.parse(document)


@pytest.mark.parametrize(
    ("method", "own"),
    [
        ("top", {"layers"}),
        ("full", set()),
        ("lora", {"rank"}),
        ("adalora", {"rank"}),
        ("adapter", {"bottleneck"}),
        ("prefix", {"prefix_tokens"}),
    ],
)
def test_what_a_method_does_not_use_is_not_searched(method: str, own: set[str]) -> None:
    assert set(Space.of(_settings(method)).names) == ALWAYS
    assert set(Space.of(_settings(method), weights=True).names) == ALWAYS | WEIGHTS | own
    assert set(Space.of(_settings(method, steps=10)).names) == ALWAYS | WEIGHTS | own
    alone = set(Space.of(_settings(method, steps=10, projection=False)).names)
    assert not alone & {"projection_rate", "projection_batch"}
    assert ("dropout" in alone) == (method in ("lora", "adalora", "adapter"))


@pytest.mark.parametrize("settings", [_settings("none"), _settings(projection_steps=0)])
def test_what_learns_nothing_is_not_searched(settings: Settings) -> None:
    with pytest.raises(ConfigError, match="nothing to search"):
        Space.of(settings)


def test_settings_are_read_and_put_in_place() -> None:
    settings = _settings("lora", steps=30, rank=5, optimiser={"learning_rate": 3e-4, "clip": 2.0})
    present = Space.of(settings).present(settings.tuning)
    assert present["rank"] == 5
    assert present["optimiser.learning_rate"] == 3e-4
    assert applied(settings.tuning, present) == settings.tuning
    changed = applied(settings.tuning, {"optimiser.learning_rate": 1e-5, "history": 9})
    assert changed.optimiser.learning_rate == 1e-5
    assert changed.optimiser.clip == 2.0
    assert changed.history == 9
    assert changed.rank == 5
    still = _settings("lora")
    assert "rank" not in Space.of(still, weights=True).present(still.tuning)  # it is not in use


def _trials(space: Space, many: int, seed: int = 0, best: float = 0.1) -> list[Trial]:
    """Return a search for the temperature, by how near it comes to the best in its logarithm."""
    trials: list[Trial] = []
    for _ in range(many):
        chosen = space.proposed(trials, seed)
        trials.append(Trial(chosen, {"shop": math.exp(-abs(math.log(chosen["temperature"] / best)))}, 1.0))
    return trials


def test_proposals_are_valid_and_follow_from_trials_and_seed() -> None:
    pytest.importorskip("optuna")
    space = Space.of(_settings(), weights=True)
    trials = _trials(space, 12)
    assert [trial.settings for trial in trials] == [trial.settings for trial in _trials(space, 12)]
    assert trials[3].settings != _trials(space, 4, seed=1)[3].settings
    for trial in trials:
        applied(TuningDetails(), trial.settings)
        assert trial.settings["steps"] in STEPS
        assert ("layers" in trial.settings) == (trial.settings["steps"] > 0)
        assert all(value == float(f"{value:.3g}") or value > 999 for value in trial.settings.values())
    assert {trial.settings["steps"] > 0 for trial in trials} == {True, False}


def test_proposals_come_nearer_to_what_was_good() -> None:
    pytest.importorskip("optuna")
    worths = [trial.worth for trial in _trials(Space.of(_settings()), 40)]
    assert sum(worths[-10:]) / 10 > sum(worths[:RANDOM_FIRST]) / RANDOM_FIRST + 0.1


def test_settings_beyond_the_range_are_known_too() -> None:
    pytest.importorskip("optuna")
    settings = _settings(projection_rate=0.4, projection_batch=4, steps=77, layers=0)
    space = Space.of(settings)
    first = Trial(space.present(settings.tuning), {"shop": 0.5}, 1.0)
    failed = Trial(space.proposed([first], 0), {}, 1.0, "not finite")
    assert failed.worth == 0.0
    assert space.proposed([first, failed], 0).keys() <= set(space.names)


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> NoReturn:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(MissingExtraError, match=r'pip install "polyscene\[search\]"'):
        Space.of(_settings()).proposed([], 0)
