"""The shape of every form of sharing: from a row of features to a vector for each task of a scenario.

Names of parameters say who owns them. `trunk.` is shared by all scenarios, `trunk.top.` its last layer;
`own.` and `tower.` belong to one scenario or task each. A scenario's tuning moves more or less of these.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from polyscene.representation.sharing.arithmetic import Arithmetic, Array, Weights

Shape: TypeAlias = tuple[int, ...]
TRUNK, TOP, OWN, TOWER = "trunk.", "trunk.top.", "own.", "tower."


@dataclass(frozen=True)
class Sizes:
    """How large a network is.

    Attributes:
        inputs: D, numbers in a row of features.
        user_inputs: so many of them, the first, tell of the user and the request.
        scenario_inputs: so many of these, the first, tell of the scenario.
        hidden: width of a layer; towers have half.
        heads: by scenario, the numbers of its tasks' heads in the whole network.
        experts: that all tasks share.
        rank: of an adapter.
    """

    inputs: int
    user_inputs: int
    scenario_inputs: int
    hidden: int
    heads: tuple[tuple[int, ...], ...]
    experts: int = 3
    rank: int = 8

    @property
    def scenarios(self) -> int:
        """How many scenarios there are."""
        return len(self.heads)

    @property
    def tower(self) -> int:
        """Width of what a form gives to a task."""
        return max(self.hidden // 2, 1)


class SharingForm(ABC):
    """One way for scenarios and tasks to share a network.

    Args:
        sizes: of the network.

    Attributes:
        own_inputs: whether scenarios share not even what features look like.
    """

    own_inputs: ClassVar[bool] = False

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes

    def shapes(self) -> dict[str, Shape]:
        """Return every parameter with its shape.

        A name that ends in `.weight` starts as a random map from the axis before the last to the last,
        `.ones` as 1, `.bias` and `.zeros` as 0.
        """
        towers = {
            f"{TOWER}{head}.{name}": shape
            for heads in self.sizes.heads
            for head in heads
            for name, shape in (
                ("weight", (self.sizes.hidden, self.sizes.tower)),
                ("bias", (self.sizes.tower,)),
            )
        }
        return self.shared_shapes() | towers

    @abstractmethod
    def shared_shapes(self) -> dict[str, Shape]:
        """Return the parameters below the towers."""

    @abstractmethod
    def below(self, w: Weights, x: Array, scenario: int, ar: Arithmetic) -> Sequence[Array]:
        """Return (N, hidden) what each task of a scenario is told of (N, D) rows, below its tower."""

    def __call__(self, w: Weights, x: Array, scenario: int, ar: Arithmetic) -> list[Array]:
        """Return (N, tower) for each task of a scenario.

        Args:
            w: the parameters.
            x: (N, D) rows of features.
            scenario: whose rows they are.
            ar: what they are computed with.
        """
        heads = self.sizes.heads[scenario]
        inputs = self.below(w, x, scenario, ar)
        return [
            ar.relu(below @ w[f"{TOWER}{head}.weight"] + w[f"{TOWER}{head}.bias"])
            for head, below in zip(heads, inputs, strict=True)
        ]

    def same_for_all(self, below: Array, scenario: int) -> list[Array]:
        """Return one array for every task of a scenario."""
        return [below] * len(self.sizes.heads[scenario])


def layer_shapes(prefix: str, inputs: int, width: int) -> dict[str, Shape]:
    """Return weight and bias of a layer."""
    return {f"{prefix}weight": (inputs, width), f"{prefix}bias": (width,)}


def stacked_shapes(prefix: str, count: int, inputs: int, width: int) -> dict[str, Shape]:
    """Return weights and biases of `count` layers side by side."""
    return {f"{prefix}weight": (count, inputs, width), f"{prefix}bias": (count, width)}


def layer(w: Weights, prefix: str, x: Array, ar: Arithmetic) -> Array:
    """Return `relu(x W + b)`."""
    return ar.relu(x @ w[f"{prefix}weight"] + w[f"{prefix}bias"])


def picked(w: Weights, prefix: str, number: int, x: Array, ar: Arithmetic) -> Array:
    """Return `relu(x W_n + b_n)` of layers side by side."""
    return ar.relu(x @ w[f"{prefix}weight"][number] + w[f"{prefix}bias"][number])


def mixed(gate: Array, experts: Sequence[Array]) -> Array:
    """Return `Σ_e g_e h_e`: (N, hidden) of (N, E) shares and E arrays (N, hidden)."""
    total = gate[:, :1] * experts[0]
    for place, expert in enumerate(experts[1:], start=1):
        total = total + gate[:, place : place + 1] * expert
    return total
