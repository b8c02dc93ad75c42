"""Columns of attributes as vectors: labels, several in a cell, places in a tree, and numbers.

Each column is taken stock of once, and what was measured encodes every later item: a new item stands where
training would have put it. What is missing, and a label that training never met, is a zero row: it is told
apart from every value, and never compared.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from polyscene.core.settings.block import Strict
from polyscene.core.types import Attribute, FloatArray

MIN_COUNT = 2
"""A value that fewer have is as good as unknown."""
MAX_VOCABULARY = 5000
OWN_PLACES = 64
"""Up to so many labels have a number of the vector each; more share `SHARED_PLACES`."""
SHARED_PLACES = 128
"""A label's signs over so many numbers look random: two differ by a cosine of 0 ± 0.09."""
KNOTS = 9
"""A number lies between two of so many quantiles, and is told by both."""
MANY_WORDS, ONE_OF_SO_MANY = 1.5, 0.5
"""Cells hold so many words in the mean, out of so few different ones per different cell: they are labels."""
BRANCH = ">"
"""Between the levels of a path, where the settings name no other sign."""
SURELY_PATHS = 0.5
"""Where more cells than this share have a `BRANCH` in them, all are paths."""
_PARTS = re.compile(r"\s*[|;,]\s*")
_STEPS = re.compile(r"\s*[|;]\s*")


class LabelEncoder(Strict):
    """Labels of one column, each with a weight that says how much it tells.

    `a = Σ_label weight(label) e(label)`, with `weight(label) = log(n / n_label)` over the n items that have
    the column: what all have weighs nothing. Of a path every level is a label of its own, so that the deeper
    ones, which fewer have, weigh more. Up to `OWN_PLACES` labels `e` are the axes, beyond that fixed signs.

    Attributes:
        weights: by label, in the order of their axes.
        branch: what parts the levels of a path; None: cells hold labels.
        words: whether spaces part labels.
    """

    kind: Literal["labels"] = "labels"
    weights: dict[str, float]
    branch: str | None = None
    words: bool = False

    @property
    def width(self) -> int:
        """Return how many numbers a vector has."""
        return len(self.weights) if len(self.weights) <= OWN_PLACES else SHARED_PLACES

    def encode(self, cells: Sequence[Attribute]) -> FloatArray:
        """Return (m, width) vectors of m cells; zero where nothing known is said."""
        vectors = np.zeros((len(cells), self.width), np.float32)
        for row, cell in enumerate(cells):
            for label in labels_of(cell, self.branch, self.words):
                if label in self.weights:
                    vectors[row] += np.float32(self.weights[label]) * self._axis(label)
        return vectors

    def unknown(self, cell: Attribute) -> list[str]:
        """Return the labels of a cell that are not known."""
        return [label for label in labels_of(cell, self.branch, self.words) if label not in self.weights]

    @cached_property
    def _axes(self) -> dict[str, FloatArray]:
        if len(self.weights) <= OWN_PLACES:
            return dict(zip(self.weights, np.eye(len(self.weights), dtype=np.float32), strict=True))
        return {}

    def _axis(self, label: str) -> FloatArray:
        if label not in self._axes:
            self._axes[label] = _signs(label)
        return self._axes[label]


class NumberEncoder(Strict):
    """Numbers of one column, each told by the quantiles that it lies between: near numbers are alike.

    Attributes:
        knots: distinct quantiles, ascending; a number outside counts as the nearest.
    """

    kind: Literal["number"] = "number"
    knots: tuple[float, ...]

    @property
    def width(self) -> int:
        """Return how many numbers a vector has."""
        return len(self.knots)

    def encode(self, cells: Sequence[Attribute]) -> FloatArray:
        """Return (m, width) vectors of m cells; zero where there is no number."""
        values = np.array([np.nan if cell is None else float(cell) for cell in cells], np.float64)
        vectors = np.zeros((len(values), self.width), np.float32)
        rows = np.flatnonzero(np.isfinite(values))
        if len(self.knots) < 2:
            return vectors
        knots = np.array(self.knots)
        inside = np.clip(values[rows], knots[0], knots[-1])
        right = np.clip(np.searchsorted(knots, inside), 1, len(knots) - 1)
        share = (inside - knots[right - 1]) / (knots[right] - knots[right - 1])
        vectors[rows, right - 1], vectors[rows, right] = 1.0 - share, share
        return vectors

    def unknown(self, cell: Attribute) -> list[str]:
        """Return nothing: every number lies somewhere."""
        return []


