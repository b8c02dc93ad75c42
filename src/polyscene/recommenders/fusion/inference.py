"""The fitted fusion network in numpy: answers without torch, with the numbers of `network.FusionNetwork`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from polyscene.core.types import Arrays, FloatArray
from polyscene.recommenders.fusion.features import Block

VIEWS = 3
MAX_SCALED_SCORE = 6.0
MAX_DEVIATION = 4.0
LOG_GAIN = 5.0


@dataclass(frozen=True)
class FusionWeights:
    """What the network learned; see `network.FusionNetwork` for the formula.

    Attributes:
        arrays: by the names of the network's state.
        n_signals: K.
        n_scenarios: size of the scenario's one-hot code.
    """

    arrays: Arrays
    n_signals: int
    n_scenarios: int

    @property
    def hidden(self) -> int:
        """The width of the thin layer."""
        return int(self.arrays["seen.weight"].shape[0])

    @classmethod
    def of(cls, arrays: Arrays) -> Self:
        """Build from the network's state; sizes follow from the arrays."""
        additive, context = len(arrays["base"]), len(arrays["context_mean"])
        n_signals = (additive - 5) // VIEWS
        return cls(arrays, n_signals, context - 3 - n_signals)

    def logits(self, block: Block, scenario: int) -> FloatArray:
        """Return (B, C) logits; the user's context may have one row for all."""
        w = self.arrays
        seen = views(block)  # (B, F, C)
        code = np.zeros((len(block.user), self.n_scenarios), np.float32)
        code[:, scenario] = 1.0
        context = (np.concatenate([block.user, code], axis=1) - w["context_mean"]) / w["context_spread"]
        context = np.clip(context, -MAX_DEVIATION, MAX_DEVIATION)  # (B, U)
        inner = np.tanh(context @ w["gate_in.weight"].T + w["gate_in.bias"])
        gates = w["base"] + inner @ w["gate_out.weight"].T + w["gate_out.bias"]  # (B, F)
        around = context @ w["around.weight"].T + w["around.bias"] + w["seen.bias"]  # (B, H)
        hidden = np.matmul(w["seen.weight"], seen)  # (B, H, C)
        hidden += around[:, :, None]
        np.maximum(hidden, 0.0, out=hidden)
        logits: FloatArray = (
            np.matmul(gates[:, None, :], seen)[:, 0] + np.matmul(w["out.weight"], hidden)[:, 0]
        )
        return logits

    def signal_weights(self) -> FloatArray:
        """Return (K,) the additive weight of every signal: its views' base weights summed."""
        weights: FloatArray = self.arrays["base"][: VIEWS * self.n_signals].reshape(VIEWS, -1).sum(axis=0)
        return weights


def views(block: Block) -> FloatArray:
    """Return (B, F, C): three views of every signal, then the facts about items and pairs."""
    scaled = block.signals
    requests, n_signals, width = scaled.shape
    facts = block.item.shape[2] + block.pair.shape[2]
    seen = np.empty((requests, VIEWS * n_signals + facts, width), np.float32)
    np.clip(scaled, -MAX_SCALED_SCORE, MAX_SCALED_SCORE, out=seen[:, :n_signals])
    np.log1p(LOG_GAIN * np.maximum(scaled, 0.0), out=seen[:, n_signals : 2 * n_signals])
    share = seen[:, 2 * n_signals : 3 * n_signals]
    np.divide(scaled, block.peaks[:, :, None], out=share)
    np.clip(share, -1.0, 1.0, out=share)
    rest = seen[:, 3 * n_signals :]
    rest[:, : block.item.shape[2]] = block.item.transpose(0, 2, 1)
    rest[:, block.item.shape[2] :] = block.pair.transpose(0, 2, 1)
    return seen
