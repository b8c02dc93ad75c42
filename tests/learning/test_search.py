"""A search over settings: what it tries, what ends it, what it keeps, and what it must not see."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from polyscene.core.errors import ConfigError, ModelError, RunError
from polyscene.core.progress import Advance, Silent
from polyscene.core.settings.language import LanguageSettings
from polyscene.core.settings.tuning import TuningDetails
from polyscene.data.schema import Part
from polyscene.language.compression.layers import drop_layers
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.model.loading import load_model
from polyscene.language.tuning.cached_encoder import CachedEncoder
from polyscene.language.tuning.methods import dressed, frozen_layers
from polyscene.learning import search as searching
from polyscene.learning.language import try_tuning
from polyscene.learning.search import SharedEncoders, read_trials
from polyscene.learning.search_space import Trial
from polyscene.learning.tuning_outcome import TuningOutcome
from polyscene.project import Project

pytest.importorskip("optuna")

Make = Callable[..., Project]


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a model of two layers, which reads fast."""
    folder = tmp_path_factory.mktemp("short") / "model"
    drop_layers(load_model(LanguageSettings(precision="float32")), [0, 5]).save(folder)
    return folder


@pytest.fixture(scope="module")
def language(short: Path) -> LanguageSettings:
    return LanguageSettings(model=str(short), max_tokens=16, precision="float32", tuning="top")


@pytest.fixture
def make(hamlet: Path, language: LanguageSettings, tmp_path: Path) -> Make:
    """Return what opens the hamlet's shop with little to learn and a fresh folder of runs."""

    def opened(home: str = "runs", progress: Silent | None = None) -> Project:
        project = Project.open(hamlet, progress)
        runtime = project.settings.runtime.model_copy(update={"runs": str(tmp_path / home)})
        changes = {
            "language": language,
            "scenarios": {"shop": project.settings.scenarios["shop"]},
            "tuning": TuningDetails(projection_steps=8, projection_batch=64, validations=2),
            "runtime": runtime,
        }
        project.settings = project.settings.model_copy(update=changes)
        return project

    return opened


