"""The language model learns the company's language, scenario by scenario or for all together.

It learns twice: from the past, so that the fusion can be taught on what came after, and for good, from all
that may be learned from. First the projection alone learns over the frozen model, then, where steps are
given, the method's weights with it: a good map first keeps the model from being torn by a bad one (Kumar et
al., Fine-tuning can distort pretrained features, ICLR 2022). Held-out choices decide how long, and whether
at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch

from polyscene.assembly.evidence import Ground, ItemVectors
from polyscene.assembly.lessons import lesson_of, objectives_of
from polyscene.assembly.objectives import Lesson, TextLearner
from polyscene.core.progress import Progress
from polyscene.core.seeds import derived, generator
from polyscene.core.settings import Settings, TuningDetails, TuningMethod
from polyscene.core.types import FloatArray
from polyscene.language.cache import EncodingCache, encode_cached
from polyscene.language.fast import quickened
from polyscene.language.model import LanguageModel
from polyscene.language.projection import Projection
from polyscene.language.tuning.files import save_tuned
from polyscene.language.tuning.methods import dressed, frozen_layers, learn_words, marked, tuned_weights
from polyscene.language.tuning.reader import TextReader
from polyscene.training.averaging import fit_seeds, seeds_of
from polyscene.training.budget import Budget
from polyscene.training.checkpoints import Checkpoints
from polyscene.training.loop import Curve, fit
from polyscene.training.optimisation import OptimisationSettings
from polyscene.training.recording import Recorder, open_recorder

PROJECTION, WEIGHTS = "projection", "weights"
LANGUAGE = "language"
"""Folder of the tuned models in a run."""

Reading = Callable[[LanguageModel, Sequence[str], int, int, Progress], TextReader]
"""What makes a `TextReader`."""


@dataclass(frozen=True)
class Outcome:
    """What tuning did to one scenario.

    Attributes:
        before, after: NDCG@10 of the content signal on held-out choices; NaN where there are none.
        steps: taken in each phase.
        weights: how many numbers learned.
        size: of the file that keeps them, in bytes.
    """

    before: float
    after: float
    steps: Mapping[str, int]
    weights: int
    size: int


@dataclass
class Tuned:
    """The tuned language models and what they make of the catalogues.

    Attributes:
        vectors: by scenario.
        models: by scenario, as learned on everything; empty where nothing is tuned.
        curves: by group of scenarios and phase.
        outcomes: by scenario.
    """

    backbone: LanguageModel
    vectors: dict[str, ItemVectors]
    models: dict[str, LanguageModel] = field(default_factory=dict)
    curves: dict[str, Curve] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def save(self, folder: Path, settings: Settings) -> None:
        """Write every scenario's small file into a run's folder."""
        for number, tuned in enumerate(self._distinct()):
            home = folder / LANGUAGE / str(number)
            save_tuned(tuned, self.backbone, effective_method(settings), settings.tuning, home)

    def facts(self) -> dict[str, Any]:
        """Return what a run's manifest says of tuning: which file is whose, and what it did."""
        places = {id(tuned): number for number, tuned in enumerate(self._distinct())}
        return {
            name: {"file": f"{LANGUAGE}/{places[id(self.models[name])]}"}
            | {key: None if value != value else value for key, value in asdict(outcome).items()}
            for name, outcome in self.outcomes.items()
        }

    def notes(self) -> list[str]:
        """Return what tuning did, a sentence per scenario."""
        return [
            f"{name}: the language model learned {outcome.weights:,} weights; on held-out choices its "
            f"content signal went from NDCG@10 {outcome.before:.4f} to {outcome.after:.4f}"
            for name, outcome in self.outcomes.items()
            if not math.isnan(outcome.before)
        ]

    def _distinct(self) -> list[LanguageModel]:
        return list({id(tuned): tuned for tuned in self.models.values()}.values())


def tune_language(
    model: LanguageModel,
    ground: Ground,
    settings: Settings,
    folder: Path,
    cache: EncodingCache,
    progress: Progress,
) -> Tuned:
    """Tune the language model on the ground's events and read every catalogue with what came of it.

    Args:
        model: as it was loaded; it is not changed.
        folder: for checkpoints and records.
        cache: of what the untuned model reads.
    """
    scenarios = ground.dataset.scenarios
    method = settings.language.tuning
    plain: dict[str, FloatArray] = {}
    if method == "none" or len(scenarios) > 1:
        quick, batch_tokens = quickened(model), settings.language.batch_tokens
        plain = {
            name: encode_cached(quick, s.catalogue.text, cache, batch_tokens=batch_tokens, progress=progress)
            for name, s in scenarios.items()
        }
    if method == "none":
        return Tuned(model, {name: ItemVectors(rows, rows, rows) for name, rows in plain.items()})
    tuned = Tuned(model, {})
    for names in _groups(ground, settings):
        _Group(model, ground, settings, names, folder, progress).tune(tuned, plain)
    return tuned


