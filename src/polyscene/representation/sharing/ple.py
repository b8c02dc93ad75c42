"""PLE: experts that all share beside experts of each task's own, in two levels of extraction."""

from __future__ import annotations

from collections.abc import Sequence

from polyscene.representation.sharing.arithmetic import Arithmetic, Array, Weights
from polyscene.representation.sharing.form import Shape, SharingForm, layer, layer_shapes, mixed
from polyscene.representation.sharing.mmoe import gate_of


class ProgressiveExtraction(SharingForm):
    """Customised gate control, twice: what a task is told comes from shared experts and from its own one.

    First level: task t gets `Σ_e softmax(G_t x)_e f_e(x)` over the shared experts and its own; what is shared
    goes on as such a sum over the shared experts and those of all tasks of the row's scenario. Second level:
    the same over these, for the tasks alone.

    The shared gate is one for each scenario, as a row belongs to one; in the paper every row has all tasks.

    Source: H. Tang et al., Progressive layered extraction, RecSys 2020, equations 3 to 7.
    """

    def shared_shapes(self) -> dict[str, Shape]:
        """Return experts and gates of both levels."""
        sizes, shapes = self.sizes, dict[str, Shape]()
        for expert in range(sizes.experts):
            shapes |= layer_shapes(f"trunk.{expert}.", sizes.inputs, sizes.hidden)
            shapes |= layer_shapes(f"trunk.top.{expert}.", sizes.hidden, sizes.hidden)
        for scenario, heads in enumerate(sizes.heads):
            every = sizes.experts + len(heads)
            shapes |= layer_shapes(f"own.gate.shared{scenario}.", sizes.inputs, every)
            for head in heads:
                shapes |= layer_shapes(f"own.1.{head}.", sizes.inputs, sizes.hidden)
                shapes |= layer_shapes(f"own.2.{head}.", sizes.hidden, sizes.hidden)
                shapes |= layer_shapes(f"own.gate.{head}.", sizes.inputs, sizes.experts + 1)
                shapes |= layer_shapes(f"own.gate.top{head}.", sizes.hidden, sizes.experts + 1)
        return shapes

    def below(self, w: Weights, x: Array, scenario: int, ar: Arithmetic) -> list[Array]:
        """Return each task's second extraction."""
        heads = self.sizes.heads[scenario]
        shared = self._shared(w, "trunk.", x, ar)
        own = [layer(w, f"own.1.{head}.", x, ar) for head in heads]
        gate = gate_of(w, f"shared{scenario}", x, ar)
        common = mixed(gate, [*shared, *own])
        again = self._shared(w, "trunk.top.", common, ar)
        mixtures = []
        for head, expert in zip(heads, own, strict=True):
            first = mixed(gate_of(w, head, x, ar), [*shared, expert])
            second = layer(w, f"own.2.{head}.", first, ar)
            mixtures.append(mixed(gate_of(w, f"top{head}", first, ar), [*again, second]))
        return mixtures

    def _shared(self, w: Weights, prefix: str, x: Array, ar: Arithmetic) -> Sequence[Array]:
        return [layer(w, f"{prefix}{expert}.", x, ar) for expert in range(self.sizes.experts)]
