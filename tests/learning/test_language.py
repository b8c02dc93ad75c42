"""A project's language model is tuned, judged, kept in small files, and goes on after a kill."""

from __future__ import annotations

import json
import math
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from polyscene.core.progress import Silent
from polyscene.core.settings.language import TUNING_METHODS
from polyscene.core.settings.project import Settings
from polyscene.core.settings.tuning import TuningDetails
from polyscene.core.types import FloatArray
from polyscene.data.schema import Dataset, Part
from polyscene.data.splits.earlier_cuts import earlier_cuts
from polyscene.data.splits.parts import mask_of
from polyscene.data.splits.phases import Phase
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.model.loading import load_model
from polyscene.language.text.cache import EncodingCache
from polyscene.language.text.encoding import encode
from polyscene.language.tuning.files import FACTS, WEIGHTS, load_tuned
from polyscene.language.tuning.methods import KEYS, PLACES
from polyscene.learning import language_tuner
from polyscene.learning.item_views import LANGUAGE
from polyscene.learning.language import TunedLanguage, try_tuning, tune_language
from polyscene.learning.language_tuner import PROJECTION
from polyscene.learning.open_project import UNFINISHED
from polyscene.learning.training_data import TrainingData, training_data
from polyscene.learning.tuning_data import TuningData, tuning_data
from polyscene.project import Project
from polyscene.recommenders.content import Content
from polyscene.runs.folder import MANIFEST
from polyscene.runs.run import Run
from polyscene.training import loop
from polyscene.training.averaging import Averaged, fit_seeds

METHODS: tuple[str, ...] = tuple(TUNING_METHODS)
NAMES = ("shop", "news", "video")
MEAN = "projection.mean"
BRIEF = {"projection_steps": 8, "projection_batch": 64, "steps": 6, "batch": 32, "validations": 2}
SMALL = {"rank": 2, "bottleneck": 4, "prefix_tokens": 2}

Village = Callable[..., Project]


def configured(config: Path, changes: dict[str, dict[str, Any]]) -> None:
    """Write a table of values into each named block of a configuration that has none of them."""
    text = config.read_text(encoding="utf-8")
    for block, values in changes.items():
        lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
        if f"[{block}]\n" in text:
            kept = [
                line
                for line in text.split(f"[{block}]\n")[1].split("\n[")[0].splitlines(keepends=True)
                if line.split("=")[0].strip() in values
            ]
            for line in kept:
                text = text.replace(line, "")
            text = text.replace(f"[{block}]\n", f"[{block}]\n{lines}")
        else:
            text += f"\n[{block}]\n{lines}"
    config.write_text(text, encoding="utf-8")


@pytest.fixture
def village(hamlet: Path, small_encoder: Path, tmp_path: Path) -> Village:
    """Return what opens a hamlet of one's own that reads with a tiny model."""

    def open_(
        method: str = "top",
        model: Path = small_encoder,
        home: str = "village",
        optimiser: dict[str, Any] | None = None,
        objectives: dict[str, float] | None = None,
        **details: object,
    ) -> Project:
        folder = tmp_path / home
        shutil.copytree(hamlet.parent, folder, ignore=shutil.ignore_patterns("runs", "cache"))
        language = {"model": str(model), "tuning": method, "max_tokens": 24, "precision": "float32"}
        blocks: dict[str, dict[str, Any]] = {"language": language, "tuning": BRIEF | SMALL | details}
        blocks["tuning.optimiser"] = {"learning_rate": 0.01} | (optimiser or {})
        if objectives:
            blocks["tuning.objectives"] = objectives
        configured(folder / "polyscene.toml", blocks)
        return Project.open(folder / "polyscene.toml")

    return open_


def alone(project: Project, *names: str) -> tuple[LanguageModel, TrainingData, Settings]:
    """Return what tuning needs, of the named scenarios only."""
    torch.set_num_threads(1)
    kept = names or ("shop",)
    scenarios = {name: project.settings.scenarios[name] for name in kept}
    project.settings = project.settings.model_copy(update={"scenarios": scenarios})
    return load_model(project.settings.language, project.base), project.ground(), project.settings


def tuned_on(
    project: Project,
    model: LanguageModel,
    data: TrainingData,
    settings: Settings,
    earliest: TrainingData | None = None,
) -> TunedLanguage:
    models, folder = dict.fromkeys(data.dataset.scenarios, model), project.base / UNFINISHED
    return tune_language(models, data, settings, folder, EncodingCache(None), Silent(), earliest)


