"""What can be done to a language model to make it smaller or faster, and one wish for it. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Way(StrEnum):
    """What can be done to a language model."""

    layers = "layers"
    heads = "heads"
    neurons = "neurons"
    sparse = "sparse"
    int8 = "int8"
    bf16 = "bf16"
    onnx = "onnx"
    openvino = "openvino"
    distil = "distil"


USUAL_SHARES: Mapping[Way, float] = MappingProxyType(
    {Way.layers: 0.5, Way.heads: 0.9, Way.neurons: 0.9, Way.sparse: 0.7, Way.distil: 0.5}
)
"""The share that stays where none is named, by the ways that take one."""


@dataclass(frozen=True)
class CompressionRequest:
    """What is to be done.

    Attributes:
        way: to a smaller model.
        keep: the share that stays, of layers, heads, neurons or weights; `distil`: of the layers. None: as
            `USUAL_SHARES` says.
        neurons: `distil`: the share of neurons that stays; None: all.
        steps: `distil`: the student learns so many steps; None: as `learning.distilling.Teaching` says.
        minutes: `distil`: the student learns no longer than this.
    """

    way: Way
    keep: float | None = None
    neurons: float | None = None
    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        """Refuse what belongs to another way.

        Raises:
            ValueError: something is given that the way does not take.
        """
        if self.keep is not None and self.way not in USUAL_SHARES:
            raise ValueError(f"keep is for {', '.join(USUAL_SHARES)}; the way {self.way} takes none")
        for name in ("neurons", "steps", "minutes"):
            if getattr(self, name) is not None and self.way is not Way.distil:
                raise ValueError(f"{name} is for {Way.distil}; the way {self.way} takes none")

    @property
    def share(self) -> float:
        """The share that stays."""
        return USUAL_SHARES.get(self.way, 1.0) if self.keep is None else self.keep
