"""Trains a project and leaves a run behind: whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from polyscene.core.disk import demand_room
from polyscene.core.memory import keep_freed_memory
from polyscene.data.schema import Dataset
from polyscene.data.splits.description import describe_split
from polyscene.engine.state import System
from polyscene.evaluation.provenance import machine, versions
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.model.loading import load_models
from polyscene.language.text.cache import EncodingCache
from polyscene.learning.backbone import Backbone
from polyscene.learning.earlier_choices import wanted_cuts
from polyscene.learning.fit import Fitted, fit_system
from polyscene.learning.images import with_images
from polyscene.learning.item_parts import with_parts
from polyscene.learning.language import TunedLanguage, tune_language
from polyscene.learning.language_notes import unread_texts
from polyscene.learning.open_project import OpenProject, cache_folder, unfinished_folder
from polyscene.learning.reranker import RerankerTrainer
from polyscene.learning.time_budget import TimeBudget
from polyscene.runs.folder import REMEDY, new_run, write_manifest
from polyscene.runs.importance import measuring_of, of_scenarios
from polyscene.runs.item_encoder import KEY, encoder_facts
from polyscene.runs.reranker_files import save_readers
from polyscene.runs.run_record import importance_path
from polyscene.runs.system_files import FORMAT, save_system

BYTES_PER_NUMBER = 4
BYTES_PER_EVENT = 4
"""In a packed table."""


def train_run(
    project: OpenProject,
    everything_counts: bool,
    budget: float | str | TimeBudget | None = None,
    importance: bool = False,
) -> Path:
    """Fit the whole system and return the folder of the run.

    Args:
        everything_counts: learn from the test part too.
        budget: how long it may take, in seconds or as "2m".
        importance: measure what every part carries, on the choices that are held out.

    Raises:
        DataError: the tables cannot be used.
        ConfigError: the protocol does not fit the tables, or a reader not the language model.
        ModelError: the language model, or an image encoder, cannot be used.
        MissingExtraError: images are to be read, and nothing is installed that opens them.
        RunError: the folder of the runs cannot be written, or its disk is full: told before the work.
    """
    budget = TimeBudget.of(budget)
    keep_freed_memory()
    settings, progress = project.settings, project.progress
    data = project.ground(everything_counts)
    for note in project.dataset.notes:
        progress.say(note)
    models = load_models(settings.languages, project.base, progress)
    width = max(model.dimension for model in models.values())
    demand_room(project.runs_folder, least_bytes(project.dataset, width), REMEDY)
    rerankers = _reranker_trainer(project, models)
    cache = EncodingCache(cache_folder(project), progress)
    images = with_images(data.dataset, settings, project.base, cache, progress)
    data = replace(data, dataset=images.dataset)
    cuts = wanted_cuts(data, settings) if rerankers is None else []
    earliest = data.at(cuts[-1]) if cuts else None
    unfinished = unfinished_folder(project)
    tuned = tune_language(models, data, settings, unfinished, cache, progress, earliest, budget)
    parts = with_parts(replace(data, vectors=tuned.vectors), settings)
    measuring = measuring_of(settings) if importance else None
    whole = replace(data, vectors=parts.vectors)
    fitted = fit_system(whole, settings, progress, rerankers, cuts, budget, measuring)
    fitted.curves = tuned.curves | fitted.curves
    unread = list(_unread(project.dataset, tuned))
    fitted.notes = [
        *data.notes,
        *fitted.notes,
        *tuned.notes(),
        *images.notes,
        *parts.notes(),
        *unread,
        *budget.notes(),
    ]
    system = System.of(project.dataset, fitted.spaces, fitted.fusions)
    with new_run(project.runs_folder) as (run_id, folder):
        facts = save_system(system, folder)
        tuned.save(folder, settings)
        manifest = _manifest(project, fitted, facts, everything_counts) | {
            "tuning": tuned.facts(),
            "budget": budget.facts(),
            "reach": tuned.bound_facts(),
            "parts": parts.facts(),
            "unread_texts": unread,
            KEY: encoder_facts(tuned.fingerprints(), tuned.views(settings), folder, project.base),
            "readers": {} if rerankers is None else save_readers(system, rerankers.backbone, folder),
        }
        write_manifest(folder, manifest)
        if measuring is not None and fitted.importance:
            of_scenarios(fitted.importance, "valid", measuring).save(importance_path(folder, "valid"))
    for note in fitted.notes:
        progress.say(note)
    return project.runs_folder / run_id


def least_bytes(dataset: Dataset, dimension: int) -> int:
    """Return what a run takes on the disk at the very least: vectors and events."""
    items = sum(len(scenario.catalogue) for scenario in dataset.scenarios.values())
    events = sum(len(scenario.events) for scenario in dataset.scenarios.values())
    return items * dimension * BYTES_PER_NUMBER + events * BYTES_PER_EVENT


def _reranker_trainer(project: OpenProject, models: Mapping[str, LanguageModel]) -> RerankerTrainer | None:
    """Return who trains the text rankers' rerankers; None where none is wanted."""
    settings, language = project.settings.text_ranker, project.settings.language
    wanted = any("text_ranker" in scenario.signals for scenario in project.settings.scenarios.values())
    if settings.reader == "none":
        return None
    if not wanted:
        project.progress.say("[text_ranker] reader is not used: no scenario has 'text_ranker' in its signals")
        return None
    loaded = next((one for one in models.values() if one.name == language.model), None)
    backbone = Backbone(language, project.base, loaded)
    return RerankerTrainer(backbone, settings, project.settings.seed)


def _unread(dataset: Dataset, tuned: TunedLanguage) -> Iterator[str]:
    return unread_texts(
        {name: scenario.catalogue.text for name, scenario in dataset.scenarios.items()},
        {name: vectors.final for name, vectors in tuned.vectors.items()},
        {name: model.name for name, model in tuned.backbones.items()},
    )


def _manifest(
    project: OpenProject, fitted: Fitted, facts: Mapping[str, Any], everything_counts: bool
) -> dict[str, Any]:
    settings = project.settings.model_dump(mode="json")
    return {
        "format": FORMAT,
        "project": project.settings.name,
        "config": project.config,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": project.settings.seed,
        "learned_from": "everything" if everything_counts else "train and valid",
        "settings": settings,
        "split": describe_split(settings),
        "machine": machine(),
        "versions": versions(),
        "notes": [*project.dataset.notes, *fitted.notes],
        "repairs": [*project.dataset.notes],
        "validation": fitted.validation,
        "fusion": fitted.facts,
        "curves": {
            name: {"training": curve.training, "validation": curve.validation}
            for name, curve in fitted.curves.items()
        },
        "transfer": None if fitted.transfer is None else fitted.transfer.to_json(),
        "system": facts,
    }