def tuned(project: Project, *names: str, ground: TrainingData | None = None) -> TunedLanguage:
    model, data, settings = alone(project, *names)
    return tuned_on(project, model, ground or data, settings)


@pytest.fixture(scope="module")
def finished(
    hamlet: Path, small_encoder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Project, Run]:
    """Return a run whose language model was tuned for each scenario."""
    folder = tmp_path_factory.mktemp("tuned") / "village"
    shutil.copytree(hamlet.parent, folder, ignore=shutil.ignore_patterns("runs", "cache"))
    language = {"model": str(small_encoder), "tuning": "top", "max_tokens": 24, "precision": "float32"}
    configured(folder / "polyscene.toml", {"language": language, "tuning": BRIEF})
    project = Project.open(folder / "polyscene.toml")
    return project, project.train()


def test_the_manifest_says_what_tuning_did(finished: tuple[Project, Run]) -> None:
    _, run = finished
    facts = json.loads((run.folder / MANIFEST).read_text(encoding="utf-8"))["tuning"]
    assert set(facts) == set(NAMES)
    for number, name in enumerate(NAMES):
        assert facts[name]["file"] == f"{LANGUAGE}/{number}"
        assert 0 <= facts[name]["before"] <= facts[name]["after"] <= 1
        assert set(facts[name]["steps"]) == {"projection", "weights"}
        file = run.folder / LANGUAGE / str(number) / WEIGHTS
        assert facts[name]["size"] <= file.stat().st_size < 2 * facts[name]["size"] + 4000
        tensors = load_file(file)
        learned = sum(t.numel() for key, t in tensors.items() if key not in (KEYS, MEAN, PLACES))
        assert facts[name]["weights"] == learned


def test_the_run_tells_of_it_in_words_and_curves(finished: tuple[Project, Run]) -> None:
    _, run = finished
    notes = " ".join(run.manifest["notes"])
    for name in NAMES:
        assert f"{name}: the language model learned" in notes
        assert f"language model, {name}, projection" in run.manifest["curves"]
        assert f"language model, {name}, weights" in run.manifest["curves"]


def test_the_small_files_make_the_vectors_of_the_run(finished: tuple[Project, Run]) -> None:
    project, run = finished
    backbone = load_model(project.settings.language, project.base)
    for number, name in enumerate(NAMES):
        model = load_tuned(backbone, run.folder / LANGUAGE / str(number))
        state = run.system.scenarios[name]
        content = next(signal for signal in state.fusion.signals if type(signal) is Content)
        vectors = encode(model, project.dataset.scenarios[name].catalogue.text)
        shifted = vectors - vectors.mean(axis=0)
        shifted /= np.linalg.norm(shifted, axis=1, keepdims=True)
        np.testing.assert_allclose(content.vectors, shifted, atol=0.02)


def test_nothing_stays_beside_the_runs(finished: tuple[Project, Run]) -> None:
    project, _ = finished
    assert not list((project.runs_folder / UNFINISHED).glob("*.safetensors"))


def test_a_tuned_run_is_judged_and_served(finished: tuple[Project, Run]) -> None:
    project, run = finished
    results = project.evaluate(run)
    assert {judgement.scenario for judgement in results.judgements} == set(NAMES)
    assert len(run.recommend("u00001", "shop", 3)) == 3


def test_an_untuned_run_keeps_no_language_model(village: Village) -> None:
    run = village("none").train()
    assert not (run.folder / LANGUAGE).exists()
    assert run.manifest["tuning"] == {}


def test_scope_shared_is_one_file_for_all(village: Village) -> None:
    project = village(scope="shared")
    run = project.train()
    facts = run.manifest["tuning"]
    assert {fact["file"] for fact in facts.values()} == {f"{LANGUAGE}/0"}
    assert [path.name for path in (run.folder / LANGUAGE).iterdir()] == ["0"]
    assert set(facts) == set(NAMES)


def test_shared_vectors_are_common_and_those_of_scenarios_are_not(village: Village) -> None:
    one = tuned(village(scope="shared", home="one"), "shop", "news")
    each = tuned(village(home="each"), "shop", "news")
    for name in ("shop", "news"):
        np.testing.assert_array_equal(one.vectors[name].common, one.vectors[name].final)
    assert len({id(model) for model in one.models.values()}) == 1
    assert len({id(model) for model in each.models.values()}) == 2
    plain = encode(
        each.backbones["shop"], alone(village(home="texts"))[1].dataset.scenarios["shop"].catalogue.text
    )
    np.testing.assert_allclose(each.vectors["shop"].common, plain, atol=1e-5)


