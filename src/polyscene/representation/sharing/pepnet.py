"""PEPNet: the scenario turns the features up and down, the person the layers."""

from __future__ import annotations

from collections.abc import Sequence

from polyscene.representation.sharing.arithmetic import Arithmetic, Array, Weights
from polyscene.representation.sharing.form import Shape, SharingForm, layer_shapes

GATES = 2
"""How far a gate turns up at most; at 0.5 of its sigmoid, where it starts, it leaves things as they are."""


class PersonalGates(SharingForm):
    """EPNet: `x' = δˢ ∘ x`. PPNet: `h_l = δ_l ∘ relu(W_l h_{l-1})`, a gate for each task and layer.

    A gate is `2 σ(V relu(U z))`. The first one's z is the scenario's feature beside x, the second's what is
    known of the person beside x'; nothing is learned through x and x' there.

    Source: J. Chang et al., PEPNet: parameter and embedding personalized network, KDD 2023, equations 1 to 6.
    """

    def shared_shapes(self) -> dict[str, Shape]:
        """Return the layers, the scenario's gate, and each task's gates of the two layers."""
        sizes = self.sizes
        shapes = layer_shapes("trunk.1.", sizes.inputs, sizes.hidden)
        shapes |= layer_shapes("trunk.top.", sizes.hidden, sizes.hidden)
        shapes |= self._gate("trunk.scenario.", sizes.scenario_inputs + sizes.inputs, sizes.inputs)
        for heads in sizes.heads:
            for head in heads:
                inputs = sizes.user_inputs + sizes.inputs
                shapes |= self._gate(f"own.person.{head}.", inputs, 2 * sizes.hidden)
        return shapes

    def _gate(self, prefix: str, inputs: int, width: int) -> dict[str, Shape]:
        inner = self.sizes.tower
        return layer_shapes(prefix, inputs, inner) | {
            f"{prefix}out.zeros": (inner, width),
            f"{prefix}out.bias": (width,),
        }

    def below(self, w: Weights, x: Array, scenario: int, ar: Arithmetic) -> Sequence[Array]:
        """Return each task's second layer, gated."""
        sizes = self.sizes
        about = ar.join([x[:, : sizes.scenario_inputs], ar.fixed(x)])
        x = self._opened(w, "trunk.scenario.", about, ar) * x
        person = ar.join([x[:, : sizes.user_inputs], ar.fixed(x)])
        first = ar.relu(x @ w["trunk.1.weight"] + w["trunk.1.bias"])
        gated = []
        for head in sizes.heads[scenario]:
            gate = self._opened(w, f"own.person.{head}.", person, ar)
            inner = gate[:, : sizes.hidden] * first
            second = ar.relu(inner @ w["trunk.top.weight"] + w["trunk.top.bias"])
            gated.append(gate[:, sizes.hidden :] * second)
        return gated

    def _opened(self, w: Weights, prefix: str, about: Array, ar: Arithmetic) -> Array:
        inner = ar.relu(about @ w[f"{prefix}weight"] + w[f"{prefix}bias"])
        return GATES * ar.sigmoid(inner @ w[f"{prefix}out.zeros"] + w[f"{prefix}out.bias"])
