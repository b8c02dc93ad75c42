"""A forward pass of our own for the BERT family on a processor: exact, and for reading only.

It differs from the published one in four ways, none of which changes a vector beyond rounding. Padding is
never computed: the tokens of all texts lie in one row, and only attention looks at texts, all those of one
length at once. Queries, keys and values are one product. Work goes in pieces that stay in the processor's
cache. Pieces, not the rows of one product, are shared among threads, so that no thread waits for another
after every step.

It does not train (gradients do not flow), nor does it run on a graphics card.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.modeling_outputs import BaseModelOutput

from polyscene.language.model.fused_linear import linear_for_reading
from polyscene.language.model.language_model import LanguageModel

BERT_FAMILY = frozenset({"bert", "roberta", "xlm-roberta", "camembert"})
"""Architectures, as transformers call them, whose layers are BERT's."""

TOKENS_PER_PIECE = 512
MAX_SHORT_TOKENS = 128
"""Tokens up to which a text's attention is computed in plain products."""


def packed(model: LanguageModel) -> LanguageModel:
    """Return the same model with its forward pass replaced by `PackedEncoder`, or as it is.

    It stays as it is on a graphics card, where the architecture is not one of `BERT_FAMILY`, and where
    something was put into the module, such as an adapter. Weights are shared with the original, but for
    queries, keys and values; a later change of those is not seen.
    """
    if model.device.type != "cpu" or not packable(model.module):
        return model
    return replace(model, module=PackedEncoder(model.module, model.autocast).eval())


def packable(module: nn.Module) -> bool:
    """Return whether `PackedEncoder` computes what the module computes."""
    config = getattr(module, "config", None)
    return (
        getattr(config, "model_type", None) in BERT_FAMILY
        and not getattr(config, "is_decoder", False)
        and getattr(config, "position_embedding_type", "absolute") in ("absolute", None)
        and hasattr(module, "encoder")
        and all(_untouched(part) for part in module.modules())
    )


def _untouched(part: nn.Module) -> bool:
    """Return whether a module is transformers' or torch's own, and nobody else changes its output.

    transformers itself leaves hooks behind where all layers were asked for.
    """
    hooks = (*part._forward_hooks.values(), *part._forward_pre_hooks.values())
    homes = [type(part).__module__, *(getattr(hook, "__module__", "") for hook in hooks)]
    return all(home.startswith(("transformers.", "torch.nn.modules.")) for home in homes)


@dataclass(frozen=True)
class Piece:
    """Some texts' tokens without padding.

    Attributes:
        ids: (T,) token ids, text after text.
        positions: (T,) each token's place in its text, from 0.
        runs: (first token, texts, tokens per text) of neighbouring texts of one length.
    """

    ids: Tensor
    positions: Tensor
    runs: tuple[tuple[int, int, int], ...]


class PackedEncoder(nn.Module):
    """BERT over tokens without padding.

    Args:
        published: a module for which `packable` holds; its weights are used, not changed.
        precision: what products are computed in; None means float32. Sums, norms and the result stay float32.
    """

    def __init__(self, published: nn.Module, precision: torch.dtype | None = None) -> None:
        super().__init__()
        parts: Any = published
        known = parts.embeddings
        self.config = parts.config
        self.words = known.word_embeddings
        first = 0 if parts.config.model_type == "bert" else known.padding_idx + 1  # as RoBERTa counts
        places = known.position_embeddings.weight.detach()[first:]  # (positions, d)
        self.places = nn.Buffer(places + known.token_type_embeddings.weight.detach()[0])
        self.norm = known.LayerNorm
        self.layers = nn.ModuleList(PackedLayer(layer, precision) for layer in parts.encoder.layer)

    def get_input_embeddings(self) -> nn.Embedding:
        """Return the word embeddings, as a module of transformers does."""
        words: nn.Embedding = self.words
        return words

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, output_hidden_states: bool = False
    ) -> BaseModelOutput:
        """Read texts.

        Args:
            input_ids: (n, length) token ids.
            attention_mask: (n, length) 1 for a text's tokens, which lie side by side, 0 for padding.
            output_hidden_states: whether all layers are wanted.

        Returns:
            `last_hidden_state` (n, length, d), 0 where there is padding, and, where they are wanted,
            `hidden_states`: the embedded tokens and the output of every layer, in the same shape.
        """
        read = self._states if output_hidden_states else self._last
        with torch.inference_mode(), torch.autocast(input_ids.device.type, enabled=False):
            pieces = list(_pieces(input_ids, attention_mask))
            states = [torch.cat(parts) for parts in zip(*_shared(read, pieces), strict=True)]  # (T, d) each
            padded = tuple(_padded(state, attention_mask.bool()) for state in states)
        every = padded if output_hidden_states else None
        return BaseModelOutput(last_hidden_state=padded[-1], hidden_states=every)

    def _last(self, piece: Piece) -> tuple[Tensor, ...]:
        return tuple(deque(self._read(piece), maxlen=1))  # lower layers are let go: they fill the cache

    def _states(self, piece: Piece) -> tuple[Tensor, ...]:
        return tuple(self._read(piece))

    def _read(self, piece: Piece) -> Iterator[Tensor]:
        """Yield the embedded tokens, then what every layer makes of them, each (T, d)."""
        with torch.inference_mode():
            hidden: Tensor = self.words(piece.ids) + functional.embedding(piece.positions, self.places)
            hidden = self.norm(hidden)
            yield hidden
            for layer in self.layers:
                hidden = layer(hidden, piece.runs)
                yield hidden


