"""Scenarios that share one tuned language model: how it learns, and what it makes of their catalogues."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch

from polyscene.core.progress import Progress
from polyscene.core.seeds import derived, generator
from polyscene.core.settings.language import TuningMethod
from polyscene.core.settings.project import Settings
from polyscene.core.settings.tuning import TuningDetails
from polyscene.core.types import FloatArray
from polyscene.data.splits.phases import Phase
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.model.projection import Projection
from polyscene.language.model.token_embeddings import commonest
from polyscene.language.text.keyword_stuffing import BoundedVectors, beginnings, bounded_by
from polyscene.language.tuning.cached_encoder import CachedEncoder
from polyscene.language.tuning.methods import dressed, frozen_layers, learn_words, tuned_weights
from polyscene.learning.bounding import wanted_reach
from polyscene.learning.objectives import TextLearner, TuningData
from polyscene.learning.training_data import TrainingData
from polyscene.learning.tuning_data import objectives_of, tuning_data
from polyscene.training.averaging import fit_seeds, seeds_of
from polyscene.training.budget import Budget
from polyscene.training.checkpoints import Checkpoints
from polyscene.training.loop import Curve, fit
from polyscene.training.optimisation import OptimisationSettings
from polyscene.training.recording import Recorder, open_recorder

PROJECTION, WEIGHTS = "projection", "weights"

EncoderFactory = Callable[[LanguageModel, Sequence[str], int, int, Progress], CachedEncoder]
"""What makes a `CachedEncoder`."""


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


def effective_method(settings: Settings) -> TuningMethod:
    """Return the method; "none" where its weights get no step, and the projection learns alone."""
    return settings.language.tuning if settings.tuning.steps else "none"


@dataclass(frozen=True)
class PastOutcome:
    """What learning from the past alone came to.

    Attributes:
        rounds: of each phase, how many times through the choices were best.
        decays: by scenario, how fast taste was found to fade.
    """

    vectors: Mapping[str, FloatArray]
    outcomes: Mapping[str, Outcome]
    curves: Mapping[str, Curve]
    rounds: Mapping[str, float]
    decays: Mapping[str, float]


class LanguageTuner:
    """Scenarios that share one tuned model."""

    def __init__(
        self,
        model: LanguageModel,
        ground: TrainingData,
        settings: Settings,
        names: Sequence[str],
        folder: Path,
        progress: Progress,
        reading: EncoderFactory = CachedEncoder,
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
        self._lead_chars: dict[str, int] = {}
        self._leads: dict[str, CachedEncoder] = {}  # reads what each text begins with, where reach is bounded
        self.bounds: dict[str, BoundedVectors] = {}
        if settings.language.reach != "unbounded":
            for name, reader in self.readers.items():
                leads, self._lead_chars[name] = beginnings(reader.texts)
                self._leads[name] = reading(
                    self.model, leads, frozen, settings.language.batch_tokens, progress
                )
        if isinstance(self.model.projection, Projection):
            spoken = [reader.pooled[reader.lengths > 0] for reader in self.readers.values()]
            self.model.projection.measure(torch.from_numpy(np.concatenate(spoken)))
            if self.details.words:
                self._learn_words()
        self._start = self._weights()

    def _learn_words(self) -> None:
        readers, most = self.readers.values(), self.details.phrases
        known: set[int] = set().union(*(reader.vocabulary for reader in readers))
        phrases = commonest([reader.phrases for reader in readers], most) if most else None
        learn_words(self.model, known, phrases)

    def learn_early(self) -> PastOutcome:
        """Learn from the past, and judge on what came after it."""
        self._rest(True)
        before = self.vectors()
        past = {name: self.ground.evidence(name, Phase.PAST) for name in self.names}
        decays = {name: replace(past[name], vectors=before[name]).decay for name in self.names}
        lessons = {
            name: tuning_data(self.ground, name, self.details, decay, early=True)
            for name, decay in decays.items()
        }
        most = self._wanted()
        learned = self._learn(lessons, dict.fromkeys(most, float(self.details.epochs)), most, "past events")
        curves = {phase: curve for phase, (curve, _) in learned.items()}
        early = self.vectors()
        steps = {phase: _best_step(curve) for phase, curve in curves.items()}
        rounds = {phase: steps[phase] / per_round for phase, (_, per_round) in learned.items()}
        kept = tuned_weights(self.model).values()
        weights = sum(p.numel() for _, p in next(iter(self.readers.values())).every_parameter())
        outcomes = {}
        for name, lesson in lessons.items():
            judge = lesson.judge or (lambda vectors: math.nan)
            size = sum(tensor.nbytes for tensor in kept)
            outcomes[name] = Outcome(judge(before[name]), judge(early[name]), steps, weights, size)
        return PastOutcome(early, outcomes, curves, rounds, decays)

    def learn_all(self, early: PastOutcome) -> dict[str, FloatArray]:
        """Start anew, learn from everything in as many rounds as were best before; read every catalogue."""
        self._put(self._start)
        whole = {
            name: tuning_data(self.ground, name, self.details, decay, early=False)
            for name, decay in early.decays.items()
        }
        self._learn(whole, early.rounds, {}, "all events")
        return self.vectors()

    def vectors(self) -> dict[str, FloatArray]:
        """Return what the model makes of the catalogues now, within reach where that is bounded."""
        found = {name: reader.all() for name, reader in self.readers.items()}
        reach = wanted_reach(self.settings.language)
        for name, leads in self._leads.items():
            self.bounds[name] = bounded_by(leads.all(), found[name], self._lead_chars[name], reach)
            found[name] = self.bounds[name].vectors
        return found

    def forget(self) -> None:
        """Remove the checkpoints of what is done."""
        for path in self._kept:
            path.unlink(missing_ok=True)

    def _rest(self, resting: bool) -> None:
        for reader in (*self.readers.values(), *self._leads.values()):
            reader.resting = resting

    def _wanted(self) -> dict[str, int]:
        """Return the most steps of each phase."""
        projected = self.model.projection is not None
        return {PROJECTION: self.details.projection_steps if projected else 0, WEIGHTS: self.details.steps}

    def _learn(
        self,
        lessons: Mapping[str, TuningData],
        rounds: Mapping[str, float],
        most: Mapping[str, int],
        what: str,
    ) -> dict[str, tuple[Curve, int]]:
        """Learn phase by phase.

        Args:
            rounds: of each phase, times through the choices.
            most: of each phase, steps, where they are bounded.

        Returns:
            The curve of each phase that learned, and how many steps a round took.
        """
        found = {}
        for phase, wanted in rounds.items():
            self._rest(phase == PROJECTION)
            learners, shares = self._learners(lessons)
            per_round = sum(max(len(learner) // learner.batch_size, 1) for learner in learners.values())
            steps = math.ceil(wanted * per_round)
            steps = min(steps, most.get(phase, steps))
            if steps and any(True for reader in self.readers.values() for _ in reader.named_parameters()):
                budget = Budget(steps, minutes=self.details.minutes)
                found[phase] = self._phase(learners, shares, phase, budget, what), per_round
        return found

    def _learners(self, lessons: Mapping[str, TuningData]) -> tuple[dict[str, TextLearner], dict[str, float]]:
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


def _kept(reader: CachedEncoder) -> Iterator[tuple[str, torch.Tensor]]:
    yield from reader.every_parameter()
    yield from reader.memory()


def _best_step(curve: Curve) -> int:
    """Return after how many steps the validation was best; all of them where nothing was held out."""
    found = [curve.initial, *curve.validation]
    if not found or all(math.isnan(value) for value in found):
        return curve.steps[-1] if curve.steps else 0
    return [0, *curve.steps][int(np.nanargmin(found))]