def effective_method(settings: Settings) -> TuningMethod:
    """Return the method; "none" where its weights get no step, and the projection learns alone."""
    return settings.language.tuning if settings.tuning.steps else "none"


def try_tuning(
    model: LanguageModel,
    ground: Ground,
    settings: Settings,
    folder: Path,
    progress: Progress,
    reading: Reading = TextReader,
) -> dict[str, Outcome]:
    """Learn from the past alone and say what it was worth: the cheaper half of `tune_language`.

    Args:
        reading: makes the reader of one catalogue; trials of several settings may share what they read.
    """
    outcomes: dict[str, Outcome] = {}
    for names in _groups(ground, settings):
        group = _Group(model, ground, settings, names, folder, progress, reading)
        outcomes |= group.learn_early().outcomes
        group.forget()
    return outcomes


def _groups(ground: Ground, settings: Settings) -> list[list[str]]:
    """Return which scenarios share a model."""
    names = list(ground.dataset.scenarios)
    return [names] if settings.tuning.scope == "shared" else [[name] for name in names]


@dataclass(frozen=True)
class _Early:
    """What learning from the past alone came to."""

    vectors: Mapping[str, FloatArray]
    outcomes: Mapping[str, Outcome]
    curves: Mapping[str, Curve]
    steps: Mapping[str, int]


