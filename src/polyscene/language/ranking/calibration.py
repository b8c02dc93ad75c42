"""The log-odds of a reader, weighed against the person's habit: three weights under a prior.

    logit p = w₀ + w₁ · base rate + w₂ · reader

A reader is anything that gives log-odds for prompts: a decoder's answer words, an encoder over the pair. The
prior says that habits count in full and readers a little; sixteen labels move it a little, a thousand much.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from polyscene.language.ranking.bayesian_logistic import BayesianLogistic
from polyscene.language.ranking.examples import Prompt, base_logits
from polyscene.language.ranking.ranker import ScoreParts

Values = NDArray[np.float64]
PromptReader = Callable[[Sequence[Prompt]], Values]
"""n prompts to (n,) log-odds."""

PRIOR_MEAN = np.array([0.0, 1.0, 0.25])
PRIOR_DEVIATION = np.array([0.5, 0.5, 0.5])


class CalibratedRanker:
    """A reader beside the base rate.

    Args:
        reader: log-odds of prompts. One that was fitted must not have seen the examples given here.
    """

    def __init__(self, reader: PromptReader) -> None:
        self.reader = reader
        self.weights = BayesianLogistic.prior(PRIOR_MEAN, PRIOR_DEVIATION)

    def fit(self, examples: Sequence[Prompt]) -> Self:
        """Learn the three weights from labelled prompts, from the prior on."""
        known = [prompt for prompt in examples if prompt.label is not None]
        labels = np.array([prompt.label for prompt in known], np.float64)
        self.weights = BayesianLogistic.prior(PRIOR_MEAN, PRIOR_DEVIATION).posterior(
            self._features(known), labels
        )
        return self

    def score(self, prompts: Sequence[Prompt]) -> Values:
        """Return (n,) probabilities in (0, 1) that the candidates are liked."""
        return self.weights.probability(self._features(prompts))

    def score_parts(self, prompts: Sequence[Prompt]) -> ScoreParts:
        """Return the probabilities, and what they consist of."""
        features = self._features(prompts)
        habit = features * np.array([1.0, 1.0, 0.0])
        text = self.weights.logits(features) - self.weights.logits(habit)
        return ScoreParts(self.weights.probability(features), self.weights.probability(habit), text)

    def contribution(self, prompts: Sequence[Prompt]) -> Values:
        """Return (n,) what the reader adds beyond the person's habit, in log-odds."""
        return self.score_parts(prompts).text

    def _features(self, prompts: Sequence[Prompt]) -> Values:
        """Return (n, 3) one, base rate, reader."""
        read = self.reader(prompts) if prompts else np.zeros(0)
        return np.column_stack([np.ones(len(prompts)), base_logits(prompts), read])
