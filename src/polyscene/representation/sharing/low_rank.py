"""Low-rank adapters: a shared trunk, and a thin correction of each layer in every scenario."""

from __future__ import annotations

from polyscene.representation.sharing.arithmetic import Arithmetic, Array, Weights
from polyscene.representation.sharing.form import Shape, SharingForm, layer_shapes


class LowRankAdapters(SharingForm):
    """`Wˢ = W + Aˢ Bˢ` in both layers, with A (D, r) and B (r, hidden), which starts as 0.

    Source: E. Hu et al., LoRA, ICLR 2022, equation 3, with a scenario in the place of a task.
    """

    def shared_shapes(self) -> dict[str, Shape]:
        """Return the shared layers, and two thin maps of every scenario beside each."""
        sizes, shapes = self.sizes, dict[str, Shape]()
        for name, inputs in (("trunk.1.", sizes.inputs), ("trunk.top.", sizes.hidden)):
            shapes |= layer_shapes(name, inputs, sizes.hidden)
            shapes[f"own.{name}down.weight"] = (sizes.scenarios, inputs, sizes.rank)
            shapes[f"own.{name}up.zeros"] = (sizes.scenarios, sizes.rank, sizes.hidden)
        return shapes

    def below(self, w: Weights, x: Array, scenario: int, ar: Arithmetic) -> list[Array]:
        """Return the scenario's second layer for every task of it."""
        for name in ("trunk.1.", "trunk.top."):
            thin = x @ w[f"own.{name}down.weight"][scenario] @ w[f"own.{name}up.zeros"][scenario]
            x = ar.relu(x @ w[f"{name}weight"] + w[f"{name}bias"] + thin)
        return self.same_for_all(x, scenario)
