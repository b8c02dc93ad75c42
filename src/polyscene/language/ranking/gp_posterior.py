"""What a prior becomes after the examples were heard, and what it foretells of prompts nobody has answered.

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
from polyscene.language.ranking.kernel import Kernel, Seen
from polyscene.language.ranking.laplace import LaplacePosterior, Problems, expected_chance, laplace, shrinkage

Values = NDArray[np.float64]

MOST_ANSWERS = 3000
"""Exact inference costs the cube of the number of answers: 3,000 take seconds."""


@dataclass(frozen=True)
class Answers:
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
        found: dict[tuple[int, str], bool] = {}
        for person, prompt in zip(people(examples).tolist(), examples, strict=True):
            found |= {(person, text): liked for text, liked in prompt.answered}
        kept = list(found.items())[-MOST_ANSWERS:]
        return cls(
            np.array([person for (person, _), _ in kept], np.int64),
            tuple(text for (_, text), _ in kept),
            np.array([liked for _, liked in kept], np.float64),
        )

    def met(self) -> dict[str, int]:
        """Return how many people answered about each text."""
        counts: dict[str, int] = {}
        for _, text in dict.fromkeys(zip(self.person.tolist(), self.text, strict=True)):
            counts[text] = counts.get(text, 0) + 1
        return counts


@dataclass(frozen=True)
class Queries:
    """A block of B prompts over m distinct texts, histories padded to length h.

    Attributes:
        rows: (B, h + 1) rows of texts: the history, padding, the candidate last.
        answers: (B, h) 0 or 1; 0 where padded.
        given: (B, h) 1 where there is an answer, 0 where padded.
    """

    rows: LongArray
    answers: Values
    given: Values

    @classmethod
    def of(cls, prompts: Sequence[Prompt], place: dict[str, int]) -> Self:
        """Lay prompts out; `place` says the row of each text."""
        width = max((len(prompt.history) for prompt in prompts), default=0)
        rows = np.zeros((len(prompts), width + 1), np.int64)
        answers, given = np.zeros((2, len(prompts), width))
        for at, prompt in enumerate(prompts):
            history = prompt.history
            rows[at, : len(history)] = [place[text] for text, _ in history]
            rows[at, -1] = place[prompt.candidate]
            answers[at, : len(history)] = [liked for _, liked in history]
            given[at, : len(history)] = 1.0
        return cls(rows, answers, given)


@dataclass(frozen=True)
class Predictions:
    """What is expected of B candidates.

    Attributes:
        mean, variance: (B,) of their log-odds.
        text: (B,) what the texts say of the mean; the rest is habit.
    """

    mean: Values
    variance: Values
    text: Values

    @property
    def chance(self) -> Values:
        """(B,) probabilities of being liked, averaged over what is not known."""
        return expected_chance(self.mean, self.variance)

    @property
    def contribution(self) -> Values:
        """(B,) the texts' part of the log-odds of `chance`."""
        return np.asarray(self.text * shrinkage(self.variance))


@dataclass(frozen=True)
class GpPosterior:
    """A prior, and what it has heard.

    Attributes:
        prior: what was believed before.
        heard: the texts of the n answers.
        posterior: of what all people think of them.
    """

    prior: Kernel
    heard: Seen
    posterior: LaplacePosterior

    @classmethod
    def after(cls, prior: Kernel, heard: Seen, answers: Answers) -> Self:
        """Hear the answers; (n,) texts as they are seen, in the answers' order."""
        covariance = prior.shared(heard, heard)  # (n, n)
        same = answers.person[:, None] == answers.person[None, :]
        covariance += np.where(same, prior.personal(heard, heard), 0.0)
        mean = np.full((1, len(answers.label)), prior.mean)
        posterior = laplace(Problems(covariance[None], answers.label[None], mean, np.ones_like(mean)))
        return cls(prior, heard, posterior)

    @property
    def evidence(self) -> float:
        """Log marginal likelihood of the answers in nats."""
        return float(self.posterior.evidence[0])

    def predict(self, seen: Seen, questions: Queries) -> Predictions:
        """Return what is expected of the candidates.

        What the examples taught of the m texts is the prior of each prompt; its own history does the rest.
        The prior is a sum, so what the texts say of the expected log-odds can be told from habit exactly.
        """
        texts, seen_by = self.prior.textual(), self.heard
        across, said = self.prior.shared(seen, seen_by)[None], texts.shared(seen, seen_by)[None]  # (1, m, n)
        explained = self.posterior.explain(across)  # (1, n, m)
        mean = self.posterior.expect(np.full((1, len(seen.code)), self.prior.mean), across)[0]  # (m,)
        said_mean = self.posterior.expect(np.zeros((1, len(seen.code))), said)[0]  # (m,)
        whole = self._left(self.prior, seen, across, explained)
        textual = self._left(texts, seen, said, explained)
        past, asked = questions.rows[:, :-1], questions.rows[:, -1:]  # (B, h), (B, 1)
        own = laplace(Problems(_block(whole, past, past), questions.answers, mean[past], questions.given))
        found, spread = own.predict(mean[asked], _block(whole, asked, past), _block(whole, asked, asked))
        text = own.expect(said_mean[asked], _block(textual, asked, past))
        return Predictions(found[:, 0], spread[:, 0, 0], text[:, 0])

    def _left(self, kind: Kernel, seen: Seen, across: Values, explained: Values) -> Values:
        """Return (m, m) the covariance of a part of the prior with the whole, after the examples."""
        prior = kind.shared(seen, seen) + kind.personal(seen, seen)
        return np.asarray(prior - ((across * self.posterior.root[:, None, :]) @ explained)[0])


def _block(covariance: Values, rows: LongArray, columns: LongArray) -> Values:
    """Return (B, r, c) of (m, m) for (B, r) rows and (B, c) columns."""
    return np.asarray(covariance[rows[:, :, None], columns[:, None, :]])
