"""Scenarios that share one tuned language model: how it learns, and what it makes of their catalogues."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch

from polyscene.core.progress import Progress
from polyscene.core.seeds import derived, generator
from polyscene.core.settings.project import Settings
from polyscene.core.settings.tuning import OptimiserSettings, TuningDetails
from polyscene.core.types import FloatArray
from polyscene.data.splits.phases import Phase
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.model.projection import Projection
from polyscene.language.model.token_embeddings import most_frequent
from polyscene.language.text.cache import EncodingCache
from polyscene.language.text.encoding import unit_vectors
from polyscene.language.text.keyword_stuffing import BoundedVectors, beginnings, bounded_by
from polyscene.language.tuning.cached_encoder import CachedEncoder
from polyscene.language.tuning.method import method_of
from polyscene.language.tuning.methods import dressed, frozen_layers, learn_words, tuned_weights
from polyscene.learning.bounding import BoundedCatalogue, wanted_reach
from polyscene.learning.content_judge import held_out_decay
from polyscene.learning.objectives.learner import TextLearner, objectives_of
from polyscene.learning.training_data import TrainingData
from polyscene.learning.tuning_data import TuningData, tuning_data
from polyscene.learning.tuning_outcome import PastTuning, TuningOutcome
from polyscene.representation.item_space import ItemSpace
from polyscene.training.averaging import fit_seeds, seeds_of
from polyscene.training.budget import Budget
from polyscene.training.checkpoints import Checkpoints
from polyscene.training.loop import Curve, fit
from polyscene.training.plan import Plan
from polyscene.training.recording import Recorder, open_recorder

PROJECTION, WEIGHTS = "projection", "weights"

EncoderFactory = Callable[
    [LanguageModel, Sequence[str], int, int, Progress, EncodingCache | None], CachedEncoder
]
"""What makes a `CachedEncoder`."""


def effective_method(settings: Settings) -> str:
    """Return the method; "none" where its weights get no step, and the projection learns alone."""
    return settings.language.tuning if settings.tuning.steps else "none"


class LanguageTuner:
    """Scenarios that share one tuned model.

    Args:
        past: the data at an earlier cut, whose past is learned from in place of the split's own.
    """

    def __init__(
        self,
        model: LanguageModel,
        data: TrainingData,
        settings: Settings,
        names: Sequence[str],
        folder: Path,
        progress: Progress,
        make_encoder: EncoderFactory = CachedEncoder,
        cache: EncodingCache | None = None,
        past: TrainingData | None = None,
    ) -> None:
        self.data, self.settings, self.names = data, settings, list(names)
        self._past = data if past is None else past
        self.details: TuningDetails = settings.tuning
        self.folder, self.progress = folder, progress
        self._kept: list[Path] = []
        everyone = len(names) == len(data.dataset.scenarios)
        self.label = "all scenarios" if everyone and len(names) > 1 else ", ".join(names)
        method = effective_method(settings)
        torch.manual_seed(derived(settings.seed, "tuning", self.label) % 2**31)
        self.model = dressed(model, method, self.details, self.details.steps)
        frozen = frozen_layers(self.model, method, self.details)
        self.reads_as_untuned = method_of(method).starts_untuned
        kept = cache if self.reads_as_untuned else None
        self.encoders = {
            name: make_encoder(
                self.model,
                data.dataset.scenarios[name].catalogue.text,
                frozen,
                settings.language.batch_tokens,
                progress,
                kept,
            )
            for name in names
        }
        self._lead_chars: dict[str, int] = {}
        self._leads: dict[str, CachedEncoder] = {}  # reads what each text begins with, where reach is bounded
        self.bounds: dict[str, BoundedVectors] = {}
        if settings.language.reach != "unbounded":
            for name, encoder in self.encoders.items():
                leads, self._lead_chars[name] = beginnings(encoder.texts)
                self._leads[name] = make_encoder(
                    self.model, leads, frozen, settings.language.batch_tokens, progress, kept
                )
        if isinstance(self.model.projection, Projection):
            nonempty = [encoder.pooled[encoder.lengths > 0] for encoder in self.encoders.values()]
            self.model.projection.measure(torch.from_numpy(np.concatenate(nonempty)))
            if self.details.words:
                self._learn_words()
        self._start = self._weights()

    def _learn_words(self) -> None:
        encoders, limit = self.encoders.values(), self.details.phrases
        known: set[int] = set().union(*(encoder.vocabulary for encoder in encoders))
        phrases = most_frequent([encoder.phrases for encoder in encoders], limit) if limit else None
        learn_words(self.model, known, phrases)

    def untuned(self, name: str) -> BoundedCatalogue:
        """Return what the untuned model makes of a catalogue, from the first reading.

        Only where `reads_as_untuned`.
        """
        vectors = unit_vectors(self.encoders[name].pooled[:, 0])
        leads = self._leads.get(name)
        if leads is None:
            return vectors, None
        ahead, reach = unit_vectors(leads.pooled[:, 0]), wanted_reach(self.settings.language)
        bound = bounded_by(ahead, vectors, self._lead_chars[name], reach)
        return bound.vectors, bound

    def learn_past(self, minutes: float | None = None) -> PastTuning:
        """Learn from the past in at most so many minutes, and judge on what came after it."""
        self._rest(True)
        before = self.vectors()
        decays = {name: self._decay(name, vectors) for name, vectors in before.items()}
        data = self._tuning_data(decays, Phase.PAST)
        limits = self._step_limits()
        rounds = dict.fromkeys(limits, float(self.details.epochs))
        learned = self._learn(data, rounds, limits, Phase.PAST, minutes)
        curves = {stage: curve for stage, (curve, _) in learned.items()}
        steps = {stage: _best_step(curve) for stage, curve in curves.items()}
        best = {stage: steps[stage] / per_round for stage, (_, per_round) in learned.items()}
        after = self.vectors()
        weights = sum(p.numel() for _, p in next(iter(self.encoders.values())).every_parameter())
        size = sum(tensor.nbytes for tensor in tuned_weights(self.model).values())
        outcomes = {}
        for name, part in data.items():
            judge = part.judge or (lambda vectors: math.nan)
            chosen_decay = held_out_decay(self._past, name, after[name], decays[name])
            gains = judge(before[name]), judge(after[name])
            outcomes[name] = TuningOutcome(*gains, steps, weights, size, chosen_decay)
        return PastTuning(after, outcomes, curves, best, decays)

    def learn_all(self, past: PastTuning) -> dict[str, FloatArray]:
        """Start anew, learn from everything in as many rounds as were best before; read every catalogue."""
        self._put(self._start)
        self._learn(self._tuning_data(past.decays, Phase.ALL), past.rounds, {}, Phase.ALL)
        return self.vectors()

    def _decay(self, name: str, vectors: FloatArray) -> float:
        """Return how fast taste fades in a scenario, by vectors that have learned nothing yet."""
        evidence = self._past.evidence(name, Phase.PAST)
        return replace(evidence, space=ItemSpace.of(vectors)).decay

    def _tuning_data(self, decays: Mapping[str, float], phase: Phase) -> dict[str, TuningData]:
        data = self._past if phase is Phase.PAST else self.data
        return {name: tuning_data(data, name, self.details, decay, phase) for name, decay in decays.items()}

    def vectors(self) -> dict[str, FloatArray]:
        """Return what the model makes of the catalogues now, within reach where that is bounded."""
        vectors = {name: encoder.all() for name, encoder in self.encoders.items()}
        reach = wanted_reach(self.settings.language)
        for name, leads in self._leads.items():
            self.bounds[name] = bounded_by(leads.all(), vectors[name], self._lead_chars[name], reach)
            vectors[name] = self.bounds[name].vectors
        return vectors

    def forget(self) -> None:
        """Remove the checkpoints of what is done."""
        for path in self._kept:
            path.unlink(missing_ok=True)

    def _rest(self, resting: bool) -> None:
        for encoder in (*self.encoders.values(), *self._leads.values()):
            encoder.resting = resting

    def _step_limits(self) -> dict[str, int]:
        """Return the most steps of each stage."""
        projected = self.model.projection is not None
        return {PROJECTION: self.details.projection_steps if projected else 0, WEIGHTS: self.details.steps}

    def _learn(
        self,
        data: Mapping[str, TuningData],
        rounds: Mapping[str, float],
        limits: Mapping[str, int],
        phase: Phase,
        minutes: float | None = None,
    ) -> dict[str, tuple[Curve, int]]:
        """Learn stage by stage.

        Args:
            rounds: of each stage, times through the choices.
            limits: of each stage, steps, where they are bounded.
            minutes: of all stages together, where they are bounded.

        Returns:
            The curve of each stage that learned, and how many steps a round took.
        """
        learned = {}
        own, n = self.details.minutes, len(rounds)
        bound = own if minutes is None else min(minutes / n, own or math.inf)
        for stage, wanted in rounds.items():
            self._rest(stage == PROJECTION)
            learners, shares = self._learners(data)
            per_round = sum(max(len(learner) // learner.batch_size, 1) for learner in learners.values())
            steps = math.ceil(wanted * per_round)
            steps = min(steps, limits.get(stage, steps))
            if steps and any(True for encoder in self.encoders.values() for _ in encoder.named_parameters()):
                curve = self._stage(learners, shares, stage, Budget(steps, minutes=bound), phase)
                learned[stage] = curve, per_round
        return learned

    def _learners(self, data: Mapping[str, TuningData]) -> tuple[dict[str, TextLearner], dict[str, float]]:
        """Return every scenario's objectives that have something to learn from, and λ_s μ_t for each."""
        learners: dict[str, TextLearner] = {}
        shares: dict[str, float] = {}
        for name, part in data.items():
            scenario = self.settings.scenarios[name]
            for objective, share, learner in objectives_of(self.encoders[name], part, scenario, self.details):
                learners[f"{name}/{objective}"] = learner
                shares[f"{name}/{objective}"] = scenario.weight * share
        return learners, shares

    def _stage(
        self,
        learners: Mapping[str, TextLearner],
        shares: Mapping[str, float],
        stage: str,
        budget: Budget,
        phase: Phase,
    ) -> Curve:
        details, label = self.details, f"{self.label}: {phase.value}: {stage}"
        recorder = self._recorder(label)

        plan = Plan(
            budget,
            self._optimiser(stage),
            f"{self.label}: language model: {stage}",
            patience=details.patience,
            validate_every=max((budget.steps or 1) // details.validations, 1),
            checkpoints=self._checkpoints(label, learners),
            recorder=recorder,
        )

        def run(seed: int) -> Curve:
            return fit(learners, shares, plan, generator(seed, "tuning", label), self.progress)

        try:
            if details.seeds > 1:
                return fit_seeds(learners, shares, seeds_of(self.settings.seed, details.seeds), run).curves[0]
            return run(self.settings.seed)
        finally:
            recorder.close()

    def _optimiser(self, stage: str) -> OptimiserSettings:
        if stage == PROJECTION:
            own = {"learning_rate": self.details.projection_rate, "perturbation": 0.0}
            return self.details.optimiser.model_copy(update=own)
        return self.details.optimiser

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
        parts = (self.model.fingerprint, label, self.settings.seed, self.settings.language.tuning)
        digest = sha256(repr((*parts, self.details.model_dump_json())).encode())
        for learner in learners.values():
            digest.update("\0".join(learner.encoder.texts).encode())
            log = learner.data.log
            for column in (log.user, log.item, log.time, log.weight):
                digest.update(np.ascontiguousarray(column).tobytes())
        return digest.hexdigest()

    def _recorder(self, label: str) -> Recorder:
        return open_recorder(self.details.recorder, self.folder / "records", label)

    def _weights(self) -> dict[str, dict[str, torch.Tensor]]:
        return {
            name: {key: tensor.detach().clone() for key, tensor in _kept(encoder)}
            for name, encoder in self.encoders.items()
        }

    def _put(self, weights: Mapping[str, Mapping[str, torch.Tensor]]) -> None:
        with torch.no_grad():
            for name, encoder in self.encoders.items():
                for key, tensor in _kept(encoder):
                    tensor.copy_(weights[name][key])


def _kept(encoder: CachedEncoder) -> Iterator[tuple[str, torch.Tensor]]:
    yield from encoder.every_parameter()
    yield from encoder.memory()


def _best_step(curve: Curve) -> int:
    """Return after how many steps the validation was best; all of them where nothing was held out."""
    validations = [curve.initial, *curve.validation]
    if all(math.isnan(value) for value in validations):
        return curve.steps[-1] if curve.steps else 0
    return [0, *curve.steps][int(np.nanargmin(validations))]
