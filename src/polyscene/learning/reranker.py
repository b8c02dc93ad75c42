"""The slow reader behind the text ranker: what it learns from, and what its weight then is.

It learns twice, as every signal does: from the past alone while the fusion is taught, and from everything for
good. A fifth of the people teach nothing but how much it counts beside the student.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from polyscene.core.progress import Progress
from polyscene.core.seeds import derived, generator
from polyscene.core.settings.text_ranker import TextRankerSettings
from polyscene.core.types import BoolArray, LongArray
from polyscene.data.queries import Histories
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.model.packed_bert import packed
from polyscene.language.ranking.bayesian_logistic import BayesianLogistic
from polyscene.language.ranking.calibration import PRIOR_DEVIATION, PRIOR_MEAN, PromptReader
from polyscene.language.ranking.cross_encoder import CrossEncoder
from polyscene.language.ranking.cross_encoder_tuning import CrossEncoderTuning
from polyscene.language.ranking.examples import Prompt
from polyscene.language.ranking.yes_no_ranker import YesNoRanker
from polyscene.learning.backbone import Backbone, usable_template
from polyscene.learning.prompts import PromptBuilder, PromptScorer
from polyscene.recommenders.fusion.features import Signals
from polyscene.recommenders.reranker import Reranker
from polyscene.recommenders.signal import Evidence
from polyscene.recommenders.text_ranker import NEGATIVES, TextRanker, beside, labels_of, latest_choices

HELD_OUT = 0.2


@dataclass(frozen=True)
class RerankerWeights:
    """What a reader has beyond the language model: nothing at all where it reads answers.

    Attributes:
        head: of a reader of pairs.
        tuned: the encoder, where it learned too.
    """

    head: BayesianLogistic | None = None
    tuned: LanguageModel | None = None


class TrainedScorer(PromptScorer):
    """A reader fresh from its training, with what has to be kept of it."""

    def __init__(self, prompter: PromptBuilder, judge: PromptReader, learnt: RerankerWeights) -> None:
        super().__init__(prompter, lambda: judge)
        self.learnt = learnt


class RerankerTrainer:
    """Teaches the readers of one project.

    Args:
        backbone: what they read with.
        settings: `reader` is not "none".
        seed: of the run.

    Raises:
        ConfigError: reader and language model, or the template, do not fit.
        ModelError: the language model does not predict words, and should.
    """

    def __init__(self, backbone: Backbone, settings: TextRankerSettings, seed: int) -> None:
        self.backbone, self.settings, self.seed = backbone, settings, seed
        self.template = usable_template(settings)
        backbone.must_suit(settings)

    def trained(
        self,
        name: str,
        signals: Signals,
        evidence: Evidence,
        texts: Sequence[str],
        unseen: bool,
        progress: Progress,
    ) -> tuple[Reranker | None, list[str]]:
        """Teach a reader of a scenario, and measure how much it counts beside the fitted text ranker.

        Args:
            name: of the scenario.
            signals: fitted on the evidence; without a text ranker among them nothing happens.
            evidence: all that may be learned from.
            texts: of the catalogue.
            unseen: whether what a user had is never shown.
            progress: told that something is going on.

        Returns:
            The reranker, and what a user should know of it; None and nothing where nothing happened.
        """
        student = text_ranker_in(signals)
        if student is None:
            return None, []
        data = _RerankerData.of(evidence, texts, self.settings)
        with progress.track(f"{name}: the text ranker's reader", 1, "readers") as advance:
            reader = self._taught(name, data)
            reranker = _weighed(reader, student, data, self.settings.top, unseen)
            advance(1)
        note = (
            f"{name}: the text ranker's reader learnt from {len(data.drawn)} choices; its weight "
            f"is {reranker.trust:.2f}, the student's {reranker.student:.2f}"
        )
        return reranker, [note]

    def _taught(self, name: str, data: _RerankerData) -> TrainedScorer:
        if self.settings.reader == "answers":
            return TrainedScorer(
                data.prompter, YesNoRanker(self.backbone.answers, self.template), RerankerWeights()
            )
        labels = labels_of(data.drawn[data.learning]) > 0
        prompts = data.prompts(data.learning)
        known = [replace(prompt, label=bool(yes)) for prompt, yes in zip(prompts, labels, strict=True)]
        steps = self.settings.steps if known else 0
        tuning = CrossEncoderTuning(steps, seed=derived(self.seed, "reader", name))
        model = self.backbone.plain if steps else self.backbone.fast
        fitted = CrossEncoder(model, self.template).fit(known, tuning)
        learnt = RerankerWeights(fitted.head, fitted.model if steps else None)
        return TrainedScorer(data.prompter, cross_encoder(self.backbone, self.settings, learnt), learnt)


def cross_encoder(backbone: Backbone, settings: TextRankerSettings, learnt: RerankerWeights) -> CrossEncoder:
    """Return a reader of pairs, ready to read fast."""
    model = backbone.fast if learnt.tuned is None else packed(learnt.tuned)
    return CrossEncoder(model, usable_template(settings), learnt.head)


def text_ranker_in(signals: Signals) -> TextRanker | None:
    """Return the text ranker among the signals; None where there is none."""
    return next((signal for signal in signals if isinstance(signal, TextRanker)), None)


@dataclass(frozen=True)
class _RerankerData:
    """Latest choices and other items beside them.

    Attributes:
        history: what n users did before.
        drawn: (n, 1 + NEGATIVES) items, the chosen one first.
        learning: (n,) who teaches the reader; the others teach how much it counts.
    """

    prompter: PromptBuilder
    history: Histories
    drawn: LongArray
    learning: BoolArray

    @classmethod
    def of(cls, evidence: Evidence, texts: Sequence[str], settings: TextRankerSettings) -> _RerankerData:
        draws = generator(evidence.seed, "text_ranker", "reader")
        most = settings.examples // (1 + NEGATIVES) if evidence.n_items > 1 else 0
        chosen, history = latest_choices(evidence, most)
        drawn = beside(chosen, max(evidence.n_items, 2), draws)
        learning = np.ones(len(chosen), bool)
        held = int(len(chosen) * HELD_OUT) if settings.reader == "pair" else len(chosen)
        learning[draws.permutation(len(chosen))[:held]] = False  # one row per person
        return cls(PromptBuilder.of(texts, settings), history, drawn, learning)

    def prompts(self, rows: BoolArray) -> list[Prompt]:
        pasts = self.prompter.pasts(self.history.pick(np.flatnonzero(rows)))
        asked = zip(pasts, self.drawn[rows].tolist(), strict=True)
        return [prompt for past, items in asked for prompt in self.prompter.prompts(past, items)]


def _weighed(
    reader: TrainedScorer, student: TextRanker, data: _RerankerData, top: int, unseen: bool
) -> Reranker:
    """Learn the weights of the student's and the reader's scores together, from people the reader never saw.

    logit p = w₀ + w₁ · student + w₂ · reader, under the prior of `language.ranking.calibration`. A score that
    points away from the truth gets the weight 0, not a negative one.
    """
    drawn, history = data.drawn[~data.learning], data.history.pick(np.flatnonzero(~data.learning))
    student_odds = student.log_odds(history, drawn)  # (n, 1 + NEGATIVES)
    reader_odds = reader(history, drawn.astype(np.int32))
    rows = np.column_stack([np.ones(drawn.size), student_odds.ravel(), reader_odds.ravel()])
    weights = BayesianLogistic.prior(PRIOR_MEAN, PRIOR_DEVIATION).posterior(rows, labels_of(drawn)).mean
    own, trust = (max(float(weight), 0.0) for weight in weights[1:])
    return Reranker(reader, top, unseen, own, trust)
