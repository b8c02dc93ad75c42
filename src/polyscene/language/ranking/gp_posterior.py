"""The posterior of one prior after the examples, and its predictions for prompts nobody has answered.

One `GpPosterior` is one prior. It reads no text and averages nothing; the ranker does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from polyscene.core.types import LongArray
from polyscene.language.ranking.examples import Prompt, people
from polyscene.language.ranking.kernel import Kernel, KernelInputs
from polyscene.language.ranking.laplace import (
    GpClassification,
    LaplacePosterior,
    expected_probability,
    laplace,
    shrinkage,
)

Values = NDArray[np.float64]

MAX_OBSERVATIONS = 3000
"""Exact inference costs the cube of the number of answers: 3,000 take seconds."""


@dataclass(frozen=True)
class Observations:
    """n distinct answers, each a person's about a text.

    Attributes:
        person: (n,) numbers.
        text: n texts.
        label: (n,) 0 or 1.
    """

    person: LongArray
    text: tuple[str, ...]
    label: Values

    @classmethod
    def of(cls, examples: Sequence[Prompt]) -> Self:
        """Take every answer once, histories included; of very many the latest 3,000."""
        labels: dict[tuple[int, str], bool] = {}
        for person, prompt in zip(people(examples).tolist(), examples, strict=True):
            labels |= {(person, text): liked for text, liked in prompt.answered}
        kept = list(labels.items())[-MAX_OBSERVATIONS:]
        return cls(
            np.array([person for (person, _), _ in kept], np.int64),
            tuple(text for (_, text), _ in kept),
            np.array([liked for _, liked in kept], np.float64),
        )

    def people_per_text(self) -> dict[str, int]:
        """Return how many people answered about each text."""
        counts: dict[str, int] = {}
        for _, text in dict.fromkeys(zip(self.person.tolist(), self.text, strict=True)):
            counts[text] = counts.get(text, 0) + 1
        return counts


@dataclass(frozen=True)
class PromptBatch:
    """A block of B prompts over m distinct texts, histories padded to length h.

    Attributes:
        rows: (B, h + 1) rows of texts: the history, padding, the candidate last.
        labels: (B, h) 0 or 1; 0 where padded.
        observed: (B, h) 1 where there is an answer, 0 where padded.
    """

    rows: LongArray
    labels: Values
    observed: Values

    @classmethod
    def of(cls, prompts: Sequence[Prompt], place: dict[str, int]) -> Self:
        """Lay prompts out; `place` is the row of each text."""
        width = max((len(prompt.history) for prompt in prompts), default=0)
        rows = np.zeros((len(prompts), width + 1), np.int64)
        labels, observed = np.zeros((2, len(prompts), width))
        for at, prompt in enumerate(prompts):
            history = prompt.history
            rows[at, : len(history)] = [place[text] for text, _ in history]
            rows[at, -1] = place[prompt.candidate]
            labels[at, : len(history)] = [liked for _, liked in history]
            observed[at, : len(history)] = 1.0
        return cls(rows, labels, observed)


@dataclass(frozen=True)
class Predictions:
    """What is expected of B candidates.

    Attributes:
        mean, variance: (B,) of their log-odds.
        text: (B,) the texts' part of the mean; the rest is habit.
    """

    mean: Values
    variance: Values
    text: Values

    @property
    def probability(self) -> Values:
        """(B,) probabilities of being liked, averaged over what is not known."""
        return expected_probability(self.mean, self.variance)

    @property
    def contribution(self) -> Values:
        """(B,) the texts' part of the log-odds of `probability`."""
        return np.asarray(self.text * shrinkage(self.variance))


@dataclass(frozen=True)
class GpPosterior:
    """A prior and what it has learned from.

    Attributes:
        prior: the kernel.
        inputs: the texts of the n observations.
        posterior: of what all people think of them.
    """

    prior: Kernel
    inputs: KernelInputs
    posterior: LaplacePosterior

    @classmethod
    def fit(cls, prior: Kernel, inputs: KernelInputs, observations: Observations) -> Self:
        """Learn from observations; (n,) inputs in their order."""
        covariance = prior.shared(inputs, inputs)  # (n, n)
        same = observations.person[:, None] == observations.person[None, :]
        covariance += np.where(same, prior.personal(inputs, inputs), 0.0)
        mean = prior.expected(inputs)[None]
        posterior = laplace(
            GpClassification(covariance[None], observations.label[None], mean, np.ones_like(mean))
        )
        return cls(prior, inputs, posterior)

    @property
    def evidence(self) -> float:
        """Log marginal likelihood of the answers in nats."""
        return float(self.posterior.evidence[0])

    def predict(self, inputs: KernelInputs, batch: PromptBatch) -> Predictions:
        """Return what is expected of the candidates.

        What the examples taught of the m texts is the prior of each prompt; its own history does the rest.
        The prior is a sum, so the texts' part of the expected log-odds is exact.
        """
        texts, known = self.prior.textual(), self.inputs
        cross = self.prior.shared(inputs, known)[None]  # (1, m, n)
        text_cross = texts.shared(inputs, known)[None]  # (1, m, n)
        solved = self.posterior.solve_cross(cross)  # (1, n, m)
        mean = self.posterior.posterior_mean(self.prior.expected(inputs)[None], cross)[0]  # (m,)
        text_mean = self.posterior.posterior_mean(texts.expected(inputs)[None], text_cross)[0]  # (m,)
        whole = self._posterior_covariance(self.prior, inputs, cross, solved)
        textual = self._posterior_covariance(texts, inputs, text_cross, solved)
        past, asked = batch.rows[:, :-1], batch.rows[:, -1:]  # (B, h), (B, 1)
        own = laplace(GpClassification(_block(whole, past, past), batch.labels, mean[past], batch.observed))
        log_odds, covariance = own.predict(
            mean[asked], _block(whole, asked, past), _block(whole, asked, asked)
        )
        text = own.posterior_mean(text_mean[asked], _block(textual, asked, past))
        return Predictions(log_odds[:, 0], covariance[:, 0, 0], text[:, 0])

    def _posterior_covariance(
        self, part: Kernel, inputs: KernelInputs, cross: Values, solved: Values
    ) -> Values:
        """Return (m, m) the covariance of a part of the prior with the whole, after the examples."""
        prior = part.shared(inputs, inputs) + part.personal(inputs, inputs)
        return np.asarray(prior - ((cross * self.posterior.sqrt_curvature[:, None, :]) @ solved)[0])


def _block(covariance: Values, rows: LongArray, columns: LongArray) -> Values:
    """Return (B, r, c) of (m, m) for (B, r) rows and (B, c) columns."""
    return np.asarray(covariance[rows[:, :, None], columns[:, None, :]])