ColumnEncoder = Annotated[LabelEncoder | NumberEncoder, Field(discriminator="kind")]


def encoder_of_labels(cells: Sequence[Attribute], branch: str | None = None) -> LabelEncoder:
    """Take stock of a column of labels.

    Args:
        cells: of all items; several labels in one are parted by `|`, `;` or a comma, by spaces where words
            recur as labels do.
        branch: what parts the levels of a path; None: `BRANCH`, where most cells have it.
    """
    texts = [str(cell) for cell in cells if cell is not None]
    branch = branch or _branch_of(texts)
    words = branch is None and _are_words(texts)
    counts = Counter(label for text in texts for label in labels_of(text, branch, words))
    total = sum(1 for text in texts if labels_of(text, branch, words))
    weights = {
        label: float(np.log(total / counts[label])) for label in vocabulary(counts) if counts[label] < total
    }
    return LabelEncoder(weights=weights, branch=branch, words=words)


def encoder_of_numbers(cells: Sequence[Attribute]) -> NumberEncoder:
    """Take stock of a column of numbers."""
    values = np.array([float(cell) for cell in cells if cell is not None], np.float64)
    values = values[np.isfinite(values)]
    knots = np.unique(np.quantile(values, np.linspace(0.0, 1.0, KNOTS))) if len(values) else values
    return NumberEncoder(knots=tuple(knots.tolist()))


def labels_of(cell: Attribute, branch: str | None = None, words: bool = False) -> list[str]:
    """Return the labels of one cell, each once; of a path every level with those above it."""
    text = "" if cell is None else str(cell)
    if branch is None:
        parts = text.split() if words and not _PARTS.search(text) else values_of(text)
        return list(dict.fromkeys(parts))
    return list(dict.fromkeys(level for path in _STEPS.split(text) for level in _levels(path, branch)))


def values_of(cell: str | None) -> list[str]:
    """Return the values of one cell, parted by `|`, `;` or a comma."""
    return [] if not cell else [part for part in _PARTS.split(cell.strip()) if part]


def vocabulary(counts: Counter[str]) -> list[str]:
    """Return the values that are frequent enough to be known, in the order of the alphabet."""
    return sorted(value for value, count in counts.most_common(MAX_VOCABULARY) if count >= MIN_COUNT)


def _levels(path: str, branch: str) -> Iterable[str]:
    steps = [step.strip() for step in path.split(branch) if step.strip()]
    return (f" {branch} ".join(steps[: depth + 1]) for depth in range(len(steps)))


def _branch_of(texts: Sequence[str]) -> str | None:
    paths = sum(BRANCH in text for text in texts)
    return BRANCH if texts and paths > SURELY_PATHS * len(texts) else None


def _are_words(texts: Sequence[str]) -> bool:
    """Return whether spaces part labels: few words recur in many cells, as they do in no name."""
    if not texts or any(_PARTS.search(text) for text in texts):
        return False
    lengths = [len(text.split()) for text in texts]
    words = {word for text in texts for word in text.split()}
    return bool(np.mean(lengths) >= MANY_WORDS and len(words) <= ONE_OF_SO_MANY * len(set(texts)))


def _signs(label: str) -> FloatArray:
    """Return (`SHARED_PLACES`,) of one length whose signs are the bits of the label's digest."""
    digest = hashlib.blake2b(label.encode("utf-8", "surrogatepass"), digest_size=SHARED_PLACES // 8).digest()
    bits: NDArray[np.uint8] = np.unpackbits(np.frombuffer(digest, np.uint8))
    signs: FloatArray = (bits.astype(np.float32) * 2.0 - 1.0) / np.float32(np.sqrt(SHARED_PLACES))
    return signs
