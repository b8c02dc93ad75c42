"""The language model learns the company's language, scenario by scenario or for all together.

It learns twice: from the past, so that the fusion can be taught on what came after, and for good, from all
that may be learned from. First the projection alone learns over the frozen model, then, where steps are
given, the method's weights with it: a good map first keeps the model from being torn by a bad one (Kumar et
al., Fine-tuning can distort pretrained features, ICLR 2022). Held-out choices decide how long, and whether
at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from polyscene.core.progress import Progress
from polyscene.core.settings.language import LanguageSettings
from polyscene.core.settings.project import Settings
from polyscene.core.types import FloatArray
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.text.cache import EncodingCache
from polyscene.language.text.keyword_stuffing import BoundedVectors
from polyscene.language.tuning.cached_encoder import CachedEncoder
from polyscene.language.tuning.files import save_tuned
from polyscene.language.tuning.methods import frozen_layers, marked, must_be_tunable
from polyscene.learning.bounding import BoundedCatalogue, facts_of, read_catalogue
from polyscene.learning.item_views import LANGUAGE, ViewRecipe
from polyscene.learning.language_notes import differing_models
from polyscene.learning.language_tuner import EncoderFactory, LanguageTuner, effective_method
from polyscene.learning.time_budget import TUNING_SHARE, TimeBudget
from polyscene.learning.training_data import ItemVectors, TrainingData
from polyscene.learning.tuning_outcome import TuningOutcome
from polyscene.representation.item_space import ViewName
from polyscene.training.loop import Curve

READING, TUNING_PAST, TUNING_ALL = "reading texts", "tuning on the past", "tuning on everything"
"""What is measured of a training's time."""


@dataclass
class TunedLanguage:
    """The tuned language models and what they make of the catalogues.

    Attributes:
        backbones: the models as they came, by scenario; several may share one.
        vectors: by scenario.
        models: by scenario, as learned on everything; empty where nothing is tuned.
        curves: by scenarios that share a model, and stage.
        outcomes: by scenario.
        bounds: how far a text may carry its item, by scenario; empty where that is not bounded.
        prior_bounds: the same for the model as it came.
    """

    backbones: Mapping[str, LanguageModel]
    vectors: dict[str, ItemVectors]
    models: dict[str, LanguageModel] = field(default_factory=dict)
    curves: dict[str, Curve] = field(default_factory=dict)
    outcomes: dict[str, TuningOutcome] = field(default_factory=dict)
    bounds: dict[str, BoundedVectors] = field(default_factory=dict)
    prior_bounds: dict[str, BoundedVectors] = field(default_factory=dict)

    def keep_prior(self, name: str, read: BoundedCatalogue) -> FloatArray:
        """Keep the bound of a scenario's vectors by the model as it came, and return these vectors."""
        vectors, bound = read
        if bound is not None:
            self.prior_bounds[name] = bound
        return vectors

    def save(self, folder: Path, settings: Settings) -> None:
        """Write every scenario's small file into a run's folder."""
        for number, (name, tuned) in enumerate(self._distinct().items()):
            home = folder / LANGUAGE / str(number)
            save_tuned(tuned, self.backbones[name], effective_method(settings), settings.tuning, home)

    def facts(self) -> dict[str, Any]:
        """Return what a run's manifest says of tuning: which file is whose, and what it did."""
        places = {id(tuned): number for number, tuned in enumerate(self._distinct().values())}
        return {
            name: {"file": f"{LANGUAGE}/{places[id(self.models[name])]}"}
            | {key: None if value != value else value for key, value in asdict(outcome).items()}
            for name, outcome in self.outcomes.items()
        }

    def bound_facts(self) -> dict[str, Any]:
        """Return what a run's manifest says of how far a text may carry its item."""
        return {name: facts_of(bounded) for name, bounded in self.bounds.items()}

    def views(self, settings: Settings) -> dict[str, dict[ViewName, ViewRecipe]]:
        """Return what gives a new text its vectors, by scenario and view."""
        files = {name: outcome["file"] for name, outcome in self.facts().items()}
        recipes: dict[str, dict[ViewName, ViewRecipe]] = {}
        for name in self.vectors:
            prior = _recipe(self.prior_bounds.get(name))
            tuned = prior
            if name in files:
                frozen = frozen_layers(self.models[name], effective_method(settings), settings.tuning)
                tuned = _recipe(self.bounds.get(name), files[name], frozen)
            common = tuned if settings.tuning.scope == "shared" else prior
            recipes[name] = {"tuned": tuned, "prior": prior, "common": common}
        return recipes

    def fingerprints(self) -> dict[str, str]:
        """Return those of the models as they came, by scenario."""
        return {name: model.fingerprint for name, model in self.backbones.items()}

    def notes(self) -> list[str]:
        """Return what tuning did, a sentence per scenario, and what differing models leave out."""
        return [
            *differing_models({name: model.name for name, model in self.backbones.items()}),
            *self._gains(),
        ]

    def _gains(self) -> list[str]:
        return [
            f"{name}: the language model learned {outcome.weights:,} weights; on held-out choices its "
            f"content signal went from NDCG@10 {outcome.before:.4f} to {outcome.after:.4f}{outcome.faded()}"
            for name, outcome in self.outcomes.items()
            if not math.isnan(outcome.before)
        ]

    def _distinct(self) -> dict[str, LanguageModel]:
        """Return each tuned model once, under the first scenario that has it."""
        first: dict[int, str] = {}
        for name, tuned in self.models.items():
            first.setdefault(id(tuned), name)
        return {name: self.models[name] for name in first.values()}


def _recipe(bound: BoundedVectors | None, file: str | None = None, frozen: int = 0) -> ViewRecipe:
    if bound is None:
        return ViewRecipe(file=file, frozen=frozen)
    return ViewRecipe(file=file, frozen=frozen, reach=bound.reach, lead_chars=bound.lead_chars)


