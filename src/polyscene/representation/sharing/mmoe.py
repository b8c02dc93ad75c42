"""MMoE: experts that all share, and a gate of each task that weighs them."""

from __future__ import annotations

from polyscene.representation.sharing.arithmetic import Arithmetic, Array, Weights
from polyscene.representation.sharing.form import (
    Shape,
    SharingForm,
    layer,
    layer_shapes,
    mixed,
)


class MultiGateExperts(SharingForm):
    """`h_t = Σ_e softmax(G_t x)_e · f_e(x)`, where each expert f_e is two layers.

    A task of two scenarios has a gate in each.

    Source: J. Ma et al., Modeling task relationships in multi-task learning with multi-gate
    mixture-of-experts, KDD 2018, equations 5 to 7.
    """

    def shared_shapes(self) -> dict[str, Shape]:
        """Return experts and gates."""
        sizes, shapes = self.sizes, dict[str, Shape]()
        for expert in range(sizes.experts):
            shapes |= layer_shapes(f"trunk.{expert}.", sizes.inputs, sizes.hidden)
            shapes |= layer_shapes(f"trunk.top.{expert}.", sizes.hidden, sizes.hidden)
        for heads in sizes.heads:
            for head in heads:
                shapes |= layer_shapes(f"own.gate.{head}.", sizes.inputs, sizes.experts)
        return shapes

    def below(self, w: Weights, x: Array, scenario: int, ar: Arithmetic) -> list[Array]:
        """Return each task's mixture of the experts."""
        experts = [
            layer(w, f"trunk.top.{expert}.", layer(w, f"trunk.{expert}.", x, ar), ar)
            for expert in range(self.sizes.experts)
        ]
        return [mixed(gate_of(w, head, x, ar), experts) for head in self.sizes.heads[scenario]]


def gate_of(w: Weights, name: int | str, x: Array, ar: Arithmetic) -> Array:
    """Return (N, E) shares of the experts."""
    return ar.softmax(x @ w[f"own.gate.{name}.weight"] + w[f"own.gate.{name}.bias"])
