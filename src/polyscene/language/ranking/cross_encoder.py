"""Encoders as rankers: history and candidate are read together, as one text, and a head judges its vector.

With few labels the encoder stays as it is and the head is a posterior under a prior; with many, the encoder
is tuned first ("full"). The given model is never changed: tuning works on a copy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from polyscene.language.model.language_model import LanguageModel
from polyscene.language.ranking.bayesian_logistic import BayesianLogistic
from polyscene.language.ranking.cross_encoder_tuning import CrossEncoderTuning, tuned
from polyscene.language.ranking.examples import Prompt
from polyscene.language.ranking.templates import PromptTemplate
from polyscene.language.text.encoding import encode

Values = NDArray[np.float64]

PAIR = "{title}. Liked: {liked}. Disliked: {disliked}. {profile}"
"""The candidate comes first: what is cut off a long text is the end of the history."""
BIAS_DEVIATION, WEIGHT_DEVIATION = 0.5, 2.0
"""Standard deviations of the head's prior: of its bias, and of its weights on a unit vector."""


class CrossEncoder:
    """Log-odds of prompts by an encoder and a head over the pair.

    Args:
        model: any language model that gives one vector per text.
        template: how a prompt is written.
        head: of `dimension + 1` weights, the bias first; default: its prior.
    """

    def __init__(
        self,
        model: LanguageModel,
        template: PromptTemplate | None = None,
        head: BayesianLogistic | None = None,
    ) -> None:
        self.model = model
        self.template = template or PromptTemplate.parse(PAIR)
        self.head = head or BayesianLogistic.prior(
            np.zeros(model.dimension + 1), np.r_[BIAS_DEVIATION, np.full(model.dimension, WEIGHT_DEVIATION)]
        )

    def fit(self, examples: Sequence[Prompt], tuning: CrossEncoderTuning | None = None) -> CrossEncoder:
        """Return a reader that has learnt from labelled prompts; those without a label are left out.

        Raises:
            ModelError: there was nothing to tune on, or tuning led to numbers that are not finite.
        """
        known = [prompt for prompt in examples if prompt.label is not None]
        labels = np.array([prompt.label for prompt in known], np.float64)
        fitted = CrossEncoder(self.model, self.template)
        if tuning is not None and tuning.steps and known:
            fitted.model = tuned(self.model, [self.template.fill(prompt) for prompt in known], labels, tuning)
        fitted.head = fitted.head.posterior(fitted._features(known), labels)
        return fitted

    def __call__(self, prompts: Sequence[Prompt]) -> Values:
        """Return (n,) log-odds; 0 for all where nothing was learnt."""
        return self.head.logits(self._features(prompts))

    def probability(self, prompts: Sequence[Prompt]) -> Values:
        """Return (n,) probabilities, averaged over the head's weights."""
        return self.head.probability(self._features(prompts))

    def _features(self, prompts: Sequence[Prompt]) -> Values:
        vectors = encode(self.model, [self.template.fill(prompt) for prompt in prompts])  # (n, d)
        return np.column_stack([np.ones(len(vectors)), vectors.astype(np.float64)])