def tune_language(
    models: Mapping[str, LanguageModel],
    data: TrainingData,
    settings: Settings,
    folder: Path,
    cache: EncodingCache,
    progress: Progress,
    earliest: TrainingData | None = None,
    budget: TimeBudget | None = None,
) -> TunedLanguage:
    """Tune the language models on the training events and read every catalogue with what came of it.

    Args:
        models: of every scenario, as they were loaded; they are not changed, and scenarios may share one.
        folder: for checkpoints and records.
        cache: of what the untuned model reads.
        earliest: the data at the earliest of the cuts that teach the fusion: what is tuned on the past knows
            nothing that came after it, and so serves all cuts; None: there are none.
        budget: how long the whole training may take; None: as long as it does.
    """
    tuned, budget = TunedLanguage(models, {}), budget or TimeBudget()
    groups = _sharing(models, settings)
    for number, names in enumerate(groups):
        model, own = models[names[0]], _of_model(settings, names[0])
        untuned = partial(_read_untuned, model, own.language, data, cache, progress)
        if own.language.tuning == "none":
            with budget.measured(READING):
                _leave_untuned(tuned, names, untuned)
            continue
        must_be_tunable(model, effective_method(own))
        with budget.measured(READING):
            tuner = LanguageTuner(model, data, own, names, folder, progress, cache=cache, past=earliest)
            read = tuner.untuned if tuner.reads_as_untuned else untuned
            plain = {name: tuned.keep_prior(name, read(name)) for name in names}
        if not _tune_together(tuner, tuned, plain, budget, TUNING_SHARE / (len(groups) - number)):
            _leave_untuned(tuned, names, read)
    return tuned


def _read_untuned(
    model: LanguageModel,
    language: LanguageSettings,
    data: TrainingData,
    cache: EncodingCache,
    progress: Progress,
    name: str,
) -> BoundedCatalogue:
    texts = data.dataset.scenarios[name].catalogue.text
    return read_catalogue(model, texts, language, cache, progress)


def _leave_untuned(
    tuned: TunedLanguage, names: Sequence[str], read: Callable[[str], BoundedCatalogue]
) -> None:
    for name in names:
        vectors = tuned.keep_prior(name, read(name))
        origin = tuned.backbones[name].fingerprint
        tuned.vectors[name] = ItemVectors(vectors, vectors, vectors, origin=origin)
        if name in tuned.prior_bounds:
            tuned.bounds[name] = tuned.prior_bounds[name]


def _tune_together(
    tuner: LanguageTuner,
    tuned: TunedLanguage,
    plain: Mapping[str, FloatArray],
    budget: TimeBudget,
    share: float,
) -> bool:
    """Learn from the past and judge, then from everything; leave vectors, model, curves and bounds.

    Args:
        share: of the time that is left, at most so much for both, where there is a bound.

    Returns:
        Whether it was worth its time. Without a bound it always is: the fusion finds out.
    """
    before = budget.cost(TUNING_PAST)
    with budget.measured(TUNING_PAST):
        past = tuner.learn_past(budget.minutes(share / 2))
    gains = [outcome.after - outcome.before for outcome in past.outcomes.values()]
    if budget.bounded and all(gain <= 0 for gain in gains):
        budget.leave_out(f"{tuner.label}: tuning of the language model, which gained nothing in its time")
        tuner.forget()
        return False
    final = past.vectors
    if budget.left < budget.cost(TUNING_PAST) - before:
        budget.leave_out(f"{tuner.label}: tuning of the language model on what came after the past")
    else:
        with budget.measured(TUNING_ALL):
            final = tuner.learn_all(past)
    finished = marked(tuner.model)
    for name, vectors in final.items():
        common = plain[name] if tuner.details.scope == "scenario" else vectors
        origin = tuned.backbones[name].fingerprint
        decay = past.outcomes[name].decay
        own = None if decay is None else decay.decay
        tuned.vectors[name] = ItemVectors(past.vectors[name], vectors, common, plain[name], origin, own)
        tuned.models[name] = finished
    tuned.outcomes |= past.outcomes
    tuned.bounds |= tuner.bounds
    tuner.forget()
    tuned.curves |= {f"language model, {tuner.label}, {stage}": curve for stage, curve in past.curves.items()}
    return True


def try_tuning(
    models: Mapping[str, LanguageModel],
    data: TrainingData,
    settings: Settings,
    folder: Path,
    progress: Progress,
    make_encoder: EncoderFactory = CachedEncoder,
) -> dict[str, TuningOutcome]:
    """Learn from the past alone and say what it was worth: the cheaper half of `tune_language`.

    Args:
        make_encoder: of one catalogue; trials of several settings may share what they read.
    """
    outcomes: dict[str, TuningOutcome] = {}
    for names in _sharing(models, settings):
        own = _of_model(settings, names[0])
        if own.language.tuning == "none":
            continue
        tuner = LanguageTuner(models[names[0]], data, own, names, folder, progress, make_encoder)
        outcomes |= tuner.learn_past().outcomes
        tuner.forget()
    return outcomes


def _of_model(settings: Settings, name: str) -> Settings:
    """Return the settings with how a scenario's texts are read in the place of `[language]`."""
    return settings.model_copy(update={"language": settings.language_of(name)})


def _sharing(models: Mapping[str, LanguageModel], settings: Settings) -> list[list[str]]:
    """Return which scenarios share a tuned model."""
    if settings.tuning.scope != "shared":
        return [[name] for name in models]
    groups: dict[str, list[str]] = {}
    for name, model in models.items():
        groups.setdefault(model.fingerprint, []).append(name)
    return list(groups.values())
