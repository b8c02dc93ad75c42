"""How much each part of an item's description counts beside its text: α, learned from held-out choices.

A choice is explained by `p(i) = softmax_i(Σ_p θ_p cos_p(u, i))`: a person's taste and the item, compared part
by part. θ is the mode under a normal prior around 0, so that few choices leave it near 0 and many do not
(MacKay, Neural Computation 1992); `α_p = θ_p / θ_text`. A part stays only where its θ is surely above 0, and
all of them only where they explain choices of people whom they have not learned from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyscene.core.seeds import generator
from polyscene.core.types import BoolArray, FloatArray, LongArray
from polyscene.data.queries import Choices
from polyscene.data.splits.phases import Phase
from polyscene.evaluation.significance import Interval, bootstrap_interval
from polyscene.learning.content_judge import judged_choices
from polyscene.learning.training_data import TrainingData
from polyscene.recommenders.fusion.features import Features
from polyscene.representation.description import TEXT
from polyscene.representation.items import unit
from polyscene.representation.users import taste

MIN_CHOICES = 30
"""With fewer held-out choices nothing counts but the text."""
OTHERS = 500
"""A choice stands against so many items of the catalogue."""
PRECISION = 1.0
"""Of the prior around 0, for every part but the text: worth about as much as a dozen choices."""
TEXT_PRECISION = 1e-3
SURE = 1.96
"""A part's θ is so many of its standard deviations above 0."""
MAX_WEIGHT = 16.0
"""Of a part beside the text, where texts tell next to nothing."""
STEPS = 30
CLOSE_ENOUGH = 1e-6
BLOCK = 256
UNKNOWN = Interval(0.0, float("nan"), float("nan"))
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class PartWeights:
    """What held-out choices say of the parts.

    Attributes:
        weights: α by part, those that count.
        gain: of the log-probability of a choice, by weights that other people's choices taught, over the
            text alone; its interval is over people.
        choices: that told it.
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    gain: Interval = UNKNOWN
    choices: int = 0

    def facts(self) -> dict[str, Any]:
        """Return what a run's manifest says."""
        known = self.gain.known
        bounds = [self.gain.low, self.gain.high] if known else None
        return {
            "weights": dict(self.weights),
            "gain": self.gain.mean,
            "bounds": bounds,
            "choices": self.choices,
        }


def part_weights(
    data: TrainingData, name: str, blocks: Mapping[str, FloatArray], decay: float
) -> PartWeights:
    """Return how much the parts of a scenario's items count beside their text.

    Args:
        name: of the scenario.
        blocks: by part (n_items, d) unit vectors that have not learned from the held-out choices, the text
            first, under `TEXT`; a zero row is missing.
        decay: what an event still counts in a person's taste after each later one.
    """
    held = judged_choices(data, name)
    table = compared(data, name, held, blocks, decay) if len(held) >= MIN_CHOICES else None
    if table is None or len(table) < MIN_CHOICES:
        return PartWeights(choices=0 if table is None else len(table))
    theta, kept = surely_above_zero(table)
    if not kept.any():
        return PartWeights(choices=len(table))
    gain = cross_fitted_gain(table, kept, generator(data.seed, "parts", name))
    if not gain.low > 0:
        return PartWeights(gain=gain, choices=len(table))
    return PartWeights(_beside_text(theta, list(blocks)), gain, len(table))


@dataclass(frozen=True)
class ComparedParts:
    """Choices among other items, compared part by part.

    Attributes:
        cosines: (N, C, P) of each candidate, the chosen one first; the text is the first part.
        open_: (N, C) which candidates there were.
        people: (N,) codes.
    """

    cosines: FloatArray
    open_: BoolArray
    people: LongArray

    def __len__(self) -> int:
        return len(self.people)

    def pick(self, rows: BoolArray, parts: BoolArray | None = None) -> ComparedParts:
        """Return some choices and parts."""
        cosines = self.cosines[rows] if parts is None else self.cosines[rows][:, :, parts]
        return ComparedParts(cosines, self.open_[rows], self.people[rows])


def compared(
    data: TrainingData, name: str, held: Choices, blocks: Mapping[str, FloatArray], decay: float
) -> ComparedParts:
    """Compare people's tastes with what they chose and with other items that they could have chosen.

    Choices of people without a history tell nothing of parts and are left out. What an item lacks is taken
    to be what the candidates have in the mean.
    """
    features = Features.of(data.evidence(name, Phase.PAST))
    draws = generator(data.seed, "others", name)
    held = held.pick(np.flatnonzero(held.queries.history.lengths > 0))
    cosines, opens = (
        [np.zeros((0, OTHERS + 1, len(blocks)), np.float32)],
        [np.zeros((0, OTHERS + 1), np.bool_)],
    )
    for rows, queries in held.queries.blocks(BLOCK):
        target = held.target[rows].astype(np.int64)
        others = np.sort(draws.choice(len(features), min(OTHERS, len(features)), replace=False))
        open_ = np.zeros((len(target), OTHERS + 1), np.bool_)
        open_[:, 0] = True
        closed = features.closed(queries, data.hide_seen[name])[:, others]
        open_[:, 1 : len(others) + 1] = ~closed & (others != target[:, None])
        parts = [
            _cosines(taste(queries.history, vectors, decay), vectors, target, others, open_)
            for vectors in blocks.values()
        ]
        cosines.append(np.stack(parts, axis=2))
        opens.append(open_)
    people = held.queries.user.astype(np.int64)
    return ComparedParts(np.concatenate(cosines), np.concatenate(opens), people)


