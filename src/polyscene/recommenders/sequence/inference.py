"""The fitted sequence network in numpy: answers without torch, with the numbers of `SequenceNetwork`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from polyscene.core.arrays import Arrays
from polyscene.core.types import FloatArray, LongArray

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
        """Return (m, d) vectors of items; (m, 0) where nothing was learned.

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
        return items

    @property
    def length(self) -> int:
        """So many events of a history are looked at."""
        return int(self.arrays["blocks.0.distance_bias"].shape[1])

    @property
    def layers(self) -> int:
        """How many blocks there are."""
        return sum(name.endswith("distance_bias") for name in self.arrays)

    def users(self, x: FloatArray) -> FloatArray:
        """Return (B, d) user vectors of (B, l, d) items' vectors, oldest first, with l from 1 to `length`."""
        x = self._norm(x, "start_norm")
        for layer in range(self.layers):
            x = self._block(x, f"blocks.{layer}.", last=layer + 1 == self.layers)
        return self._norm(x[:, -1], "end_norm")

    def _block(self, x: FloatArray, block: str, last: bool) -> FloatArray:
        w = self.arrays
        asking = x[:, -1:] if last else x  # of the last block only the last place is wanted
        x = asking + self._attended(self._norm(x, f"{block}attention_norm"), block, asking.shape[1])
        inner = self._norm(x, f"{block}thin_norm") @ w[f"{block}widen.weight"].T + w[f"{block}widen.bias"]
        np.maximum(inner, 0.0, out=inner)
        out: FloatArray = x + (inner @ w[f"{block}narrow.weight"].T + w[f"{block}narrow.bias"])
        return out

    def _attended(self, x: FloatArray, block: str, asking: int) -> FloatArray:
        """Return (B, a, d) what the last a places gather from all that lie before them."""
        w = self.arrays
        requests, length, size = x.shape
        near = w[f"{block}distance_bias"]  # (H, length)
        heads = len(near)
        weight, bias = w[f"{block}into.weight"], w[f"{block}into.bias"]
        q = x[:, length - asking :] @ weight[:size].T + bias[:size]
        both = x @ weight[size:].T + bias[size:]
        q = q.reshape(requests, asking, heads, -1).transpose(0, 2, 1, 3)
        both = both.reshape(requests, length, 2, heads, -1)
        k, v = both[:, :, 0].transpose(0, 2, 3, 1), both[:, :, 1].transpose(0, 2, 1, 3)
        distance = np.arange(length - asking, length)[:, None] - np.arange(length)
        looks = q @ k / np.float32(math.sqrt(size // heads)) + near[:, np.maximum(distance, 0)]
        looks = np.where(distance < 0, np.float32(-np.inf), looks)
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
