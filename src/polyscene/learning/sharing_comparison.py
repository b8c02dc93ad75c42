"""Forms of sharing and ways to balance losses, compared on meetings that none of them learned from."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from polyscene.core.errors import UnknownIdError
from polyscene.core.progress import Progress
from polyscene.core.seeds import generator
from polyscene.core.settings.multitask import SHARING_FORMS, MultitaskSettings, TaskWeighting
from polyscene.core.settings.project import Settings
from polyscene.data.splits.phases import Phase
from polyscene.language.model.loading import load_models
from polyscene.language.text.cache import EncodingCache
from polyscene.learning.language import tune_language
from polyscene.learning.multitask import calibrated
from polyscene.learning.multitask_examples import Examples, later_examples, scenario_examples
from polyscene.learning.multitask_networks import NetworkMaker
from polyscene.learning.open_project import OpenProject, cache_folder, unfinished_folder
from polyscene.learning.task_weighting import WEIGHTINGS
from polyscene.learning.training_data import TrainingData
from polyscene.metrics.probability import auc, log_loss, rmse
from polyscene.metrics.ranking import mid_ranks, ndcg
from polyscene.recommenders.multitask.inference import MultitaskWeights

MEASURES = ("auc", "log_loss", "rmse", "ndcg")
"""What is measured of each: of a yes or no, of values as a share of their spread, of choices."""
CUTOFF, MAX_RANKED, BLOCK = 10, 1000, 64


@dataclass(frozen=True)
class ComparedForm:
    """One form of sharing with one way to balance its losses, and what it reached.

    Attributes:
        judged: by scenario each of `MEASURES`; NaN where no task has it.
        seconds: that its training took.
        weights: how many numbers it learned.
        choices: by scenario how many meetings it was judged on.
    """

    form: str
    weighting: TaskWeighting
    judged: Mapping[str, Mapping[str, float]]
    seconds: float
    weights: int
    choices: Mapping[str, int] = field(default_factory=dict)

    def mean(self, measure: str) -> float:
        """Return the mean over the scenarios that have a measure; NaN where none has."""
        values = [one[measure] for one in self.judged.values() if math.isfinite(one[measure])]
        return float(np.mean(values)) if values else math.nan

    @property
    def worth(self) -> float:
        """By which forms are put in order: NDCG of choices, or AUC, or less error, as far as there is one."""
        worths = (self.mean("ndcg"), self.mean("auc"), -self.mean("rmse"))
        return next((worth for worth in worths if math.isfinite(worth)), -math.inf)


def pairs_to_compare(
    settings: MultitaskSettings, forms: Sequence[str] = (), weightings: Sequence[str] = ()
) -> list[tuple[str, str]]:
    """Return every form with the weighting of the settings, and their form with every other weighting.

    Where forms or weightings are named, it is every named form with every named weighting.

    Raises:
        UnknownIdError: one of them is not known.
    """
    for name in forms:
        SHARING_FORMS[name]
    unknown = [name for name in weightings if name not in WEIGHTINGS]
    if unknown:
        raise UnknownIdError(f"expected a weighting out of {', '.join(WEIGHTINGS)}, found '{unknown[0]}'")
    if forms or weightings:
        return [
            (form, way) for form in forms or [settings.form] for way in weightings or [settings.weighting]
        ]
    others = [(form, settings.weighting) for form in SHARING_FORMS if form != settings.form]
    ways = [(settings.form, way) for way in WEIGHTINGS if way != settings.weighting]
    return [(settings.form, settings.weighting), *others, *ways]


def compare_forms(
    project: OpenProject, forms: Sequence[str] = (), weightings: Sequence[str] = ()
) -> list[ComparedForm]:
    """Train each form on the past of a project, and judge it on what came after; the test part is not used.

    The language model stays as it came.

    Raises:
        ConfigError: the protocol does not fit the tables, or leaves nothing to learn from.
        DataError: the tables cannot be used.
        ModelError: the language model cannot be used.
    """
    pairs = pairs_to_compare(project.settings.multitask, forms, weightings)
    data = with_texts(project)
    compared = []
    with project.progress.track("forms", len(pairs), "trainings") as advance:
        for form, weighting in pairs:
            wanted = {"form": form, "weighting": weighting}
            multitask = project.settings.multitask.model_copy(update=wanted)
            compared.append(compared_form(data, project.settings, multitask, Phase.PAST, project.progress))
            advance(1)
    return compared


def with_texts(project: OpenProject) -> TrainingData:
    """Return a project's data with the vectors of the language model as it came."""
    settings = project.settings
    plain = settings.model_copy(update={"language": settings.language.model_copy(update={"tuning": "none"})})
    data, cache = project.ground(), EncodingCache(cache_folder(project), project.progress)
    models = load_models(plain.languages, project.base, project.progress)
    tuned = tune_language(models, data, plain, unfinished_folder(project), cache, project.progress)
    return replace(data, vectors=tuned.vectors)


