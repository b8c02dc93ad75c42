"""The choices a fusion learns from, as a trainer wants them.

For each choice the softmax runs over the whole catalogue where that is small. Where it is large it runs over
every signal's best candidates exactly, and over a uniform sample of the rest with importance weights, so
that the partition function stays unbiased: `Z ≈ Σ_best e^l + (|rest| / m) Σ_sample e^l`. Plain sampled
negatives would teach the network to distrust the best signal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from polyscene.core.types import BoolArray, FloatArray, IntArray, LongArray
from polyscene.data.queries import Choices, Queries
from polyscene.recommenders.fusion.features import ITEM_FACTS, NEW, Block, Features, Signals

BEST = 100
SAMPLED = 300
BUILD = 64
LEARNED_AFTER = 8
"""Where signals learn on between choices, so many are looked at before these are learned."""
MAX_HALF = 6e4
"""What half precision holds."""

HalfArray = NDArray[np.float16]

Reread = Callable[[FloatArray, Queries], FloatArray]
Learn = Callable[[int], object]


@dataclass(frozen=True)
class Example:
    """One choice among C candidates; the chosen one stands first.

    Attributes:
        signals: (K, C) scores, half precision.
        facts: (C, F) item and pair facts, half precision.
        peaks, user: as in `Block`, one row.
        log_weights: (C,) log importance weights.
        person: code of the user who chose; -1: not said.
    """

    signals: HalfArray
    facts: HalfArray
    peaks: FloatArray
    user: FloatArray
    log_weights: FloatArray
    person: int = -1


def examples(
    features: Features,
    signals: Signals,
    choices: Choices,
    full: bool,
    generator: np.random.Generator,
    hide_seen: bool,
    reread: Reread | None = None,
    new_share: float = 1.0,
    learn: Learn | None = None,
) -> Iterator[list[Example]]:
    """Yield the choices as examples, in lists of at most 64.

    Args:
        full: let the softmax run over the whole catalogue.
        hide_seen: whether what the user already had is no candidate.
        reread: takes a second look at (B, K, n) scaled scores of B requests.
        new_share: how many of the items without events count as there: of catalogues that do not say since
            when an item is there, those that came later are among the candidates too.
        learn: is called with the first moment of the next list, for the signals to learn what lies before it;
            the choices are then ordered by time.
    """
    for rows, queries in choices.queries.blocks(BUILD if learn is None else LEARNED_AFTER):
        if learn is not None:
            learn(int(queries.time[0]))
        block = features.block(signals, queries)
        if reread is not None:
            block = replace(block, signals=reread(block.signals, queries))
        open_ = ~features.closed(queries, hide_seen)
        target = choices.target[rows]
        yield [
            replace(
                _example(block, row, int(target[row]), open_[row], full, generator, new_share),
                person=int(queries.user[row]),
            )
            for row in range(len(target))
        ]


def _example(
    block: Block,
    row: int,
    target: int,
    open_: BoolArray,
    full: bool,
    generator: np.random.Generator,
    new_share: float,
) -> Example:
    candidates, log_weights = _candidates(block.signals[row], target, open_, full, generator)
    new = block.item[0, candidates[1:], NEW] > 0
    log_weights[1:][new] += np.float32(np.log(new_share))
    return example_among(block, row, candidates, log_weights)


def example_among(block: Block, row: int, candidates: IntArray, log_weights: FloatArray) -> Example:
    """Return a choice among some items.

    Args:
        block: of the whole catalogue.
        row: of the request in it.
        candidates: (C,) codes, the chosen one first.
        log_weights: (C,) what is added to their logits.
    """
    facts = np.concatenate([block.item[0, candidates], block.pair[row, candidates]], axis=1)
    scores = _columns(block.signals[row], candidates).clamp_(-MAX_HALF, MAX_HALF)
    return Example(
        _halved(scores),
        _halved(torch.from_numpy(facts)),
        block.peaks[row],
        block.user[row],
        log_weights,
    )


def _candidates(
    signals: FloatArray, target: int, open_: BoolArray, full: bool, generator: np.random.Generator
) -> tuple[IntArray, FloatArray]:
    others = np.flatnonzero(open_)
    others = others[others != target]
    if full or len(others) <= BEST + SAMPLED:
        chosen = np.concatenate([[target], others])
        return chosen.astype(np.int32), np.zeros(len(chosen), np.float32)
    scores = _columns(signals, others)  # (K, n)
    best = np.zeros(len(others), bool)
    best[torch.topk(scores, BEST, dim=1, sorted=False).indices.numpy()] = True
    rest = np.flatnonzero(~best)
    sample = generator.choice(rest, min(SAMPLED, len(rest)), replace=False)
    chosen = np.concatenate([[target], others[best], others[sample]])
    log_weights = np.zeros(len(chosen), np.float32)
    if len(sample):
        log_weights[-len(sample) :] = np.log(len(rest) / len(sample))
    return chosen.astype(np.int32), log_weights


def _columns(scores: FloatArray, items: IntArray | LongArray) -> Tensor:
    """Return (K, C) of (K, n) scores: torch gathers columns several times as fast as numpy."""
    return torch.from_numpy(scores).index_select(1, torch.from_numpy(items))


def _halved(values: Tensor) -> HalfArray:
    """Return an array in half precision, in numpy's memory: many small ones of torch's leave gaps."""
    halved = np.empty(values.shape, np.float16)
    torch.from_numpy(halved).copy_(values)
    return halved


def padded(batch: list[Example]) -> tuple[Block, FloatArray]:
    """Stack examples of different length; what is padded has log-weight -inf."""
    longest = max(len(example.log_weights) for example in batch)
    n_signals, n_facts = len(batch[0].signals), batch[0].facts.shape[1]
    signals = np.zeros((len(batch), n_signals, longest), np.float32)
    facts = np.zeros((len(batch), longest, n_facts), np.float32)
    log_weights = np.full((len(batch), longest), -np.inf, np.float32)
    wide_signals, wide_facts = torch.from_numpy(signals), torch.from_numpy(facts)
    for row, example in enumerate(batch):  # torch widens half precision much faster than numpy
        size = len(example.log_weights)
        wide_signals[row, :, :size] = torch.from_numpy(example.signals)
        wide_facts[row, :size] = torch.from_numpy(example.facts)
        log_weights[row, :size] = example.log_weights
    peaks = np.stack([example.peaks for example in batch])
    user = np.stack([example.user for example in batch])
    return Block(signals, peaks, user, facts[:, :, :ITEM_FACTS], facts[:, :, ITEM_FACTS:]), log_weights