class PackedLayer(nn.Module):
    """One of BERT's layers; heads and neurons may be fewer than the configuration says.

    Args:
        published: a layer of transformers' BERT.
        precision: of the products; None means float32.
    """

    def __init__(self, published: nn.Module, precision: torch.dtype | None) -> None:
        super().__init__()
        layer: Any = published
        attention = layer.attention
        self.head_size = int(attention.self.attention_head_size)
        mixed = _stacked([attention.self.query, attention.self.key, attention.self.value])
        self.mixed = linear_for_reading(mixed, precision)
        self.out = linear_for_reading(attention.output.dense, precision)
        self.out_norm = attention.output.LayerNorm
        inner = layer.intermediate
        self.up = linear_for_reading(inner.dense, precision, inner.intermediate_act_fn)
        self.down = linear_for_reading(layer.output.dense, precision)
        self.down_norm = layer.output.LayerNorm
        self.precision = precision or torch.float32

    def forward(self, hidden: Tensor, runs: tuple[tuple[int, int, int], ...]) -> Tensor:
        """Return (T, d) of (T, d); `runs` as in `Piece`."""
        mixed = self.mixed(hidden.to(self.precision))  # (T, 3 * heads * head_size)
        context = mixed.new_empty((len(mixed), mixed.shape[1] // 3))  # (T, heads * head_size)
        for first, texts, length in runs:
            part = slice(first, first + texts * length)
            shape = (texts, length, -1, self.head_size)
            query, key, value = (
                each.reshape(shape).transpose(1, 2) for each in mixed[part].chunk(3, dim=-1)
            )  # (texts, heads, length, head_size)
            context[part].view(shape).copy_(_attended(query, key, value).transpose(1, 2))
        hidden = self.out_norm(self.out(context).float().add_(hidden))  # (T, d)
        inner = self.up(hidden.to(self.precision))  # (T, neurons)
        normed: Tensor = self.down_norm(self.down(inner).float().add_(hidden))  # (T, d)
        return normed


def _attended(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return softmax(query keyᵀ / √d) value, all (texts, heads, length, d).

    Torch's own way is made for long texts; in bfloat16 three plain products take half its time on short ones.
    """
    if query.dtype != torch.bfloat16 or query.shape[2] > MAX_SHORT_TOKENS:
        return functional.scaled_dot_product_attention(query, key, value)
    asked, keys, values = (each.flatten(0, 1) for each in (query, key, value))  # (texts * heads, length, d)
    nothing = asked.new_empty(()).expand(len(asked), *2 * asked.shape[1:2])
    scale = asked.shape[2] ** -0.5
    scores = torch.baddbmm(nothing, asked, keys.transpose(1, 2), beta=0, alpha=scale)
    return torch.bmm(torch.softmax(scores, -1), values).view(query.shape)


def _stacked(linears: list[nn.Linear]) -> nn.Linear:
    """Return one layer whose output is that of all the layers, side by side."""
    weight = torch.cat([linear.weight.detach() for linear in linears])  # (3 * heads * head_size, d)
    stacked = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
    stacked.weight = nn.Parameter(weight, requires_grad=False)
    biases = [linear.bias.detach() for linear in linears]
    stacked.bias = nn.Parameter(torch.cat(biases), requires_grad=False)
    return stacked


def _pieces(ids: Tensor, mask: Tensor) -> Iterator[Piece]:
    """Yield the texts of a padded batch in pieces of about `TOKENS_PER_PIECE` tokens, in order."""
    lengths = mask.sum(1)  # (n,)
    tokens = ids[mask.bool()]  # (T,)
    ends = lengths.cumsum(0)  # (n,)
    starts = ends - lengths  # (n,)
    positions = torch.arange(len(tokens)) - starts.repeat_interleave(lengths)  # (T,)
    number = torch.div(starts, TOKENS_PER_PIECE, rounding_mode="floor")  # (n,)
    for first, last in pairwise(_borders(number)):
        part = slice(int(starts[first]), int(ends[last - 1]))
        yield Piece(tokens[part], positions[part], _runs(lengths[first:last]))


def _runs(lengths: Tensor) -> tuple[tuple[int, int, int], ...]:
    borders = _borders(lengths)
    runs, token = [], 0
    for first, last in pairwise(borders):
        texts, length = last - first, int(lengths[first])
        if length:
            runs.append((token, texts, length))
        token += texts * length
    return tuple(runs)


def _borders(values: Tensor) -> list[int]:
    """Return where stretches of equal values begin, and where the last one ends."""
    _, counts = torch.unique_consecutive(values, return_counts=True)
    return [0, *counts.cumsum(0).tolist()]


def _padded(tokens: Tensor, mask: Tensor) -> Tensor:
    """Return (n, length, d) with the (T, d) tokens where the (n, length) mask is true, 0 elsewhere."""
    spread = tokens.new_zeros((*mask.shape, tokens.shape[-1]))
    spread[mask] = tokens
    return spread


def _shared(read: Callable[[Piece], tuple[Tensor, ...]], pieces: list[Piece]) -> list[tuple[Tensor, ...]]:
    """Read the pieces with as many threads as torch may use, each piece by one thread."""
    workers = min(torch.get_num_threads(), len(pieces))
    if workers <= 1:
        return [read(piece) for piece in pieces]
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return list(pool.map(read, pieces))
