"""Separate: a network for each scenario, which shares nothing with the others."""

from __future__ import annotations

from typing import ClassVar

from polyscene.representation.sharing.arithmetic import Arithmetic, Array, Weights
from polyscene.representation.sharing.form import Shape, SharingForm, picked, stacked_shapes


class Separate(SharingForm):
    """`h = relu(W₂ˢ relu(W₁ˢ x))`: tasks of a scenario share; scenarios do not, not even their features."""

    own_inputs: ClassVar[bool] = True

    def shared_shapes(self) -> dict[str, Shape]:
        """Return two layers for each scenario."""
        count, hidden = self.sizes.scenarios, self.sizes.hidden
        first = stacked_shapes("own.1.", count, self.sizes.inputs, hidden)
        return first | stacked_shapes("own.2.", count, hidden, hidden)

    def below(self, w: Weights, x: Array, scenario: int, ar: Arithmetic) -> list[Array]:
        """Return the scenario's own second layer for every task of it."""
        first = picked(w, "own.1.", scenario, x, ar)
        return self.same_for_all(picked(w, "own.2.", scenario, first, ar), scenario)
