"""The choices a fusion learns from, as a trainer wants them.

For each choice the softmax runs over the whole catalogue where that is small. Where it is large it runs over
every signal's best candidates exactly, and over a uniform sample of the rest with importance weights, so
that the partition function stays unbiased: `Z ≈ Σ_best e^l + (|rest| / m) Σ_sample e^l`. Plain sampled
negatives would teach the network to distrust the best signal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import Parameter

from polyscene.core.types import BoolArray, FloatArray, IntArray
from polyscene.data.queries import Choices, Queries
from polyscene.recommenders.fusion.features import Block, Features, Signals
from polyscene.recommenders.fusion.network import FusionNetwork, TorchBlock

BEST = 100
SAMPLED = 300
BATCH = 128
BUILD = 64

Reread = Callable[[FloatArray, Queries], FloatArray]


@dataclass(frozen=True)
class Example:
    """One choice among C candidates; the chosen one stands first.

    Attributes:
        signals: (K, C) scores, half precision.
        facts: (C, 5) item and pair facts, half precision.
        peaks, user: as in `Block`, one row.
        log_weights: (C,) log importance weights.
    """

    signals: FloatArray
    facts: FloatArray
    peaks: FloatArray
    user: FloatArray
    log_weights: FloatArray


class FusionLearner:
    """Implements `core.contracts.Trainable` for one scenario; several may share one network."""

    def __init__(
        self,
        network: FusionNetwork,
        scenario: int,
        training: Sequence[Example],
        held_out: Sequence[Example],
    ) -> None:
        self.network, self._scenario = network, scenario
        self._training, self._held_out = training, held_out

    def parameters(self) -> Iterator[Parameter]:
        """Return the network's parameters."""
        return self.network.parameters()

    def batches(self, generator: np.random.Generator) -> Iterator[list[Example]]:
        """Yield all choices once in a fresh order."""
        order = generator.permutation(len(self._training))
        for start in range(0, len(order), BATCH):
            yield [self._training[row] for row in order[start : start + BATCH]]

    def logits(self, batch: list[Example]) -> Tensor:
        """Return (B, C) logits plus log-weights, the choice in column 0."""
        block, log_weights = _padded(batch)
        tensors = TorchBlock(block, self._scenario, self.network.n_scenarios)
        logits: Tensor = self.network(tensors) + torch.from_numpy(log_weights)
        return logits

    def validate(self) -> float:
        """Return the mean loss over the choices held out."""
        total = 0.0
        with torch.inference_mode():
            for start in range(0, len(self._held_out), BATCH):
                logits = self.logits(list(self._held_out[start : start + BATCH]))
                total += float(torch.logsumexp(logits, dim=1).sum() - logits[:, 0].sum())
        return total / max(len(self._held_out), 1)

    def weights(self) -> Mapping[str, Tensor]:
        """Return a copy of the network's state."""
        return {name: value.detach().clone() for name, value in self.network.state_dict().items()}

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Put a state back."""
        self.network.load_state_dict(dict(weights))


def examples(
    features: Features,
    signals: Signals,
    choices: Choices,
    full: bool,
    generator: np.random.Generator,
    hide_seen: bool,
    reread: Reread | None = None,
) -> Iterator[list[Example]]:
    """Yield the choices as examples, in lists of at most 64.

    Args:
        full: let the softmax run over the whole catalogue.
        hide_seen: whether what the user already had is no candidate.
        reread: takes a second look at (B, K, n) scaled scores of B requests.
    """
    for rows, queries in choices.queries.blocks(BUILD):
        block = features.block(signals, queries)
        if reread is not None:
            block = replace(block, signals=reread(block.signals, queries))
        open_ = ~features.closed(queries, hide_seen)
        target = choices.target[rows]
        yield [
            _example(block, row, int(target[row]), open_[row], full, generator) for row in range(len(target))
        ]


def _example(
    block: Block, row: int, target: int, open_: BoolArray, full: bool, generator: np.random.Generator
) -> Example:
    candidates, log_weights = _candidates(block.signals[row], target, open_, full, generator)
    facts = np.concatenate([block.item[0, candidates], block.pair[row, candidates]], axis=1)
    return Example(
        np.clip(block.signals[row][:, candidates], -6e4, 6e4).astype(np.float16),
        facts.astype(np.float16),
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
    scores = signals[:, others]  # (K, n)
    best = np.zeros(len(others), bool)
    best[torch.topk(torch.from_numpy(scores), BEST, dim=1, sorted=False).indices.numpy()] = True
    rest = np.flatnonzero(~best)
    sample = generator.choice(rest, min(SAMPLED, len(rest)), replace=False)
    chosen = np.concatenate([[target], others[best], others[sample]])
    log_weights = np.zeros(len(chosen), np.float32)
    if len(sample):
        log_weights[-len(sample) :] = np.log(len(rest) / len(sample))
    return chosen.astype(np.int32), log_weights


def _padded(batch: list[Example]) -> tuple[Block, FloatArray]:
    """Stack examples of different length; what is padded has log-weight -inf."""
    longest = max(len(example.log_weights) for example in batch)
    n_signals, n_facts = len(batch[0].signals), batch[0].facts.shape[1]
    signals = np.zeros((len(batch), n_signals, longest), np.float32)
    facts = np.zeros((len(batch), longest, n_facts), np.float32)
    log_weights = np.full((len(batch), longest), -np.inf, np.float32)
    for row, example in enumerate(batch):
        size = len(example.log_weights)
        signals[row, :, :size] = example.signals
        facts[row, :size] = example.facts
        log_weights[row, :size] = example.log_weights
    peaks = np.stack([example.peaks for example in batch])
    user = np.stack([example.user for example in batch])
    return Block(signals, peaks, user, facts[:, :, :-2], facts[:, :, -2:]), log_weights
