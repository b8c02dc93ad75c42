"""The network of the signal `multitask` in torch. It is here to be trained; `inference` answers with it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import Parameter

from polyscene.core.arrays import Arrays
from polyscene.core.types import FloatArray
from polyscene.recommenders.multitask.blueprint import Blueprint
from polyscene.representation.principal import principal_map
from polyscene.representation.sharing.form import Shape

TABLE_SCALE = 0.1
"""How far features that stand in a table lie from zero at the start."""
TEXT_SCALE = 0.5
"""How long a text's feature is at the start."""


class TorchArithmetic:
    """What numpy and torch call differently, on tensors; see `sharing.arithmetic.Arithmetic`."""

    def array(self, values: np.ndarray[Any, Any]) -> Tensor:
        """Return a tensor of the same numbers; whole ones as places."""
        tensor = torch.from_numpy(np.ascontiguousarray(values))
        return tensor.long() if not tensor.is_floating_point() else tensor

    def relu(self, x: Tensor) -> Tensor:
        """Return x where it is positive, else 0."""
        return torch.relu(x)

    def sigmoid(self, x: Tensor) -> Tensor:
        """Return 1 / (1 + e^-x)."""
        return torch.sigmoid(x)

    def softmax(self, x: Tensor) -> Tensor:
        """Return shares over the last axis."""
        return torch.softmax(x, -1)

    def join(self, parts: Sequence[Tensor]) -> Tensor:
        """Put tensors side by side along the last axis."""
        return torch.cat(list(parts), -1)

    def fixed(self, x: Tensor) -> Tensor:
        """Return x as something that nothing is learned through."""
        return x.detach()


TORCH = TorchArithmetic()


class TaskNetwork:
    """The parameters of a blueprint.

    Args:
        plan: the blueprint.
        texts: (n, t) vectors by the name of the map that reads them; their main directions are where a map
            starts. What is not named starts by chance.
        seed: of chance.
    """

    def __init__(self, plan: Blueprint, texts: Mapping[str, FloatArray], seed: int) -> None:
        self.plan = plan
        draws = torch.Generator().manual_seed(seed % 2**31)
        self.parameters: dict[str, Parameter] = {
            name: Parameter(_start(name, shape, texts, draws)) for name, shape in plan.shapes().items()
        }

    def arrays(self) -> Arrays:
        """Return the parameters as numpy arrays."""
        return {name: value.detach().numpy().copy() for name, value in self.parameters.items()}

    def weights(self) -> dict[str, Tensor]:
        """Return a copy of the parameters."""
        return {name: value.detach().clone() for name, value in self.parameters.items()}

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Put parameters back."""
        with torch.no_grad():
            for name, value in weights.items():
                self.parameters[name].copy_(value)


def _start(name: str, shape: Shape, texts: Mapping[str, FloatArray], draws: torch.Generator) -> Tensor:
    """Return where a parameter starts; see `SharingForm.shapes`."""
    kind = name.rpartition(".")[2]
    if kind in ("bias", "zeros"):
        return torch.zeros(shape)
    if kind == "ones":
        return torch.ones(shape)
    if kind == "map" and name in texts:
        return torch.from_numpy(principal_map(texts[name], shape[1], TEXT_SCALE))
    random = torch.randn(shape, generator=draws)
    if kind == "table":
        return TABLE_SCALE * random
    return random * math.sqrt(2.0 / shape[-2])