def unjudged(data: TrainingData, name: str, details: TuningDetails, decay: float, phase: Phase) -> TuningData:
    """Hold nothing out, so that the last weights are kept, good or bad."""
    return replace(tuning_data(data, name, details, decay, phase), judge=None)


def before_and_after(project: Project, monkeypatch: pytest.MonkeyPatch) -> tuple[FloatArray, FloatArray]:
    """Return what the model makes of the shop's texts before its steps and after the last one."""
    model, ground, settings = alone(project)
    monkeypatch.setattr(language_tuner, "tuning_data", unjudged)
    frozen = {name: tensor.clone() for name, tensor in model.module.state_dict().items()}
    tuner = language_tuner.LanguageTuner(model, ground, settings, ["shop"], project.base, Silent())
    before, past = tuner.vectors()["shop"], tuner.learn_past()
    assert past.outcomes["shop"].weights > 0
    assert all(torch.equal(tensor, frozen[name]) for name, tensor in model.module.state_dict().items())
    return before, past.vectors["shop"]


@pytest.mark.parametrize("method", [method for method in METHODS if method != "none"])
def test_every_method_moves_what_the_model_says_with_an_adversary(
    village: Village, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    optimiser = {"perturbation": 0.5, "learning_rate": 0.01}
    project = village(method, optimiser=optimiser, projection_steps=0, validations=1)
    before, after = before_and_after(project, monkeypatch)
    assert np.isfinite(after).all()
    assert np.abs(after - before).max() > 1e-4


@pytest.mark.parametrize(
    "optimiser",
    [{"precision": "bfloat16"}, {"optimiser": "adafactor", "accumulation": 2}, {"optimiser": "sgd"}],
)
def test_every_way_of_moving_weights_can_be_chosen(
    village: Village, optimiser: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = village(optimiser=optimiser | {"learning_rate": 0.01}, projection_steps=0, steps=4)
    before, after = before_and_after(project, monkeypatch)
    assert np.isfinite(after).all()
    assert np.abs(after - before).max() > 1e-5


SUM = {"co_engagement": 1.0, "feedback": 0.5, "order": 0.5, "pretraining": 0.1}


@pytest.mark.parametrize(
    ("kind", "objectives"),
    [
        ("encoder", {"co_engagement": 0.0, "feedback": 1.0}),
        ("encoder", {"co_engagement": 0.0, "pretraining": 1.0}),
        ("encoder", SUM),
        ("decoder", SUM),
    ],
)
def test_every_objective_teaches_every_kind(
    village: Village, request: pytest.FixtureRequest, kind: str, objectives: dict[str, float]
) -> None:
    folder: Path = request.getfixturevalue(f"small_{kind}")
    project = village("lora", folder, objectives=objectives, projection_steps=4, steps=4)
    language = tuned(project)
    assert language.backbones["shop"].kind == kind
    values = language.vectors["shop"]
    for rows in (values.early, values.final):
        assert np.isfinite(rows).all()
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-4)
    assert any(np.isfinite(curve.training).all() for curve in language.curves.values())


def test_a_decoder_is_the_language_model_of_a_project(village: Village, small_decoder: Path) -> None:
    project = village("top", small_decoder)
    run = project.train()
    assert (run.folder / LANGUAGE / "0" / WEIGHTS).is_file()
    facts = json.loads((run.folder / LANGUAGE / "0" / FACTS).read_text(encoding="utf-8"))
    assert facts["method"] == "top"
    assert len(run.recommend("u00001", "news", 3)) == 3


def test_the_same_seed_gives_the_same_vectors_and_another_others(village: Village) -> None:
    first = tuned(village(home="first"), "shop")
    second = tuned(village(home="second"), "shop")
    np.testing.assert_array_equal(first.vectors["shop"].early, second.vectors["shop"].early)
    np.testing.assert_array_equal(first.vectors["shop"].final, second.vectors["shop"].final)
    assert first.models["shop"].fingerprint == second.models["shop"].fingerprint
    other = village(home="other")
    other.settings = other.settings.model_copy(update={"seed": 8})
    third = tuned(other, "shop")
    assert np.abs(third.vectors["shop"].early - first.vectors["shop"].early).max() > 1e-4


def test_the_test_part_changes_no_vector(village: Village) -> None:
    project = village()
    model, ground, settings = alone(project)
    scenario = ground.dataset.scenarios["shop"]
    hit = mask_of(ground.parts["shop"], Part.TEST)
    item = scenario.events.item.copy()
    item[hit] = (item[hit] + 7) % len(scenario.catalogue)
    events = replace(scenario.events, item=item)
    dataset = replace(ground.dataset, scenarios={"shop": replace(scenario, events=events)})
    poisoned = tuning_ground(dataset, ground, settings)
    languages = [tuned_on(project, model, each, settings) for each in (ground, poisoned)]
    assert hit.any()
    for name in ("early", "final", "common"):
        one, other = (getattr(each.vectors["shop"], name) for each in languages)
        np.testing.assert_array_equal(one, other)


def test_at_an_earlier_cut_nothing_that_came_after_it_is_known(village: Village) -> None:
    project = village()
    model, ground, settings = alone(project)
    cut = earlier_cuts(ground.dataset, ground.parts, settings.evaluation, 2)[-1]
    scenario = ground.dataset.scenarios["shop"]
    later = mask_of(cut["shop"], Part.CONTEXT)
    item = np.where(later, (scenario.events.item + 7) % len(scenario.catalogue), scenario.events.item)
    events = replace(scenario.events, item=item.astype(np.int32))
    dataset = replace(ground.dataset, scenarios={"shop": replace(scenario, events=events)})
    one, other = (
        tuned_on(project, model, each, settings, each.at(cut))
        for each in (ground, tuning_ground(dataset, ground, settings))
    )
    assert later.any()
    np.testing.assert_array_equal(one.vectors["shop"].early, other.vectors["shop"].early)
    assert np.abs(one.vectors["shop"].final - other.vectors["shop"].final).max() > 1e-4
    without = tuned_on(project, model, ground, settings)
    assert np.abs(one.vectors["shop"].early - without.vectors["shop"].early).max() > 1e-4


def tuning_ground(dataset: Dataset, ground: TrainingData, settings: Settings) -> TrainingData:
    return training_data(dataset, ground.parts, settings)


def test_what_helps_nobody_is_not_kept(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    """A judge who likes the frozen vectors best gets them back, and the model that makes them."""
    project = village(projection=False, projection_steps=0)
    model, ground, settings = alone(project)
    frozen = encode(model, ground.dataset.scenarios["shop"].catalogue.text)

    def judged_by(taste: float) -> Callable[..., TuningData]:
        def judge(vectors: FloatArray) -> float:
            return 1.0 + taste * float(np.abs(vectors - frozen).max())

        def judged(
            data: TrainingData, name: str, details: TuningDetails, decay: float, phase: Phase
        ) -> TuningData:
            known = judge if phase is Phase.PAST else None
            return replace(tuning_data(data, name, details, decay, phase), judge=known)

        return judged

    monkeypatch.setattr(language_tuner, "tuning_data", judged_by(-1.0))
    language = tuned_on(project, model, ground, settings)
    assert set(language.outcomes["shop"].steps.values()) == {0}
    np.testing.assert_allclose(language.vectors["shop"].early, frozen, atol=5e-3)
    np.testing.assert_allclose(language.vectors["shop"].final, frozen, atol=5e-3)
    monkeypatch.setattr(language_tuner, "tuning_data", judged_by(1.0))
    other = tuned_on(project, model, ground, settings)
    assert language.models["shop"].fingerprint != other.models["shop"].fingerprint


def test_what_validated_best_is_what_is_judged_even_on_random_events(village: Village) -> None:
    project = village()
    model, ground, settings = alone(project)
    scenario = ground.dataset.scenarios["shop"]
    item = np.random.default_rng(0).integers(0, len(scenario.catalogue), len(scenario.events))
    events = replace(scenario.events, item=item.astype(np.int32))
    dataset = replace(ground.dataset, scenarios={"shop": replace(scenario, events=events)})
    data = tuning_ground(dataset, ground, settings)
    tuner = language_tuner.LanguageTuner(model, data, settings, ["shop"], project.base, Silent())
    past = tuner.learn_past()
    outcome, curves = past.outcomes["shop"], list(past.curves.values())
    assert outcome.before == pytest.approx(-curves[0].initial)
    assert outcome.after == pytest.approx(-min(curves[-1].initial, *curves[-1].validation))


def test_behaviour_that_follows_texts_is_learned(village: Village) -> None:
    """People stay with one half of the catalogue; nothing but its number tells which."""
    project = village(projection_steps=60, steps=0, epochs=60, validations=6)
    model, ground, settings = alone(project)
    scenario = ground.dataset.scenarios["shop"]
    events = scenario.events
    n = len(scenario.catalogue)
    stream = np.random.default_rng(0)
    half = n // 2
    item = stream.integers(0, half, len(events)) + half * (events.user % 2)
    text = tuple(f"{'tea pot' if code < half else 'red shoe'} {code}" for code in range(n))
    catalogue = replace(scenario.catalogue, text=text)
    dataset = replace(
        ground.dataset,
        scenarios={
            "shop": replace(scenario, catalogue=catalogue, events=replace(events, item=item.astype(np.int32)))
        },
    )
    outcome = try_tuning(
        dict.fromkeys(settings.scenarios, model),
        tuning_ground(dataset, ground, settings),
        settings,
        project.base,
        Silent(),
    )["shop"]
    assert outcome.after > outcome.before
    assert outcome.steps[PROJECTION] > 0


@pytest.mark.parametrize("method", ["top", "adalora"])
def test_several_seeds_are_averaged(village: Village, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    results: list[Averaged] = []

    def watched(*arguments: Any) -> Averaged:
        results.append(fit_seeds(*arguments))
        return results[-1]

    monkeypatch.setattr(language_tuner, "fit_seeds", watched)
    language = tuned(village(method, seeds=2))
    assert np.isfinite(language.vectors["shop"].final).all()
    assert [len(result.curves) for result in results] == [2] * len(results)
    assert all(first.training != second.training for first, second in (result.curves for result in results))
    assert len(results) == 4, "two stages, of the past and of everything"


def test_the_whole_is_learned_in_as_many_rounds_as_were_best_for_the_past(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    phases: list[tuple[str, int, int]] = []
    learn = language_tuner.LanguageTuner._stage

    def watched(
        self: language_tuner.LanguageTuner, learners: Any, shares: Any, stage: str, budget: Any, phase: Phase
    ) -> Any:
        per_round = sum(len(learner) // learner.batch_size for learner in learners.values())
        phases.append((phase.value, budget.steps, per_round))
        return learn(self, learners, shares, stage, budget, phase)

    monkeypatch.setattr(language_tuner.LanguageTuner, "_stage", watched)
    monkeypatch.setattr(language_tuner, "_best_step", lambda curve: 3)
    tuned(village(steps=0, projection_steps=7, projection_batch=4))
    (first, most, some), (second, steps, more) = phases
    assert (first, most, second) == ("past events", 7, "all events")
    assert more > some > 3, "more was chosen by then"
    assert steps == math.ceil(3 / some * more) > 3


def test_without_anything_held_out_the_last_weights_are_kept(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = village()
    model, ground, settings = alone(project)

    monkeypatch.setattr(language_tuner, "tuning_data", unjudged)
    language = tuned_on(project, model, ground, settings)
    outcome = language.outcomes["shop"]
    assert math.isnan(outcome.before)
    assert outcome.steps == {"projection": 8, "weights": 6}
    assert language.notes() == []
    assert language.facts()["shop"]["before"] is None


@pytest.mark.parametrize("changes", [{"layers": 0}, {"layers": 0, "projection": False}])
def test_nothing_to_learn_with_is_no_error(village: Village, changes: dict[str, object]) -> None:
    language = tuned(village("top", **changes))
    assert np.isfinite(language.vectors["shop"].final).all()


def test_records_are_kept_beside_the_runs(village: Village) -> None:
    project = village(recorder="jsonl")
    tuned(project)
    lines = [
        json.loads(line)
        for file in (project.base / UNFINISHED / "records").rglob("*.jsonl")
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    assert {"loss", "validation"} <= {line["name"] for line in lines}


def shop_of(project: Project) -> Project:
    """Return the project with its shop and one signal alone."""
    scenarios = {"shop": project.settings.scenarios["shop"].model_copy(update={"signals": ["content"]})}
    project.settings = project.settings.model_copy(update={"scenarios": scenarios})
    return project


def trained_shop(project: Project) -> dict[str, torch.Tensor]:
    """Train the shop and return its tuned weights."""
    return load_file(shop_of(project).train().folder / LANGUAGE / "0" / WEIGHTS)


def left_over(project: Project) -> list[Path]:
    return list((project.runs_folder / UNFINISHED).glob("*.safetensors"))


def interrupted(project: Project, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train the shop until so many steps of the language model were taken."""
    step, taken = loop._Training._step, 0

    def counted(self: Any, advance: Any) -> None:
        nonlocal taken
        step(self, advance)
        taken += 1
        if taken == steps:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(loop._Training, "_step", counted)
        with pytest.raises(KeyboardInterrupt):
            shop_of(project).train()
    assert left_over(project)


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


KILL = """
import os, signal, sys
from polyscene.project import Project
from polyscene.recommenders.content import Content
from polyscene.training import loop

left = int(sys.argv[2])
step = loop._Training._step

def deadly(self, advance):
    global left
    step(self, advance)
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

loop._Training._step = deadly
project = Project.open(sys.argv[1])
scenarios = {"shop": project.settings.scenarios["shop"].model_copy(update={"signals": ["content"]})}
project.settings = project.settings.model_copy(update={"scenarios": scenarios})
project.train()
"""
"""Trains the shop and kills itself after so many steps of the language model."""


def test_a_killed_training_goes_on_to_the_same_weights(village: Village) -> None:
    whole = trained_shop(village(home="whole", checkpoint_steps=3))
    project = village(home="killed", checkpoint_steps=3)
    command = [sys.executable, "-c", KILL, str(project.base / project.config), "13"]
    assert subprocess.run(command, check=False, timeout=120).returncode == -signal.SIGKILL
    assert left_over(project)
    assert not project.runs()
    assert_same(trained_shop(project), whole)
    assert not left_over(project)


def test_an_interrupted_pruning_goes_on_to_the_same_weights(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AdaLoRA remembers more than weights."""
    whole = trained_shop(village("adalora", home="whole", checkpoint_steps=3))
    for steps in (5, 13):
        project = village("adalora", home=f"interrupted {steps}", checkpoint_steps=3)
        interrupted(project, steps, monkeypatch)
        assert_same(trained_shop(project), whole)


def test_other_settings_start_anew(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    project = village(checkpoint_steps=3)
    interrupted(project, 5, monkeypatch)
    project.settings = project.settings.model_copy(
        update={"tuning": project.settings.tuning.model_copy(update={"temperature": 0.5})}
    )
    fresh = trained_shop(village(home="fresh", checkpoint_steps=3, temperature=0.5))
    assert_same(trained_shop(project), fresh)


def titled(project: Project, reach: float | str) -> Project:
    """Let the project read its titles alone, which fit into the tiny model, and turn items so far."""
    language = project.settings.language.model_copy(update={"max_tokens": 64, "reach": reach})
    scenarios = {
        name: scenario.model_copy(update={"template": "{title}"})
        for name, scenario in project.settings.scenarios.items()
    }
    settings = project.settings.model_copy(update={"language": language, "scenarios": scenarios})
    return Project(settings, project.base, project.config)


@pytest.mark.parametrize("method", ["none", "top"])
def test_a_text_turns_its_item_no_further_than_the_reach(village: Village, method: str) -> None:
    project = village(method)
    free = tuned(titled(project, "unbounded")).vectors["shop"]
    language = tuned(titled(project, 0.5))
    kept, bound = language.vectors["shop"], language.bounds["shop"]
    assert not np.array_equal(kept.final, free.final)
    assert not np.array_equal(kept.early, free.early)
    turned = np.einsum("nd,nd->n", kept.final, bound.leads)
    assert turned.min() >= np.cos(np.radians(0.5)) - 1e-6
    facts = language.bound_facts()["shop"]
    assert facts["reach_degrees"] == pytest.approx(0.5)
    assert facts["held_back"] > 0
    near = bound.angles <= bound.reach
    np.testing.assert_allclose(kept.final[near], free.final[near], atol=1e-6)


def test_the_usual_reach_is_in_the_manifest(village: Village) -> None:
    project = titled(village("top"), "usual")
    manifest = json.loads((project.train().folder / MANIFEST).read_text(encoding="utf-8"))
    assert set(manifest["reach"]) == set(project.settings.scenarios)
    assert all(0 < one["reach_degrees"] <= 45 for one in manifest["reach"].values())