def compared_form(
    data: TrainingData,
    settings: Settings,
    multitask: MultitaskSettings,
    phase: Phase,
    progress: Progress | None = None,
) -> ComparedForm:
    """Train one form on a phase, and judge it on what comes after.

    Args:
        settings: say what each scenario wants, and how much it counts.
        multitask: the form and all else that the network is told.
        progress: told of the training's epochs.
    """
    names = list(data.dataset.scenarios)
    known = {
        name: scenario_examples(data, name, phase, settings.scenarios[name].objectives, multitask)[0]
        for name in names
    }
    shares = {name: settings.scenarios[name].weight for name in names}
    maker = NetworkMaker(data, phase, known, shares, multitask, progress)
    started = time.perf_counter()
    network = maker.trained(tuple(known))
    seconds = time.perf_counter() - started
    judged, choices = dict[str, Mapping[str, float]](), dict[str, int]()
    for name in names:
        later = later_examples(data, name, known[name].tasks, phase)
        judged[name] = _judged(calibrated(maker, name, network), later, data.seed)
        choices[name] = len(later)
    size = sum(value.numel() for value in network.network.parameters.values())
    return ComparedForm(multitask.form, multitask.weighting, judged, seconds, size, choices)


def _judged(weights: MultitaskWeights, later: Examples, seed: int) -> dict[str, float]:
    """Return `MEASURES` of one scenario; NaN where no task has them."""
    features = weights.item_features(np.arange(len(weights.inputs.space)))
    outs = weights.outputs(later.queries, features, later.item[:, None])
    predicted = weights.predictions(outs)
    parts: dict[str, list[float]] = {measure: [] for measure in MEASURES}
    for place, task in enumerate(weights.tasks):
        rows = np.isfinite(later.labels[:, place])
        truth = later.labels[rows, place].astype(np.float64)
        if task.loss == "bce" and 0 < truth.sum() < len(truth):
            likely = predicted[task.name][rows, 0]
            parts["auc"].append(auc(truth, likely))
            parts["log_loss"].append(log_loss(truth, likely))
        elif task.measures and len(truth) > 1 and truth.std() > 0:
            calibrator = weights.calibrators[place]
            values = calibrator.slope * outs[place][rows, 0, 0] + calibrator.offset
            parts["rmse"].append(rmse(truth, values) / float(truth.std()))
    parts["ndcg"] = _gains(weights, later, features, seed)
    return {measure: float(np.mean(part)) if part else math.nan for measure, part in parts.items()}


def _gains(weights: MultitaskWeights, later: Examples, features: np.ndarray, seed: int) -> list[float]:
    """Return NDCG of at most `MAX_RANKED` choices over the catalogue, without what was had."""
    orders = [place for place, task in enumerate(weights.tasks) if task.orders]
    rows = np.flatnonzero(np.isfinite(later.labels[:, orders]).any(axis=1))
    rows = np.sort(generator(seed, "ranked").permutation(rows)[:MAX_RANKED])
    gains: list[float] = []
    for start in range(0, len(rows), BLOCK):
        some = later.pick(rows[start : start + BLOCK])
        scores = weights.scores(weights.outputs(some.queries, features))
        own = np.arange(len(some)), some.item
        kept = scores[own]
        scores[some.queries.seen()] = -np.inf
        scores[own] = kept
        gains += ndcg(mid_ranks(scores, some.item), CUTOFF).tolist()
    return gains
