"""Where a transformer keeps its layers, its heads and its neurons, for those who cut it or tune it.

Layers are found in any stack. Heads are cut from the BERT family alone: elsewhere they are tied to rotary
positions or shared between queries. Neurons are cut from plain and gated feed-forward parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from polyscene.core.errors import ModelError, shown

_STACKS = ("encoder.layer", "layers", "transformer.layer", "h", "encoder.layers", "decoder.layers")
_WIDTHS = ("intermediate_size", "hidden_dim", "n_inner")


@dataclass(frozen=True)
class Attention:
    """One layer's attention, its heads side by side.

    Attributes:
        sources: query, key and value; each yields heads * size numbers.
        out: reads heads * size numbers.
        size: of a head.
    """

    sources: tuple[nn.Linear, nn.Linear, nn.Linear]
    out: nn.Linear
    size: int

    @property
    def heads(self) -> int:
        """How many there are now."""
        return self.out.in_features // self.size


@dataclass(frozen=True)
class FeedForward:
    """One layer's neurons.

    Attributes:
        sources: what yields one number per neuron; two where one gates the other.
        out: reads one number per neuron.
    """

    sources: tuple[nn.Linear, ...]
    out: nn.Linear


def stack(module: nn.Module) -> nn.ModuleList:
    """Return the layers, first to last.

    Raises:
        ModelError: they are not where transformers keeps them.
    """
    for path in _STACKS:
        layers = _at(module, path)
        if isinstance(layers, nn.ModuleList):
            return layers
    raise ModelError(
        f"expected a language model with its layers in one of {', '.join(_STACKS)}, found "
        f"{shown(type(module).__name__)}; layers of this architecture cannot be cut"
    )


def attention(layer: nn.Module) -> Attention:
    """Return a layer's attention.

    Raises:
        ModelError: its heads cannot be taken out.
    """
    part = _attention(layer)
    if part is None:
        raise ModelError(
            f"expected attention as in BERT, found {shown(type(layer).__name__)}: its heads cannot be taken "
            "out, and heads that are only set to zero save nothing; drop layers or neurons instead"
        )
    return part


def lacks_heads(module: nn.Module) -> bool:
    """Return whether a layer has fewer heads than the configuration says."""
    config: Any = module.config
    parts = (_attention(layer) for layer in stack(module))
    return any(part is not None and part.heads != config.num_attention_heads for part in parts)


def feed_forward(layer: nn.Module) -> FeedForward:
    """Return a layer's feed-forward part.

    Raises:
        ModelError: its neurons cannot be taken out.
    """
    plans = (
        (("intermediate.dense",), "output.dense"),
        (("mlp.gate_proj", "mlp.up_proj"), "mlp.down_proj"),
        (("ffn.lin1",), "ffn.lin2"),
    )
    for names, last in plans:
        sources, out = tuple(_at(layer, name) for name in names), _at(layer, last)
        if all(isinstance(each, nn.Linear) for each in (*sources, out)):
            return FeedForward(sources, out)
    raise ModelError(
        f"expected a feed-forward part as in BERT or LLaMA, found {shown(type(layer).__name__)}: its neurons "
        "cannot be taken out; drop layers instead"
    )


def width_key(config: Any) -> str:  # noqa: ANN401 - every architecture has its own class
    """Return what the configuration calls the number of neurons in a layer.

    Raises:
        ModelError: it has none of the known names.
    """
    for name in _WIDTHS:
        if isinstance(getattr(config, name, None), int):
            return name
    raise ModelError(
        f"expected one of {', '.join(_WIDTHS)} in the configuration of the language model, found none; "
        "drop layers instead"
    )


def linears(module: nn.Module) -> dict[str, nn.Linear]:
    """Return the linear parts of all layers by their path in the module, in order."""
    within = {id(part) for layer in stack(module) for part in layer.modules()}
    return {
        path: part
        for path, part in module.named_modules()
        if isinstance(part, nn.Linear) and id(part) in within
    }


def _attention(layer: nn.Module) -> Attention | None:
    within, out = _at(layer, "attention.self"), _at(layer, "attention.output.dense")
    sources = tuple(_at(within, name) for name in ("query", "key", "value")) if within is not None else ()
    size = getattr(within, "attention_head_size", None)
    whole = len(sources) == 3 and all(isinstance(each, nn.Linear) for each in (*sources, out))
    return Attention(sources, out, size) if whole and isinstance(size, int) else None


def _at(module: Any, path: str) -> Any:  # noqa: ANN401 - whatever lies there
    for name in path.split("."):
        module = getattr(module, name, None)
        if module is None:
            return None
    return module