def _cosines(
    tastes: FloatArray, vectors: FloatArray, target: LongArray, others: LongArray, open_: BoolArray
) -> FloatArray:
    """Return (b, C) cosines of (b, d) tastes with the chosen items and others; see `compared`."""
    users = unit(tastes)
    cosines = np.zeros(open_.shape, np.float32)
    cosines[:, 0] = np.einsum("bd,bd->b", users, vectors[target])
    cosines[:, 1 : len(others) + 1] = users @ vectors[others].T
    has = np.any(vectors != 0, axis=1)
    there = open_.copy()
    there[:, 0] = has[target]
    there[:, 1 : len(others) + 1] &= has[others]
    usual = (cosines * there).sum(axis=1, keepdims=True) / np.maximum(there.sum(axis=1, keepdims=True), 1)
    filled: FloatArray = np.where(there, cosines, usual)
    return filled


def surely_above_zero(table: ComparedParts) -> tuple[Numbers, BoolArray]:
    """Return (P,) θ, and which parts beside the text stay: the least sure one goes until all are sure."""
    kept = np.ones(table.cosines.shape[2], np.bool_)
    every = np.ones(len(table), np.bool_)
    while True:
        some, deviations = fitted(table.pick(every, kept))
        theta, sureness = np.zeros(len(kept)), np.full(len(kept), np.inf)
        theta[kept], sureness[kept] = some, some / deviations
        sureness[0] = np.inf
        least = int(np.argmin(sureness))
        if sureness[least] >= SURE:
            kept[0] = False
            return theta, kept
        kept[least] = False


def fitted(table: ComparedParts) -> tuple[Numbers, Numbers]:
    """Return (P,) θ at the mode, the text first, and their standard deviations there.

    Newton's steps, halved until each leads upwards.
    """
    n_parts = table.cosines.shape[2]
    precision = np.full(n_parts, PRECISION)
    precision[0] = TEXT_PRECISION
    theta = np.zeros(n_parts)
    value, slope, curvature = _posterior(table, theta, precision)
    for _ in range(STEPS):
        step = np.linalg.solve(curvature, slope)
        for _ in range(STEPS):
            new = _posterior(table, theta + step, precision)
            if new[0] >= value:
                break
            step = step / 2
        gain = new[0] - value
        if gain < CLOSE_ENOUGH * len(table):
            break
        theta = theta + step
        value, slope, curvature = new
    return theta, np.sqrt(np.diag(np.linalg.inv(curvature)))


def log_probabilities(table: ComparedParts, theta: Numbers) -> Numbers:
    """Return (N,) log-probabilities of the choices."""
    return np.log(_probabilities(table, theta)[:, 0])


def _probabilities(table: ComparedParts, theta: Numbers) -> Numbers:
    logits = np.where(table.open_, table.cosines @ theta, -np.inf)
    logits -= logits.max(axis=1, keepdims=True)
    powers = np.exp(logits)
    probabilities: Numbers = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def _posterior(table: ComparedParts, theta: Numbers, precision: Numbers) -> tuple[float, Numbers, Numbers]:
    """Return the log-posterior up to a constant, its slope, and minus its curvature."""
    probabilities = _probabilities(table, theta)
    means = np.einsum("nc,ncp->np", probabilities, table.cosines)
    slope = (table.cosines[:, 0] - means).sum(axis=0) - precision * theta
    curvature = np.diag(precision) - means.T @ means
    for start in range(0, len(table), BLOCK):  # one part of the table at a time
        some = table.cosines[start : start + BLOCK].astype(np.float64)
        curvature += np.einsum(
            "nc,ncp,ncq->pq", probabilities[start : start + BLOCK], some, some, optimize=True
        )
    value = float(np.log(probabilities[:, 0]).sum() - 0.5 * precision @ theta**2)
    return value, slope, curvature


def cross_fitted_gain(table: ComparedParts, kept: BoolArray, draws: np.random.Generator) -> Interval:
    """Return what parts add to the log-probability of choices by people whom they have not learned from.

    Args:
        kept: (P,) which parts, the text apart.
    """
    people = np.unique(table.people)
    half = np.isin(table.people, draws.permutation(people)[: len(people) // 2])
    parts = kept.copy()
    parts[0] = True
    text = np.zeros(len(kept), np.bool_)
    text[0] = True
    gains = np.zeros(len(table))
    for learned in (half, ~half):
        if not learned.any() or learned.all():
            return UNKNOWN
        with_parts, without = (
            log_probabilities(table.pick(~learned, some), fitted(table.pick(learned, some))[0])
            for some in (parts, text)
        )
        gains[~learned] = with_parts - without
    return bootstrap_interval(gains, table.people)


def _beside_text(theta: Numbers, names: Sequence[str]) -> dict[str, float]:
    """Return α of the parts that count."""
    text = max(theta[names.index(TEXT)], theta.max() / MAX_WEIGHT)
    return {
        name: float(one / text) for name, one in zip(names, theta, strict=True) if name != TEXT and one > 0
    }
