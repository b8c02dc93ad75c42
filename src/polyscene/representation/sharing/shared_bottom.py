"""Shared bottom: two layers that are the same for every scenario and task."""

from __future__ import annotations

from polyscene.representation.sharing.arithmetic import Arithmetic, Array, Weights
from polyscene.representation.sharing.form import Shape, SharingForm, layer, layer_shapes


class SharedBottom(SharingForm):
    """`h = relu(W₂ relu(W₁ x))` for all; only the towers differ.

    Source: R. Caruana, Multitask learning, Machine Learning 28, 1997.
    """

    def shared_shapes(self) -> dict[str, Shape]:
        """Return two layers."""
        hidden = self.sizes.hidden
        return layer_shapes("trunk.1.", self.sizes.inputs, hidden) | layer_shapes(
            "trunk.top.", hidden, hidden
        )

    def below(self, w: Weights, x: Array, scenario: int, ar: Arithmetic) -> list[Array]:
        """Return the second layer's output for every task."""
        below = layer(w, "trunk.top.", layer(w, "trunk.1.", x, ar), ar)
        return self.same_for_all(below, scenario)