class _Group:
    """Scenarios that share one tuned model."""

    def __init__(
        self,
        model: LanguageModel,
        ground: Ground,
        settings: Settings,
        names: Sequence[str],
        folder: Path,
        progress: Progress,
        reading: Reading = TextReader,
    ) -> None:
        self.ground, self.settings, self.names = ground, settings, list(names)
        self.details: TuningDetails = settings.tuning
        self.folder, self.progress = folder, progress
        self._kept: list[Path] = []
        self.label = names[0] if len(names) == 1 else "all scenarios"
        method = effective_method(settings)
        torch.manual_seed(derived(settings.seed, "tuning", self.label) % 2**31)
        self.model = dressed(model, method, self.details, self.details.steps)
        frozen = frozen_layers(self.model, method, self.details)
        self.readers = {
            name: reading(
                self.model,
                ground.dataset.scenarios[name].catalogue.text,
                frozen,
                settings.language.batch_tokens,
                progress,
            )
            for name in names
        }
        if isinstance(self.model.projection, Projection):
            spoken = [reader.pooled[reader.lengths > 0] for reader in self.readers.values()]
            self.model.projection.measure(torch.from_numpy(np.concatenate(spoken)))
            if self.details.words:
                learn_words(self.model, set().union(*(reader.vocabulary for reader in self.readers.values())))

    def learn_early(self) -> _Early:
        """Learn from the past, and judge on what came after it."""
        for reader in self.readers.values():
            reader.resting = True
        before = {name: reader.all() for name, reader in self.readers.items()}
        lessons = {name: lesson_of(self.ground, name, self.details, early=True) for name in self.names}
        curves = self._learn(lessons, self._wanted(), "past events")
        early = {name: reader.all() for name, reader in self.readers.items()}
        steps = {phase: _best_step(curve) for phase, curve in curves.items()}
        kept = tuned_weights(self.model).values()
        weights = sum(p.numel() for _, p in next(iter(self.readers.values())).every_parameter())
        outcomes = {}
        for name, lesson in lessons.items():
            judge = lesson.judge or (lambda vectors: math.nan)
            size = sum(tensor.nbytes for tensor in kept)
            outcomes[name] = Outcome(judge(before[name]), judge(early[name]), steps, weights, size)
        return _Early(early, outcomes, curves, steps)

    def tune(self, tuned: Tuned, plain: Mapping[str, FloatArray]) -> None:
        """Learn from the past and judge, then learn from everything; leave vectors, model and curves."""
        start = self._weights()
        early = self.learn_early()
        self._put(start)
        whole = {name: lesson_of(self.ground, name, self.details, early=False) for name in self.names}
        self._learn(whole, early.steps, "all events")
        finished = marked(self.model)
        for name, reader in self.readers.items():
            final = reader.all()
            common = plain[name] if self.details.scope == "scenario" and plain else final
            tuned.vectors[name] = ItemVectors(early.vectors[name], final, common)
            tuned.models[name] = finished
        tuned.outcomes |= early.outcomes
        self.forget()
        tuned.curves |= {
            f"language model, {self.label}, {phase}": curve for phase, curve in early.curves.items()
        }

    def forget(self) -> None:
        """Remove the checkpoints of what is done."""
        for path in self._kept:
            path.unlink(missing_ok=True)

    def _wanted(self) -> dict[str, int]:
        """Return the most steps of each phase."""
        projected = self.model.projection is not None
        return {PROJECTION: self.details.projection_steps if projected else 0, WEIGHTS: self.details.steps}

    def _learn(self, lessons: Mapping[str, Lesson], steps: Mapping[str, int], what: str) -> dict[str, Curve]:
        curves = {}
        for phase, most in steps.items():
            if not most:
                continue
            for reader in self.readers.values():
                reader.resting = phase == PROJECTION
            learners, shares = self._learners(lessons)
            if learners and any(True for reader in self.readers.values() for _ in reader.named_parameters()):
                per_epoch = sum(max(len(learner) // learner.batch_size, 1) for learner in learners.values())
                budget = Budget(min(most, self.details.epochs * per_epoch), minutes=self.details.minutes)
                curves[phase] = self._phase(learners, shares, phase, budget, what)
        return curves

    def _learners(self, lessons: Mapping[str, Lesson]) -> tuple[dict[str, TextLearner], dict[str, float]]:
        """Return every scenario's objectives that have something to learn from, and λ_s μ_t for each."""
        learners: dict[str, TextLearner] = {}
        shares: dict[str, float] = {}
        for name, lesson in lessons.items():
            scenario = self.settings.scenarios[name]
            for objective, share, learner in objectives_of(
                self.readers[name], lesson, scenario, self.details
            ):
                learners[f"{name}/{objective}"] = learner
                shares[f"{name}/{objective}"] = scenario.weight * share
        return learners, shares

    def _phase(
        self,
        learners: Mapping[str, TextLearner],
        shares: Mapping[str, float],
        phase: str,
        budget: Budget,
        what: str,
    ) -> Curve:
        details, label = self.details, f"{self.label}: {what}: {phase}"
        checkpoints = self._checkpoints(label, learners)
        recorder = self._recorder(label)

        def run(seed: int) -> Curve:
            every = max((budget.steps or 1) // details.validations, 1)
            return fit(
                learners,
                shares,
                budget,
                self._optimisation(phase),
                generator(seed, "tuning", label),
                self.progress,
                f"{self.label}: language model: {phase}",
                checkpoints,
                recorder,
                details.patience,
                every,
            )

        try:
            if details.seeds > 1:
                return fit_seeds(learners, shares, seeds_of(self.settings.seed, details.seeds), run).curves[0]
            return run(self.settings.seed)
        finally:
            if recorder is not None:
                recorder.close()

    def _optimisation(self, phase: str) -> OptimisationSettings:
        said = self.details.optimiser.model_dump()
        if phase == PROJECTION:
            said |= {"learning_rate": self.details.projection_rate, "perturbation": 0.0}
        return OptimisationSettings(**said)

    def _checkpoints(self, label: str, learners: Mapping[str, TextLearner]) -> Checkpoints | None:
        every = self.details.checkpoint_steps
        if every is None or self.details.seeds > 1:
            return None
        self.folder.mkdir(parents=True, exist_ok=True)
        mark = self._fingerprint(label, learners)  # in the name: what others left does no harm
        self._kept.append(self.folder / f"{mark[:16]}.safetensors")
        return Checkpoints(self._kept[-1], every, mark)

    def _fingerprint(self, label: str, learners: Mapping[str, TextLearner]) -> str:
        """Return what must be the same for a checkpoint to fit: settings, model, texts and events."""
        said = (self.model.fingerprint, label, self.settings.seed, self.settings.language.tuning)
        digest = sha256(repr((*said, self.details.model_dump_json())).encode())
        for learner in learners.values():
            digest.update("\0".join(learner.reader.texts).encode())
            log = learner.lesson.log
            for column in (log.user, log.item, log.time, log.weight):
                digest.update(np.ascontiguousarray(column).tobytes())
        return digest.hexdigest()

    def _recorder(self, label: str) -> Recorder | None:
        kind = self.details.recorder
        return None if kind == "none" else open_recorder(kind, self.folder / "records", label)

    def _weights(self) -> dict[str, dict[str, torch.Tensor]]:
        return {
            name: {key: tensor.detach().clone() for key, tensor in _kept(reader)}
            for name, reader in self.readers.items()
        }

    def _put(self, weights: Mapping[str, Mapping[str, torch.Tensor]]) -> None:
        with torch.no_grad():
            for name, reader in self.readers.items():
                for key, tensor in _kept(reader):
                    tensor.copy_(weights[name][key])


def _kept(reader: TextReader) -> Iterator[tuple[str, torch.Tensor]]:
    yield from reader.every_parameter()
    yield from reader.memory()


def _best_step(curve: Curve) -> int:
    """Return after how many steps the validation was best; all of them where nothing was held out."""
    found = [curve.initial, *curve.validation]
    if not found or all(math.isnan(value) for value in found):
        return curve.steps[-1] if curve.steps else 0
    return [0, *curve.steps][int(np.nanargmin(found))]
