"""What a network needs beside `@`, `+` and `*`, so that one text of it runs on numpy and on tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np

Array: TypeAlias = Any
"""A numpy array or a tensor, as its arithmetic has it."""
Weights: TypeAlias = Mapping[str, Array]
"""Parameters by name."""


class Arithmetic(Protocol):
    """Functions that numpy and torch call differently."""

    def array(self, values: np.ndarray[Any, Any]) -> Array:
        """Return an array of its kind."""
        ...

    def relu(self, x: Array) -> Array:
        """Return x where it is positive, else 0."""
        ...

    def sigmoid(self, x: Array) -> Array:
        """Return 1 / (1 + e^-x)."""
        ...

    def softmax(self, x: Array) -> Array:
        """Return shares over the last axis."""
        ...

    def join(self, parts: Sequence[Array]) -> Array:
        """Put arrays side by side along the last axis."""
        ...

    def fixed(self, x: Array) -> Array:
        """Return x as something that nothing is learned through."""
        ...


class NumpyArithmetic:
    """On numpy arrays, to answer without torch."""

    def array(self, values: np.ndarray[Any, Any]) -> Array:
        """Return the values."""
        return values

    def relu(self, x: Array) -> Array:
        """Return x where it is positive, else 0."""
        return np.maximum(x, np.float32(0.0))

    def sigmoid(self, x: Array) -> Array:
        """Return 1 / (1 + e^-x), by tanh, which does not overflow."""
        return np.float32(0.5) * (np.tanh(np.float32(0.5) * x) + np.float32(1.0))

    def softmax(self, x: Array) -> Array:
        """Return shares over the last axis."""
        e = np.exp(x - x.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    def join(self, parts: Sequence[Array]) -> Array:
        """Put arrays side by side along the last axis."""
        return np.concatenate(parts, -1)

    def fixed(self, x: Array) -> Array:
        """Return x: nothing learns here."""
        return x


NUMPY = NumpyArithmetic()
