"""The fitted sequence network in numpy: answers without torch, with the numbers of `SequenceNetwork`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from polyscene.core.arrays import Arrays
from polyscene.core.types import FloatArray, LongArray
from polyscene.recommenders.sequence.beside import Beside, left_at
from polyscene.representation.items import unit

EPSILON = 1e-5
"""Of torch's LayerNorm."""


@dataclass(frozen=True)
class SequenceWeights:
    """What the network learned; see `network.SequenceNetwork` for the formulas.

    Attributes:
        arrays: by the names of the network's state; `residual` is (n, d), of every item. None: nothing was
            learned.
    """

    arrays: Arrays

    def items(self, vectors: FloatArray, rows: LongArray | None = None) -> FloatArray:
        """Return (m, d) unit vectors of items, zero where nothing is known; (m, 0) where nothing was learned.

        Args:
            vectors: (m, t) of their texts.
            rows: (m,) which items they are; None: all, in order. Those that came later have no residual.
        """
        if not self.arrays:
            return np.zeros((len(vectors), 0), np.float32)
        residual = self.arrays["residual"]
        items: FloatArray = vectors @ self.arrays["text"]
        codes = np.arange(len(vectors)) if rows is None else rows
        known = codes < len(residual)
        items[known] += residual[codes[known]]
        return unit(items)

    def beside(self, events: Beside, times: LongArray) -> tuple[FloatArray, FloatArray]:
        """Return what attention finds beside a history: (B, C, d) events, and (B, H, L, C) its bias.

        Args:
            events: in other scenarios.
            times: (B, L) of the history's events.
        """
        w = self.arrays
        tokens = self._norm(events.vectors @ w["other_text"], "start_norm")
        tokens += w["other_scenario"][events.scenario] + events.weight[..., None] * w["other_weight"]
        near = w["scenario_bias"][:, events.scenario][:, :, None] + w["gap_bias"][:, events.gaps(times)]
        seen = events.seen(left_at(times))[:, None]
        return tokens, np.where(seen, near.transpose(1, 0, 2, 3), np.float32(-np.inf))

    @property
    def length(self) -> int:
        """So many events of a history are looked at."""
        return int(self.arrays["blocks.0.distance_bias"].shape[1])

    @property
    def layers(self) -> int:
        """How many blocks there are."""
        return sum(name.endswith("distance_bias") for name in self.arrays)

    def users(self, x: FloatArray, beside: tuple[FloatArray, FloatArray] | None = None) -> FloatArray:
        """Return (B, d) user vectors.

        Args:
            x: (B, l, d) vectors of the items of the histories, oldest first, with l from 1 to `length`.
            beside: as `beside` returns it.
        """
        w = self.arrays
        counts = np.exp(w["profile_ages"][: x.shape[1]][::-1])
        profile = unit(counts @ x)
        x = self._norm(x, "start_norm")
        for layer in range(self.layers):
            x = self._block(x, beside, f"blocks.{layer}.", last=layer + 1 == self.layers)
        attended = unit(self._norm(x[:, -1], "end_norm"))
        users: FloatArray = np.exp(w["sharpness"]) * unit(w["mix"][0] * attended + w["mix"][1] * profile)
        return users

    def _block(
        self, x: FloatArray, beside: tuple[FloatArray, FloatArray] | None, block: str, last: bool
    ) -> FloatArray:
        w = self.arrays
        asking = x[:, -1:] if last else x  # of the last block only the last place is wanted
        x = asking + self._attended(x, beside, block, asking.shape[1])
        inner = self._norm(x, f"{block}thin_norm") @ w[f"{block}widen.weight"].T + w[f"{block}widen.bias"]
        np.maximum(inner, 0.0, out=inner)
        out: FloatArray = x + (inner @ w[f"{block}narrow.weight"].T + w[f"{block}narrow.bias"])
        return out

    def _attended(
        self, x: FloatArray, beside: tuple[FloatArray, FloatArray] | None, block: str, asking: int
    ) -> FloatArray:
        """Return (B, a, d) what the last a places gather from all that lie before them, and beside them."""
        w = self.arrays
        x = self._norm(x, f"{block}attention_norm")
        requests, length, size = x.shape
        near = w[f"{block}distance_bias"]  # (H, length)
        heads = len(near)
        weight, bias = w[f"{block}into.weight"], w[f"{block}into.bias"]
        q = x[:, length - asking :] @ weight[:size].T + bias[:size]
        q = q.reshape(requests, asking, heads, -1).transpose(0, 2, 1, 3)
        distance = np.arange(length - asking, length)[:, None] - np.arange(length)
        looks_bias = np.where(distance < 0, np.float32(-np.inf), near[:, np.maximum(distance, 0)])
        if beside is not None:
            tokens, beside_bias = beside
            x = np.concatenate([self._norm(tokens, f"{block}attention_norm"), x], axis=1)
            here = np.broadcast_to(looks_bias, (requests, *looks_bias.shape))
            looks_bias = np.concatenate([beside_bias[:, :, length - asking :], here], axis=3)
        both = x @ weight[size:].T + bias[size:]
        both = both.reshape(requests, x.shape[1], 2, heads, -1)
        k, v = both[:, :, 0].transpose(0, 2, 3, 1), both[:, :, 1].transpose(0, 2, 1, 3)
        looks = q @ k / np.float32(math.sqrt(size // heads)) + looks_bias
        looks = np.exp(looks - looks.max(axis=3, keepdims=True))
        looks /= looks.sum(axis=3, keepdims=True)
        gathered = (looks @ v).transpose(0, 2, 1, 3).reshape(requests, asking, size)
        attended: FloatArray = gathered @ w[f"{block}out.weight"].T + w[f"{block}out.bias"]
        return attended

    def _norm(self, x: FloatArray, name: str) -> FloatArray:
        shifted = x - x.mean(axis=-1, keepdims=True)
        spread = np.sqrt((shifted * shifted).mean(axis=-1, keepdims=True) + np.float32(EPSILON))
        normed: FloatArray = shifted / spread * self.arrays[f"{name}.weight"] + self.arrays[f"{name}.bias"]
        return normed
