"""A language model as the rest of the house sees it: text in tokens, tokens to one vector per text.

Encoders (the BERT family) are pooled over their tokens, decoders (the LLaMA and GPT families) are read at
their last token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedTokenizerBase

from polyscene.core.errors import ModelError, shown
from polyscene.core.threads import has_fast_bfloat16
from polyscene.language.model.pooling import Pooling, pool
from polyscene.language.model.projection import Layers

Kind = Literal["encoder", "decoder"]


@dataclass(frozen=True, eq=False)
class LanguageModel:
    """A loaded language model, ready to encode.

    Attributes:
        name: as the settings call it.
        kind: "encoder" reads in both directions, "decoder" from left to right.
        pooling: how token vectors become one: their mean, the first one, or the last one.
        dimension: size of a text's vector.
        max_tokens: longer texts are cut; never more than the model has positions for.
        fingerprint: SHA-256 in hex over configuration, weights and tokenizer.
        device: where the module lies.
        autocast: what matrix products are computed in; None means as the weights are, float32.
        tokenizer: has a padding token.
        module: float32 weights, in eval mode.
        projection: from the pooled layers to the vector; None takes the last layer, normalised.
    """

    name: str
    kind: Kind
    pooling: Pooling
    dimension: int
    max_tokens: int
    fingerprint: str
    device: torch.device
    autocast: torch.dtype | None
    tokenizer: PreTrainedTokenizerBase
    module: nn.Module
    projection: Layers | None = None

    @property
    def precision(self) -> str:
        """What matrix products are computed in: "float32" or "bfloat16"."""
        return "float32" if self.autocast is None else str(self.autocast).removeprefix("torch.")

    @property
    def width(self) -> int:
        """Size of a hidden state."""
        return int(self.module.config.hidden_size)  # type: ignore[union-attr, arg-type]

    @property
    def words(self) -> nn.Embedding:
        """The embedded vocabulary."""
        embeddings: nn.Embedding = self.module.get_input_embeddings()  # type: ignore[operator]
        return embeddings

    def embed(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return one unit vector per text; gradients flow unless the caller stops them.

        Args:
            ids: (n, length) token ids.
            mask: (n, length) 1 where there is a token, 0 where there is padding, on either side.

        Returns:
            (n, dimension) float32, each row of length 1 (or 0, where a projection finds no direction).
        """
        if self.projection is None:
            return forward(self.module, ids, mask, self.pooling, self.autocast)
        states = hidden_states(self.module, ids, mask, self.autocast)
        pooled = [pool(states[layer].float(), mask, self.pooling) for layer in self.projection.layers]
        lengths = mask.sum(dim=1)  # (n,)
        vectors: Tensor = self.projection(
            torch.stack(pooled, dim=1), ids[mask > 0], lengths.cumsum(0) - lengths
        )
        return vectors


def forward(
    module: nn.Module, ids: Tensor, mask: Tensor, pooling: Pooling, autocast: torch.dtype | None
) -> Tensor:
    """Return (n, d) unit vectors of (n, length) token ids, without knowing a tokenizer."""
    with torch.autocast(ids.device.type, dtype=autocast, enabled=autocast is not None):
        hidden = module(input_ids=ids, attention_mask=mask).last_hidden_state  # (n, length, d)
    return functional.normalize(pool(hidden.float(), mask, pooling), dim=-1)  # (n, d)


def hidden_states(
    module: nn.Module, ids: Tensor, mask: Tensor, autocast: torch.dtype | None
) -> tuple[Tensor, ...]:
    """Return the embedded tokens and every layer's output, each (n, length, d); the last one is final."""
    with torch.autocast(ids.device.type, dtype=autocast, enabled=autocast is not None):
        output = module(input_ids=ids, attention_mask=mask, output_hidden_states=True)
    return (*output.hidden_states[:-1], output.last_hidden_state)


def chosen_device(name: str) -> torch.device:
    """Return the device called `name`; "auto" is CUDA where there is one, else the processor.

    Raises:
        ModelError: there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
        raise ModelError(
            f"expected a device that is here, found {shown(name)}; use 'auto' or 'cpu' in [language] device"
        ) from error
    return device


def chosen_autocast(precision: str, device: torch.device) -> torch.dtype | None:
    """Return what to compute matrix products in; None is float32.

    "auto" is bfloat16 where the hardware multiplies it: 3 times the speed at cosine .9999.
    """
    if precision == "auto":
        return torch.bfloat16 if _multiplies_bfloat16(device) else None
    return torch.bfloat16 if precision == "bfloat16" else None


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and has_fast_bfloat16()
