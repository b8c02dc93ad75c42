"""STAR: a shared centre, and a factor on each of its weights in every scenario."""

from __future__ import annotations

from polyscene.representation.sharing.arithmetic import Arithmetic, Array, Weights
from polyscene.representation.sharing.form import Shape, SharingForm, layer_shapes


class StarTopology(SharingForm):
    """`W*ˢ = W ∘ (1 + Wˢ)`, `b*ˢ = b + bˢ` in both layers, W shared, Wˢ the scenario's, 0 at the start.

    The paper has the factor itself; as a difference from 1, weight decay draws it to the centre. Its
    partitioned normalisation is not needed, since features come in one scale; its auxiliary network is the
    scenario's own feature among the inputs.

    Source: X.-R. Sheng et al., One model to serve all: star topology adaptive recommender, CIKM 2021,
    equations 5 and 6.
    """

    def shared_shapes(self) -> dict[str, Shape]:
        """Return the centre, and factors and offsets of every scenario."""
        sizes, shapes = self.sizes, dict[str, Shape]()
        for name, inputs in (("trunk.1.", sizes.inputs), ("trunk.top.", sizes.hidden)):
            own = f"own.{name}"
            shapes |= layer_shapes(name, inputs, sizes.hidden)
            shapes[f"{own}zeros"] = (sizes.scenarios, inputs, sizes.hidden)
            shapes[f"{own}bias"] = (sizes.scenarios, sizes.hidden)
        return shapes

    def below(self, w: Weights, x: Array, scenario: int, ar: Arithmetic) -> list[Array]:
        """Return the scenario's second layer for every task of it."""
        for name in ("trunk.1.", "trunk.top."):
            weight = w[f"{name}weight"] * (1.0 + w[f"own.{name}zeros"][scenario])
            x = ar.relu(x @ weight + (w[f"{name}bias"] + w[f"own.{name}bias"][scenario]))
        return self.same_for_all(x, scenario)
