"""The fitted fusion network in numpy: answers without torch, with the numbers of `network.FusionNetwork`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from polyscene.core.arrays import Arrays
from polyscene.core.types import FloatArray
from polyscene.recommenders.fusion.calibration import Temperatures
from polyscene.recommenders.fusion.features import COUNT, ITEM_FACTS, NEW, PAIR_FACTS, USER_FACTS, Block

VIEWS = 3
FACTS = "facts"
"""Among the arrays: how many facts there are about a user beside the peaks, and a pair; absent: the usual."""
LIFT = "lift"
"""Among the arrays: how far new items are lifted, and how that fades; absent: not, or as `base` has it."""
NO_LIFT = np.zeros(2, np.float32)
TEMPERATURES = "temperatures"
"""Among the arrays: what scores are divided by to become probabilities; absent: that was not measured."""
MAX_SCALED_SCORE = 6.0
MAX_DEVIATION = 4.0
LOG_GAIN = 5.0
IN_CACHE = 2**16
"""So many features are weighed together: they stay in the processor's cache."""


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

    @property
    def lift(self) -> tuple[float, float]:
        """How far items are lifted, and how it fades; see `lift_of`."""
        size, fade = self.arrays.get(LIFT, NO_LIFT).tolist()
        return size, fade

    @classmethod
    def of(cls, arrays: Arrays) -> Self:
        """Build from the network's state; sizes follow from the arrays."""
        additive, context = len(arrays["base"]), len(arrays["context_mean"])
        user_facts, pair_facts = arrays.get(FACTS, np.array([USER_FACTS, PAIR_FACTS])).tolist()
        n_signals = (additive - ITEM_FACTS - pair_facts) // VIEWS
        return cls(arrays, n_signals, context - user_facts - n_signals)

    def logits(self, block: Block, scenario: int) -> FloatArray:
        """Return (B, C) logits."""
        w = self.arrays
        context = np.zeros((len(block.user), len(w["context_mean"])), np.float32)
        context[:, : block.user.shape[1]] = block.user
        context[:, block.user.shape[1] + scenario] = 1.0
        context -= w["context_mean"]
        context /= w["context_spread"]
        _clip(context, MAX_DEVIATION, context)  # (B, U)
        inner = np.tanh(context @ w["gate_in.weight"].T + w["gate_in.bias"])
        gates = w["base"] + inner @ w["gate_out.weight"].T + w["gate_out.bias"]  # (B, F)
        around = context @ w["around.weight"].T + w["around.bias"] + w["seen.bias"]  # (B, H)
        requests, _, width = block.signals.shape
        logits = np.empty((requests, width), np.float32)
        some = max(IN_CACHE // max(gates.shape[1] * width, 1), 1)
        for start in range(0, requests, some):
            rows = slice(start, start + some)
            seen = views(block, rows)  # (b, F, C)
            hidden = np.matmul(w["seen.weight"], seen)  # (b, H, C)
            hidden += around[rows, :, None]
            np.maximum(hidden, 0.0, out=hidden)
            out = logits[rows, None]
            np.matmul(gates[rows, None, :], seen, out=out)
            out += np.matmul(w["out.weight"], hidden)
        size, fade = self.lift
        return logits + lift_of(block.item, size, fade) if size else logits

    def lifted(self, size: float, fade: float = 0.0) -> Self:
        """Return the same with items lifted as `lift_of` tells, in the place of any lift before."""
        return replace(self, arrays={**self.arrays, LIFT: np.array([size, fade], np.float32)})

    @property
    def temperatures(self) -> Temperatures | None:
        """What scores are divided by to become probabilities; None: that was not measured."""
        if TEMPERATURES not in self.arrays:
            return None
        known, new = self.arrays[TEMPERATURES].tolist()
        return Temperatures(known, new)

    def tempered(self, temperatures: Temperatures | None) -> Self:
        """Return the same with other temperatures; None: without any."""
        others = {name: array for name, array in self.arrays.items() if name != TEMPERATURES}
        if temperatures is not None:
            others[TEMPERATURES] = np.array([temperatures.known, temperatures.new], np.float32)
        return replace(self, arrays=others)

    def shifted(self, by: NDArray[np.float64]) -> Self:
        """Return the same with (F,) numbers added to the additive weights."""
        base = (self.arrays["base"] + by).astype(np.float32)
        return replace(self, arrays={**self.arrays, "base": base})

    def signal_weights(self) -> FloatArray:
        """Return (K,) the additive weight of every signal: its views' base weights summed."""
        weights: FloatArray = self.arrays["base"][: VIEWS * self.n_signals].reshape(VIEWS, -1).sum(axis=0)
        return weights


def lift_of(item: NDArray[np.floating[Any]], size: float, fade: float) -> FloatArray:
    """Return (..., C) logits that are added to items: `size · fade / (fade + n)` after n events.

    Args:
        item: (..., C, 3) facts about the items.
        size: of the lift of an item without events.
        fade: events after which half of it is left; 0: the first one ends it.
    """
    new = item[..., NEW] > 0
    if not fade:
        return np.float32(size) * new.astype(np.float32)
    events = np.expm1(item[..., COUNT].astype(np.float32))
    lift: FloatArray = np.where(new, np.float32(size), np.float32(size * fade) / (np.float32(fade) + events))
    return lift


def views(block: Block, rows: slice = slice(None)) -> FloatArray:
    """Return (b, F, C) of some requests: three views of each signal, then facts about items and pairs."""
    scaled, item, pair = block.signals[rows], block.item, block.pair[rows]
    item = item if len(item) == 1 else item[rows]
    requests, n_signals, width = scaled.shape
    facts = item.shape[2] + pair.shape[2]
    seen = np.empty((requests, VIEWS * n_signals + facts, width), np.float32)
    _clip(scaled, MAX_SCALED_SCORE, seen[:, :n_signals])
    logs = seen[:, n_signals : 2 * n_signals]
    np.maximum(scaled, 0.0, out=logs)
    logs *= LOG_GAIN
    logs += 1.0
    np.log(logs, out=logs)  # three times as fast as log1p, and within 1e-7 of it
    share = seen[:, 2 * n_signals : 3 * n_signals]
    np.divide(scaled, block.peaks[rows, :, None], out=share)
    _clip(share, 1.0, share)
    rest = seen[:, 3 * n_signals :]
    rest[:, : item.shape[2]] = item.transpose(0, 2, 1)
    rest[:, item.shape[2] :] = pair.transpose(0, 2, 1)
    return seen


def _clip(values: FloatArray, most: float, out: FloatArray) -> None:
    """Write values between -most and most: what `np.clip` does, in half its time."""
    np.maximum(values, -most, out=out)
    np.minimum(out, most, out=out)
