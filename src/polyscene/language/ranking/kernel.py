"""The prior of people and texts before anybody has answered: the covariance of log-odds.

    logit p(u likes i) = b + m(i) + a_u + t_u(i)

b is how much people like things at all, m what all think of a text, a_u the habit of u to say yes, t_u the
taste of u for texts. All are Gaussian, and what is about texts is linear in their features, so that things
that read alike are liked alike. Nothing here has seen an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from polyscene.core.types import LongArray

Values = NDArray[np.float64]


@dataclass(frozen=True)
class KernelInputs:
    """m texts as the kernel takes them.

    Attributes:
        vectors: (m, d) unit vectors, the usual one taken off.
        decades: (m,) after the usual year.
        popularity: (m,) log of how many people met the text, against the average text.
        code: (m,) equal for equal texts.
        opinion: (m,) what the domain's people think of it, in log-odds; 0 where nobody knows.
    """

    vectors: Values
    decades: Values
    popularity: Values
    code: LongArray
    opinion: Values

    def take(self, rows: LongArray) -> Self:
        """Return the named texts, in their order."""
        return type(self)(
            self.vectors[rows],
            self.decades[rows],
            self.popularity[rows],
            self.code[rows],
            self.opinion[rows],
        )


_RENAMED = {"fame": "popularity", "itself": "individual", "taste_fame": "taste_popularity"}
_ABOUT_ALL = ("meaning", "decade", "popularity", "individual", "opinion")
_ABOUT_TEXTS = (*_ABOUT_ALL, "taste", "taste_decade", "taste_popularity")


@dataclass(frozen=True)
class Kernel:
    """Variances of log-odds, one for each thing that may differ.

    They are round numbers on a plateau, settled by cross-validation over the people of one set's valid split;
    they are not fitted to the examples, which only choose how far texts are trusted (`ranker.TRUST_LEVELS`).

    A variance of 1 lets a probability of one half reach .27 or .73 at one standard deviation. Habits differ
    that much; all features of a text together differ a little less.

    Attributes:
        mean: of b: people answer what they chose to meet, and mostly like it (.62).
        level: of b.
        habit: of a_u.
        meaning, decade, popularity, individual: of m: per unit vector, decade, unit of log count, and text.
        taste, taste_decade, taste_popularity: of t_u, the same per person.
        opinion: of how much the domain's opinion of a text counts, around `opinion_mean`.
    """

    mean: float = 0.5
    level: float = 0.5
    habit: float = 1.0
    meaning: float = 0.2
    decade: float = 0.1
    popularity: float = 0.1
    individual: float = 0.2
    taste: float = 0.5
    taste_decade: float = 0.1
    taste_popularity: float = 0.05
    opinion_mean: float = 1.0
    opinion: float = 0.25

    def scaled(self, share: float) -> Self:
        """Return the prior with everything that is about texts scaled by `share`; 0 leaves habits alone."""
        variances = {name: share * getattr(self, name) for name in _ABOUT_TEXTS}
        return replace(self, opinion_mean=share**0.5 * self.opinion_mean, **variances)

    def textual(self) -> Self:
        """Return the part of the prior that is about texts: without level and habit, and of mean 0."""
        return replace(self, mean=0.0, level=0.0, habit=0.0)

    def without_vectors(self) -> Self:
        """Return the prior without the language model's vectors, to see what they add."""
        return replace(self, meaning=0.0, taste=0.0)

    def expected(self, texts: KernelInputs) -> Values:
        """Return (m,) prior means."""
        return np.asarray(self.mean + self.opinion_mean * texts.opinion)

    def shared(self, one: KernelInputs, other: KernelInputs) -> Values:
        """Return (m, n) covariances of what all people think of two texts."""
        same = (one.code[:, None] == other.code[None, :]).astype(np.float64)
        return np.asarray(
            self.level
            + self.meaning * (one.vectors @ other.vectors.T)
            + self.decade * np.outer(one.decades, other.decades)
            + self.popularity * np.outer(one.popularity, other.popularity)
            + self.individual * same
            + self.opinion * np.outer(one.opinion, other.opinion)
        )

    def personal(self, one: KernelInputs, other: KernelInputs) -> Values:
        """Return (m, n) covariances of what one person thinks of two texts beyond all others."""
        return np.asarray(
            self.habit
            + self.taste * (one.vectors @ other.vectors.T)
            + self.taste_decade * np.outer(one.decades, other.decades)
            + self.taste_popularity * np.outer(one.popularity, other.popularity)
        )

    def to_json(self) -> Mapping[str, float]:
        """Return every variance by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, float]) -> Self:
        """Build from `to_json`, of this version or an earlier one."""
        return cls(**{_RENAMED.get(name, name): value for name, value in values.items()})