class Ticking:
    """A clock on which every look takes a second."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> float:
        self.now += 1
        return float(self.now)


class Impatient(Silent):
    """Interrupts when it has heard of so many trials; 0: at once."""

    def __init__(self, trials: int) -> None:
        self.trials = trials

    @contextmanager
    def track(self, label: str, total: int, unit: str = "") -> Iterator[Advance]:
        if label == "search" and not self.trials:
            raise KeyboardInterrupt
        yield lambda steps: None

    def say(self, text: str) -> None:
        if text.startswith(f"trial {self.trials}:"):
            raise KeyboardInterrupt


def _said(trials: tuple[Trial, ...] | list[Trial]) -> list[Trial]:
    return [replace(trial, seconds=0.0) for trial in trials]


def test_the_first_trial_is_the_present_settings_as_training_judges_them(make: Make, tmp_path: Path) -> None:
    project = make()
    result = project.tune(trials=3)
    first = result.trials[0]
    assert first.settings == result.present
    assert first is result.unchanged
    assert result.present["projection_batch"] == 64
    model = load_model(project.settings.language, project.base)
    outcomes = try_tuning(
        dict.fromkeys(project.settings.scenarios, model),
        project.ground(),
        project.settings,
        tmp_path,
        Silent(),
    )
    assert first.scenarios == {"shop": outcomes["shop"].after}
    assert len({tuple(trial.settings.values()) for trial in result.trials}) == 3
    assert result.best.worth == max(trial.worth for trial in result.trials)
    assert (result.fresh, result.ended) == (3, "trials")


def test_a_second_search_goes_on_as_if_nothing_had_happened(make: Make) -> None:
    whole = make("whole").tune(trials=3)
    make("parts").tune(trials=1)
    rest = make("parts").tune(trials=2)
    assert _said(rest.trials) == _said(whole.trials)
    assert rest.fresh == 2
    assert list(rest.trials) == read_trials(rest.file)


def test_another_question_has_trials_of_its_own(make: Make) -> None:
    project = make()
    project.tune(trials=1)
    project.settings = project.settings.model_copy(update={"seed": 99})
    other = project.tune(trials=1)
    assert len(other.trials) == 1
    assert len(list(other.file.parent.glob("search-*.json"))) == 2


def test_the_end_of_the_time_leaves_what_was_finished(make: Make) -> None:
    seconds = make("once").tune(trials=1, clock=Ticking()).trials[0].seconds
    result = make("timed").tune(minutes=1.3 * seconds / 60, clock=Ticking())
    assert result.ended == "time"
    assert len(result.trials) == len(read_trials(result.file)) == 1
    with pytest.raises(ConfigError, match="--minutes"):
        make("hurried").tune(minutes=0.5 * seconds / 60, clock=Ticking())


def test_an_interruption_leaves_what_was_finished(make: Make) -> None:
    result = make(progress=Impatient(2)).tune()
    assert (result.ended, result.fresh) == ("interruption", 2)
    assert len(read_trials(result.file)) == 2
    with pytest.raises(KeyboardInterrupt):
        make("early", Impatient(0)).tune()


def test_a_training_that_fails_is_the_worst_unless_it_is_the_present_one(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []

    def failing(*arguments: object) -> dict[str, TuningOutcome]:
        calls.append(arguments)
        if len(calls) != 1:
            raise ModelError("not finite")
        return {"shop": TuningOutcome(0.1, 0.2, {}, 1, 4), "news": TuningOutcome(0.1, float("nan"), {}, 1, 4)}

    monkeypatch.setattr(searching, "try_tuning", failing)
    result = make().tune(trials=2)
    assert result.trials[0].scenarios == {"shop": 0.2}
    assert result.trials[1].failure == "not finite"
    assert result.best is result.trials[0]
    assert read_trials(result.file) == list(result.trials)
    with pytest.raises(ModelError):
        make("other").tune(trials=2)


def test_nothing_held_out_is_said(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    blind = {"shop": TuningOutcome(float("nan"), float("nan"), {}, 1, 4)}
    monkeypatch.setattr(searching, "try_tuning", lambda *arguments: blind)
    with pytest.raises(ConfigError, match="valid_share"):
        make().tune(trials=1)


@pytest.mark.parametrize(
    "text", ["{", '{"format": 0, "trials": []}', '{"format": 1, "trials": [{"a": 1}]}', "[]", "\xff"]
)
def test_a_damaged_file_is_named(text: str, tmp_path: Path) -> None:
    file = tmp_path / "search-1.json"
    assert read_trials(file) == []
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(RunError, match=r"search-1\.json"):
        read_trials(file)


def test_the_test_part_is_not_looked_at(make: Make) -> None:
    honest, blinded = make("honest"), make("blinded")
    scenario = blinded.dataset.scenarios["shop"]
    tested = blinded.ground().parts["shop"] == Part.TEST
    assert tested.any()
    items = np.where(tested, scenario.events.item[::-1], scenario.events.item).astype(np.int32)
    assert (items != scenario.events.item).any()
    events = replace(scenario.events, item=items)
    blinded.__dict__["dataset"] = replace(
        blinded.dataset, scenarios={"shop": replace(scenario, events=events)}
    )
    assert _said(honest.tune(trials=2).trials) == _said(blinded.tune(trials=2).trials)


def _read(model: LanguageModel, method: str, make: Callable[..., CachedEncoder]) -> CachedEncoder:
    details = TuningDetails(dropout=0.0)
    torch.manual_seed(3)
    worn = dressed(model, method, details)
    reader = make(worn, ["red shoe", "a long blue summer dress", ""], frozen_layers(worn, method, details))
    for parameter in worn.module.parameters():
        if parameter.requires_grad:
            parameter.data.add_(0.1)  # as if it had learned
    return reader


@pytest.mark.parametrize("method", ["top", "full", "lora", "adalora", "adapter"])
def test_readings_are_shared_where_untouched_models_read_alike(
    method: str, language: LanguageSettings
) -> None:
    model, readings = load_model(language), SharedEncoders()

    def shared(worn: LanguageModel, texts: Sequence[str], frozen: int) -> CachedEncoder:
        return readings(worn, texts, frozen, 4096, Silent())

    first, second = (_read(model, method, shared) for _ in range(2))
    fresh = _read(model, method, CachedEncoder)
    assert second.pooled is first.pooled
    assert second.model is not first.model
    np.testing.assert_allclose(second.pooled, fresh.pooled, atol=1e-6)
    second.resting = first.resting = fresh.resting = False
    np.testing.assert_allclose(second.all(), fresh.all(), atol=1e-4)


def test_another_depth_is_read_again(language: LanguageSettings) -> None:
    model, readings = load_model(language), SharedEncoders()
    worn = dressed(model, "top", TuningDetails())
    readers = [readings(worn, ["red shoe"], frozen, 4096, Silent()) for frozen in (1, 0, 0)]
    assert [reader.frozen for reader in readers] == [1, 0, 0]
    assert readers[0].pooled is not readers[1].pooled
    assert readers[1].pooled is readers[2].pooled
