"""How features meet before the trunk: by factorisation machines, by DCN-v2, or not at all."""

from __future__ import annotations

from collections.abc import Mapping

from polyscene.representation.sharing.arithmetic import Arithmetic, Array, Weights
from polyscene.representation.sharing.form import Shape

CROSS_LAYERS = 2


class NoCrossing:
    """Features stand side by side.

    Args:
        fields: F, how many features a row has.
        size: e, numbers of each.
        rank: of a thin map.
    """

    def __init__(self, fields: int, size: int, rank: int) -> None:
        self.fields, self.size, self.rank = fields, size, rank

    @property
    def width(self) -> int:
        """Numbers in a crossed row."""
        return self.fields * self.size + self.pairs

    @property
    def pairs(self) -> int:
        """So many of them, the last, say what every two features have in common."""
        return 0

    def shapes(self) -> dict[str, Shape]:
        """Return every parameter with its shape; see `SharingForm.shapes`."""
        return {}

    def __call__(self, w: Weights, x: Array, ar: Arithmetic) -> Array:
        """Return (N, width) of (N, F, e)."""
        return x.reshape(-1, self.fields * self.size)


class Factorisation(NoCrossing):
    """Beside the features stands what every two of them have in common, summed up.

    `Σ_{i<j} x_i ∘ x_j = ½ [(Σ_i x_i)² - Σ_i x_i²]`; its sum over the numbers is the second-order term of a
    factorisation machine (S. Rendle, ICDM 2010, equation 5), and kept apart it is the bi-interaction layer
    of X. He and T.-S. Chua, Neural factorization machines, SIGIR 2017, equation 4.
    """

    @property
    def pairs(self) -> int:
        """So many numbers, the last, say what every two features have in common."""
        return self.size

    def __call__(self, w: Weights, x: Array, ar: Arithmetic) -> Array:
        """Return (N, width) of (N, F, e)."""
        total = x.sum(1)
        pairs = 0.5 * (total * total - (x * x).sum(1))
        return ar.join([x.reshape(-1, self.fields * self.size), pairs])


class CrossNetwork(NoCrossing):
    """`x_{l+1} = x₀ ∘ (V_l (U_l x_l) + b_l) + x_l`, twice.

    Source: R. Wang et al., DCN V2, WWW 2021, equation 2 with the low-rank maps of section 3.2.
    """

    def shapes(self) -> dict[str, Shape]:
        """Return the thin maps of both layers."""
        width, shapes = self.width, dict[str, Shape]()
        for number in range(CROSS_LAYERS):
            shapes[f"trunk.cross.{number}.down.weight"] = (width, self.rank)
            shapes[f"trunk.cross.{number}.up.weight"] = (self.rank, width)
            shapes[f"trunk.cross.{number}.bias"] = (width,)
        return shapes

    def __call__(self, w: Weights, x: Array, ar: Arithmetic) -> Array:
        """Return (N, width) of (N, F, e)."""
        start = crossed = x.reshape(-1, self.width)
        for number in range(CROSS_LAYERS):
            name = f"trunk.cross.{number}."
            inner = crossed @ w[f"{name}down.weight"] @ w[f"{name}up.weight"] + w[f"{name}bias"]
            crossed = start * inner + crossed
        return crossed


CROSSINGS: Mapping[str, type[NoCrossing]] = {"none": NoCrossing, "fm": Factorisation, "dcn": CrossNetwork}
"""By the names of `[multitask] crossing`."""
