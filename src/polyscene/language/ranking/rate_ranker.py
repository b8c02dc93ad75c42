"""Which of several texts will be clicked most, learned from randomised tests of other texts.

    log rate of text i in test t = level_t + f(x_i) + ε_i

x_i is what language models make of the text, level_t the test's own, normal and shared by its texts, and ε_i
normal: what counting adds and what the text does not tell. f is a Gaussian process: texts that read alike are
clicked alike (see `text_kernel.py`; f(x) = φ(x) · β, β normal around 0), so this is a mixed model (Robinson,
That BLUP is a good thing, Statistical Science 1991). How near texts must be to be alike, how strongly β is
held, how far guesses are to be trusted and what they leave open is all taken from tests held out of the
learning.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy.linalg import cho_factor, cho_solve

from polyscene.core.errors import DataError, ModelError, Problem
from polyscene.core.seeds import generator
from polyscene.core.text import shown
from polyscene.core.types import FloatArray, LongArray
from polyscene.language.ranking.text_kernel import TextKernel
from polyscene.language.ranking.text_tests import TextTests, centred, means

Values = NDArray[np.float64]

TextReader = Callable[[Sequence[str]], Sequence[FloatArray]]
"""Texts to blocks of features, each (n, width); see `layer_reader.LayerReader`."""

WIDTHS = (0.5, 0.7, 1.0, 2.0)
"""Features of a text have length 1, so that two that have nothing in common are √2 apart."""
RIDGES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
LANDMARKS = 1500
FOLDS = 4
FILES = ("rate_ranker.json", "rate_ranker.safetensors")


@dataclass(frozen=True)
class RatePrior:
    """What is known of log click rates before anything was shown.

    Attributes:
        level, level_spread: mean and standard deviation of a test's level.
        spread: standard deviation of a text's own part, where its words are not looked at.
        left: of the same, what a guess from the words leaves.
        width: how near texts must be to be alike.
        ridge: how strongly β is held; the precision of its prior.
        slope: what guesses are multiplied by.
    """

    level: float
    level_spread: float
    spread: float
    left: float
    width: float
    ridge: float
    slope: float


class RateRanker:
    """Orders the texts of a test by the click rates that their words promise.

    Args:
        reader: of texts.

    Attributes:
        prior: what a bandit may start from; None before `fit`.
        held_out: (n,) what was expected of each text of the last `fit` by those who had not seen its test.
    """

    def __init__(self, reader: TextReader) -> None:
        self.reader = reader
        self.prior: RatePrior | None = None
        self.held_out: Values = np.zeros(0)
        self._mean, self._weights = np.zeros(0), np.zeros(0)
        self._kernel = TextKernel(np.zeros((0, 0)), 1.0)

    def fit(self, tests: TextTests) -> Self:
        """Learn from tests.

        Raises:
            DataError: there are fewer than four tests of two texts.
        """
        if np.sum(np.bincount(tests.test) > 1) < FOLDS:
            expected = f"at least {FOLDS} tests of two texts or more"
            raise DataError(
                Problem("there is too little to learn from", expected, "fewer", "give more tests")
            )
        blocks = [np.asarray(block, np.float64) for block in self.reader(tests.texts)]
        self._mean = np.concatenate([block.mean(axis=0) for block in blocks])  # (d,)
        features, levels = self._features(blocks), tests.levels
        plain = tests.spread(np.zeros(len(tests.texts)))
        trials = [
            _Trial.of(kernel, tests, kernel.likeness(features), plain**2)
            for kernel in (TextKernel.over(features, width, LANDMARKS, generator(0)) for width in WIDTHS)
        ]
        best = min(trials, key=lambda trial: trial.loss)
        self._kernel, self._weights, self.held_out = best.kernel, best.weights, best.held_out
        spreads = float(levels.std()), plain, tests.spread(best.held_out)
        self.prior = RatePrior(float(levels.mean()), *spreads, best.kernel.width, best.ridge, best.slope)
        return self

    def lead(self, texts: Sequence[str], test: LongArray) -> Values:
        """Return (n,) how far each text's log rate is expected to lie above the mean of its test.

        Args:
            texts: n texts.
            test: (n,) which are tested together: codes from 0 without a gap, ascending.

        Raises:
            ModelError: nothing was learned yet.
        """
        if self.prior is None:
            raise ModelError("expected a ranker that has learned, found a fresh one; call fit or load first")
        features = self._features([np.asarray(block, np.float64) for block in self.reader(texts)])
        guess = self.prior.slope * (self._kernel.likeness(features) @ self._weights)
        return centred(guess[:, None], test, np.ones(len(guess)))[:, 0]

    def _features(self, blocks: Sequence[Values]) -> Values:
        """Return (n, d) blocks side by side, each less its mean and of length 1 / √(number of blocks)."""
        ends = np.cumsum([block.shape[1] for block in blocks])
        if ends[-1] != len(self._mean):
            raise ModelError(
                f"expected {len(self._mean)} features of a text, found {ends[-1]}; read with the language "
                "models that it learned with"
            )
        shifted = [block - mean for block, mean in zip(blocks, np.split(self._mean, ends[:-1]), strict=True)]
        lengths = [np.maximum(np.linalg.norm(block, axis=1, keepdims=True), 1e-9) for block in shifted]
        units = [block / length for block, length in zip(shifted, lengths, strict=True)]
        return np.asarray(np.hstack(units) / np.sqrt(len(blocks)))

    def save(self, folder: Path) -> None:
        """Write it to `rate_ranker.json` and `rate_ranker.safetensors`; the language models are not in them.

        Raises:
            ModelError: nothing was learned yet.
        """
        if self.prior is None:
            raise ModelError("expected a ranker that has learned, found a fresh one; call fit first")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILES[0]).write_text(json.dumps(asdict(self.prior)), encoding="utf-8")
        arrays = {"mean": self._mean, "weights": self._weights, "landmarks": self._kernel.landmarks}
        save_file(arrays, folder / FILES[1])

    @classmethod
    def load(cls, folder: Path, reader: TextReader) -> Self:
        """Read what `save` wrote.

        Raises:
            ModelError: a file is missing or damaged.
        """
        ranker = cls(reader)
        try:
            values: Mapping[str, Any] = json.loads((folder / FILES[0]).read_text(encoding="utf-8"))
            ranker.prior = RatePrior(**values)
            arrays = load_file(folder / FILES[1])
            ranker._mean, ranker._weights = arrays["mean"], arrays["weights"]
            ranker._kernel = TextKernel(arrays["landmarks"], ranker.prior.width)
        except (OSError, ValueError, TypeError, KeyError, SafetensorError) as error:
            raise ModelError(
                f"expected a rate ranker in {shown(str(folder), 200)}, found {shown(str(error), 200)}; fit "
                "and save it again"
            ) from error
        return ranker


@dataclass(frozen=True)
class _Trial:
    """One kernel, with the ridge under which it foretells held-out tests best.

    Attributes:
        weights: (m,) of the likeness to each landmark.
        slope: what guesses are multiplied by.
        held_out: (n,) guesses by the other folds, times the slope.
        loss: their weighted squared error.
    """

    kernel: TextKernel
    ridge: float
    weights: Values
    slope: float
    held_out: Values
    loss: float

    @classmethod
    def of(cls, kernel: TextKernel, tests: TextTests, likeness: Values, variance: float) -> Self:
        directions = kernel.directions()
        equations = _Equations.of(tests, likeness @ directions, variance, float(tests.levels.var()))
        guesses = {ridge: equations.held_out(ridge) for ridge in RIDGES}
        ridge = min(RIDGES, key=lambda ridge: equations.loss(guesses[ridge]))
        slope = equations.slope(guesses[ridge])
        guess = slope * guesses[ridge]
        return cls(kernel, ridge, directions @ equations.solve(ridge), slope, guess, equations.loss(guess))


@dataclass(frozen=True)
class _Equations:
    """The normal equations of the mixed model, by fold: rows within tests, and one for each test's mean.

    With a level of variance σ² shared by its texts, a test says as much as its texts less their mean, and its
    mean with variance 1 / Σw + σ².

    Attributes:
        within: (n, d) features less their test's mean.
        logs: (n,) log rates alike.
        weights: (n,) w, 1 / variance.
        fold: (n,).
        grams: (FOLDS, d, d), and sums: (FOLDS, d).
    """

    within: Values
    logs: Values
    weights: Values
    fold: LongArray
    grams: Values
    sums: Values

    @classmethod
    def of(cls, tests: TextTests, features: Values, variance: float, level_variance: float) -> Self:
        weights = 1.0 / (tests.counting_variance + variance)
        logs = tests.log_rates[:, None]
        within, own = centred(features, tests.test, weights), centred(logs, tests.test, weights)
        between, level = means(features, tests.test, weights), means(logs, tests.test, weights)
        total = 1.0 / (1.0 / np.bincount(tests.test, weights) + level_variance)  # (T,)
        rows, targets = np.vstack([within, between]), np.concatenate([own, level - level.mean()])[:, 0]
        both = np.concatenate([weights, total])
        fold = np.concatenate([tests.test, np.arange(len(between))]) % FOLDS
        grams, sums = [], []
        for part in range(FOLDS):
            some = rows[fold == part]
            scaled = some.T * both[fold == part]
            grams.append(scaled @ some)
            sums.append(scaled @ targets[fold == part])
        return cls(within, own[:, 0], weights, tests.test % FOLDS, np.stack(grams), np.stack(sums))

    def solve(self, ridge: float, without: int | None = None) -> Values:
        """Return (d,) β, from all folds or from all but one."""
        kept = [part for part in range(FOLDS) if part != without]
        gram = self.grams[kept].sum(axis=0) + ridge * np.eye(self.grams.shape[1])
        return np.asarray(cho_solve(cho_factor(gram), self.sums[kept].sum(axis=0)))

    def held_out(self, ridge: float) -> Values:
        """Return (n,) guesses of each fold by the others."""
        guess = np.zeros(len(self.logs))
        for part in range(FOLDS):
            guess[self.fold == part] = self.within[self.fold == part] @ self.solve(ridge, part)
        return guess

    def loss(self, guess: Values) -> float:
        """Return the weighted squared error of a guess."""
        return float((self.weights * (self.logs - guess) ** 2).sum())

    def slope(self, guess: Values) -> float:
        """Return what a guess is best multiplied by, not below 0."""
        squares = float((self.weights * guess**2).sum())
        return max(float((self.weights * guess * self.logs).sum()) / squares, 0.0) if squares else 0.0
