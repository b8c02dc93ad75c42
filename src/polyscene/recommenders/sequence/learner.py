"""Sequences as a trainer wants them: batches of windows, a softmax over the catalogue, held-out choices."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import Parameter

from polyscene.core.types import LongArray
from polyscene.recommenders.sequence.beside import Beside, Other
from polyscene.recommenders.sequence.network import SequenceNetwork
from polyscene.recommenders.sequence.windows import Windows

BATCH, MIN_BATCH = 1024, 32
"""About so many choices are learned from in a step: at most, and at least."""
STEPS = 16
"""An epoch has about so many steps or more, where that leaves them choices enough."""
JUDGED, SCORES = 128, 2**23
"""So many held-out choices are ranked together at most, and so many of their scores held."""


class SequenceLearner:
    """One scenario's windows, and the network that learns to predict what followed.

    The softmax runs over the whole catalogue where that has at most `negatives` items. Where it has more,
    half of these are the most chosen items, which always take part, and half a uniform sample of the rest
    with importance weights, so that the sum stays unbiased:
    `Z ≈ e^l_t + Σ_head e^l + (|rest| / m) Σ_sample e^l`.

    Args:
        training: to learn from.
        held_out: choices to validate on, a window each.
        counts: (n,) how often each item is chosen.
        negatives: so many others stand against a choice.
        others: scenarios of which is known what the windows' users did there.
    """

    def __init__(
        self,
        network: SequenceNetwork,
        training: Windows,
        held_out: Windows,
        counts: LongArray,
        negatives: int,
        others: Mapping[str, Other] | None = None,
    ) -> None:
        self._others = others or {}
        self.network, self._training, self._held_out = network, training, held_out
        order = np.argsort(-counts, kind="stable")
        n_head = len(order) if len(order) <= negatives else negatives // 2
        self._head, self._rest = order[:n_head], order[n_head:]
        self._n_sampled = negatives - n_head if len(self._rest) else 0
        self._chance = np.random.default_rng(0)

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yield the network's parameters."""
        yield from self.network.named_parameters()

    def batches(self, generator: np.random.Generator) -> Iterator[LongArray]:
        """Yield all windows once, those of about the same length together, the batches in a fresh order."""
        lengths = self._training.lengths
        order = np.argsort(lengths + generator.uniform(0, 3, len(lengths)), kind="stable")
        taught = np.cumsum(np.diff(self._training.choice_offsets)[order])
        size = min(max(len(self._training) // STEPS, MIN_BATCH), BATCH)
        cuts = np.searchsorted(taught, np.arange(size, len(self._training), size))
        batches = [rows for rows in np.split(order, cuts) if len(rows)]
        self._chance = np.random.default_rng(int(generator.integers(2**63)))
        yield from (batches[place] for place in generator.permutation(len(batches)))

    def loss(self, batch: LongArray) -> Tensor:
        """Return the weighted mean cross-entropy of what followed."""
        self.network.train()
        windows = self._training.pick(batch)
        sample = self._chance.choice(self._rest, self._n_sampled, replace=False, shuffle=False)
        others = np.concatenate([self._head, sample])
        table = windows.padded()
        rows, place = np.unique(np.concatenate([table.ravel(), windows.target, others]), return_inverse=True)
        vectors = self.network.items(torch.from_numpy(rows))  # (m, d)
        places = torch.from_numpy(place)
        before, target, against = torch.split(places, [table.size, len(windows), len(others)])
        users = self._users(vectors[before].view(*table.shape, -1), windows)  # (T, d)
        logits = users @ vectors[against].T  # (T, C)
        if len(sample):
            logits[:, len(self._head) :] += math.log(len(self._rest) / len(sample))
        logits = logits.masked_fill(target[:, None] == against, -torch.inf)
        chosen = (users * vectors[target]).sum(dim=1, keepdim=True)
        losses = torch.logsumexp(torch.cat([chosen, logits], dim=1), dim=1) - chosen[:, 0]
        weight = torch.from_numpy(windows.weight)
        return (weight * losses).sum() / weight.sum()

    def validate(self) -> float:
        """Return minus the mean NDCG, without a cutoff, of the held-out choices; what was had is no rival."""
        self.network.eval()
        total = 0.0
        with torch.inference_mode():
            vectors = self.network.items(torch.arange(len(self.network.own)))
            some = min(max(SCORES // len(vectors), 1), JUDGED)
            for start in range(0, len(self._held_out), some):
                rows = np.arange(start, min(start + some, len(self._held_out)))
                total += float(self._gains(self._held_out.pick(rows), vectors).sum())
        return -total / len(self._held_out) if len(self._held_out) else math.nan

    def _gains(self, windows: Windows, vectors: Tensor) -> Tensor:
        table = torch.from_numpy(windows.padded()).long()
        scores = self._users(vectors[table], windows) @ vectors.T  # (T, n)
        target = torch.from_numpy(windows.target).long()[:, None]
        wanted = scores.gather(1, target)
        window = np.repeat(np.arange(len(windows.lengths)), windows.lengths)
        scores[torch.from_numpy(window), torch.from_numpy(windows.items).long()] = -torch.inf
        rank = (scores > wanted).sum(dim=1) + 1.0
        return 1.0 / torch.log2(1.0 + rank)

    def _users(self, x: Tensor, windows: Windows) -> Tensor:
        at = windows.row * x.shape[1] + windows.place
        beside = None
        if self._others:
            events = Beside.of(windows.elsewhere, self._others, len(x))
            beside = self.network.beside(events, windows.padded(windows.times), windows.padded(windows.until))
        return self.network.users(x, torch.from_numpy(at), beside)

    def weights(self) -> Mapping[str, Tensor]:
        """Return a copy of the network's state."""
        return {name: value.detach().clone() for name, value in self.network.state_dict().items()}

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Put a state back."""
        self.network.load_state_dict(dict(weights))
