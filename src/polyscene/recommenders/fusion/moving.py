"""Weights that move with the stream: a layer over the fitted network, served as far as evidence carries it.

The layer adds `w · x` to a candidate's logit, with x the network's own additive features, so that moved
weights are the fitted ones plus w. Every so-manyth choice teaches it, before anything else learns the event;
whether it is served, and how much, is decided by how well it foretold the choices that came.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Self

import numpy as np
from numpy.typing import NDArray

from polyscene.core.arrays import Arrays
from polyscene.core.clock import HOUR
from polyscene.core.types import FloatArray
from polyscene.data.queries import Histories, Queries
from polyscene.recommenders.abilities import Observation

DoubleArray = NDArray[np.float64]

KEEP = 0.998
"""What a choice still teaches after the next: about the latest 500 count."""
PRIOR = 50.0
"""The fitted weights count like so many choices that say the same as they do."""
STEP = 0.05
"""One choice changes the candidates' logits by so much at most, as a standard deviation."""
REACH = 0.5
"""All choices of an hour together, at most; where times are only an order, of `SPAN` choices."""
SPAN = 100
APART = 50
"""Between two choices of one user that are learned lie so many learned choices, at least."""
MEMORY = 0.995
"""What a choice is still worth as evidence after the next one."""
MAX_SURPRISE = 1.0
"""One choice speaks for one side or the other by so many nats at most."""
MAX_EVIDENCE = 6.0
DOUBT = -3.0
"""The logarithm of the odds, before any evidence, that moved weights do better."""
SURE = 0.5
"""With less than this probability nothing of the layer is served."""
TINY = 1e-9


class MovingWeights:
    """A Bayesian layer of F weights with mean 0 at first, and the evidence for it.

    One choice is a step of online Newton on the softmax over its candidates, with the covariance of the
    features under the softmax as information and a Gaussian prior at the fitted weights; both forget. The
    weight of the moved side is its posterior probability in a mixture of the two, by their discounted log
    losses of choices that neither had learned; below `SURE` it is 0.

    Source: E. Hazan, A. Agarwal, S. Kale, Logarithmic regret algorithms for online convex optimization, 2007;
    M. Raftery, M. Karny, P. Ettler, Online prediction under model uncertainty via dynamic model averaging,
    2010, for forgetting.

    Args:
        size: F.
        every: each so-manyth choice teaches.
    """

    def __init__(self, size: int, every: int) -> None:
        self.every = every
        self.mean: DoubleArray = np.zeros(size)
        self.information: DoubleArray = np.zeros((size, size))
        self.variances: DoubleArray = np.zeros(size)
        self.users = np.full(APART, -1, np.int64)
        self.evidence, self.moved = 0.0, 0.0
        self.met, self.learned, self.span = 0, 0, -1

    @property
    def share(self) -> float:
        """Return how much of the layer is served, in [0, 1]."""
        share = 1.0 / (1.0 + math.exp(-(self.evidence + DOUBT)))
        return share if share >= SURE else 0.0

    @property
    def note(self) -> str:
        """Return what is to be told of it."""
        return f"moved weights carry {self.share:.2f} after {self.learned:,} choices"

    def due(self, user: int) -> bool:
        """Count a choice, and return whether it is to be learned from."""
        self.met += 1
        return self.met % self.every == 0 and user not in self.users

    def learn(
        self, features: FloatArray, logits: FloatArray, chosen: int, user: int, time: int | None
    ) -> None:
        """Learn one choice.

        Args:
            features: (F, C) of the candidates.
            logits: (C,) by the fitted weights.
            chosen: place of the chosen one.
            time: in microseconds; None: only the order is known.
        """
        x = features.astype(np.float64)
        standing = _softmax(logits.astype(np.float64))
        moved = _softmax(logits + self.mean @ x)
        gain = math.log(moved[chosen] + TINY) - math.log(standing[chosen] + TINY)
        surprise = min(max(gain, -MAX_SURPRISE), MAX_SURPRISE)
        evidence = MEMORY * self.evidence + surprise
        self.evidence = min(max(evidence, -MAX_EVIDENCE), MAX_EVIDENCE)
        self.users[self.learned % APART] = user
        self.learned += 1
        self._step(x, moved, chosen, self.learned // SPAN if time is None else time // HOUR)

    def _step(self, x: DoubleArray, shares: DoubleArray, chosen: int, span: int) -> None:
        centred = x - (x @ shares)[:, None]
        covariance = (centred * shares) @ centred.T
        rate = max(1.0 / self.learned, 1.0 - KEEP)
        self.variances += rate * (np.diag(covariance) - self.variances)
        self.information = KEEP * self.information + covariance
        prior = PRIOR * (self.variances + TINY)
        slope = centred[:, chosen] - (1.0 - KEEP) * prior * self.mean
        step = np.linalg.solve(self.information + np.diag(prior), slope)
        length = math.sqrt(max(float(step @ covariance @ step), 0.0))
        if span > self.span:
            self.span, self.moved = span, 0.0
        room = min(STEP, REACH - self.moved)
        if length > room:
            step *= room / length
        self.mean = self.mean + step
        self.moved += min(length, room)

    def state(self) -> Arrays:
        """Return everything that `restore` needs."""
        return {
            "mean": self.mean.copy(),
            "information": self.information.copy(),
            "variances": self.variances.copy(),
            "users": self.users.copy(),
            "evidence": np.array([self.evidence, self.moved]),
            "counts": np.array([self.every, self.met, self.learned, self.span], np.int64),
        }

    @classmethod
    def restore(cls, state: Mapping[str, NDArray[np.generic]]) -> Self:
        """Build from `state`."""
        every, met, learned, span = (int(one) for one in state["counts"].tolist())
        layer = cls(len(state["mean"]), every)
        for name in ("mean", "information", "variances", "users"):
            setattr(layer, name, np.array(state[name]))
        layer.evidence, layer.moved = (float(one) for one in state["evidence"].tolist())
        layer.met, layer.learned, layer.span = met, learned, span
        return layer


def query_before(event: Observation) -> Queries:
    """Return the request of an event's user right before it; what they do elsewhere is not told."""
    times = np.zeros(0, np.int64) if event.past_times is None else event.past_times
    past = Histories(np.array([0, len(event.past)]), event.past, times, event.past_weights)
    nothing = Histories(np.zeros(2, np.int64), event.past[:0], times[:0], event.past_weights[:0])
    elsewhere: Mapping[str, Histories] = defaultdict(lambda: nothing)
    return Queries(np.array([event.user], np.int32), np.array([event.time], np.int64), past, elsewhere)


def teaches(event: Observation) -> bool:
    """Return whether an event is its user's latest, and the first of its moment."""
    times = event.past_times
    return times is not None and not len(event.later) and not (len(times) and times[-1] >= event.time)


def _softmax(logits: DoubleArray) -> DoubleArray:
    shares: DoubleArray = np.exp(logits - logits.max())
    shares /= shares.sum()
    return shares
