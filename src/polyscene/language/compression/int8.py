"""Eight-bit weights and activations: a quarter of the size, and products of small integers.

A layer `y = W x + b` is computed as `y = Σ_j (W_ij s_j) ((x_j - c_j) / s_j) + (b + W c)_i`. Weights times s
are rounded symmetrically, with one scale per output. What is left of x after the channel's middle c is taken
off and its scale s divided out is rounded to one range for all channels, the range that was seen on texts.
The scales `s_j = r_j^α / w_j^(1-α)` (r_j half the range of channel j, w_j the largest weight it meets) share
the difficulty between both sides: Xiao et al., SmoothQuant, ICML 2023, eq. 4; taking the middle off is from
Wei et al., Outlier Suppression+, EMNLP 2023. α, and which share of a
channel's outermost values is cut off so that the others keep their precision, are chosen per layer by what
they cost on the same texts. None of it costs time later: rounding multiplies and adds per channel anyway.

Word embeddings are stored in eight bits too, one scale per word. Products run in oneDNN on a processor; sums
are exact integers, and everything between layers stays float32.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from polyscene.core.errors import ModelError
from polyscene.core.threads import cpu_flags
from polyscene.language.compression.compressing import Candidate
from polyscene.language.compression.copying import copied
from polyscene.language.compression.folders import save_noted, state
from polyscene.language.compression.judging import MEGA
from polyscene.language.compression.surgery import observed_inputs
from polyscene.language.model.architecture import linears
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.model.packed_bert import packable, packed
from polyscene.language.text.encoding import encode, tokenised
from polyscene.language.text.normalisation import normalise

WAY = "int8"
MAX_CALIBRATION_TOKENS = 1536
"""Calibrated on; drawn evenly from what is read."""

_LEVELS = 127  # of a weight on either side of zero
_SHARES = (0.4, 0.5, 0.6, 0.75)
_CUTS = (0.0, 1e-3, 4e-3)
_VNNI_FLAGS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})
_MIN_RANGE = 1e-9


def activation_levels() -> int:
    """Return how finely activations are resolved: 255 steps, 127 where pairs are summed in 16 bits.

    Processors without VNNI add two products in 16 bits, and 2 * 255 * 127 does not fit there.
    """
    return 127 if _VNNI_FLAGS.isdisjoint(cpu_flags()) else 255


class Int8Linear(nn.Module):
    """A linear layer in eight bits.

    Attributes:
        weight: (out, k) int8.
        scale: (out,) what one step of a weight is worth.
        bias: (out,) with what the middles add.
        middle: (k,) c, what is taken off each channel.
        spread: (k,) s, what each channel is divided by.
        reach: () the range of what is left goes from -reach to reach.
    """

    def __init__(self, out: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Buffer(torch.zeros(out, width, dtype=torch.int8))
        self.scale = nn.Buffer(torch.ones(out))
        self.bias = nn.Buffer(torch.zeros(out))
        self.middle = nn.Buffer(torch.zeros(width))
        self.spread = nn.Buffer(torch.ones(width))
        self.reach = nn.Buffer(torch.tensor(1.0))
        self._ready: tuple[Tensor, Tensor, Tensor, Tensor, float, int] | None = None

    @classmethod
    def of(cls, linear: nn.Linear, rows: Tensor) -> Int8Linear:
        """Return the layer rounded.

        Args:
            linear: the exact layer.
            rows: (n, k) what it reads.
        """
        rounded = cls(linear.out_features, linear.in_features)
        exact = linear.weight.detach()  # (out, k)
        best = min(candidate_roundings(exact, rows), key=lambda rounding: rounding.error(exact, rows))
        weight, scale = per_channel(exact * best.spread)
        with torch.no_grad():
            rounded.weight.copy_(weight)
            rounded.scale.copy_(scale)
            rounded.bias.copy_(exact @ best.middle)
            rounded.middle.copy_(best.middle)
            rounded.spread.copy_(best.spread)
            rounded.reach.copy_(best.reach)
            if getattr(linear, "bias", None) is not None:
                rounded.bias.add_(linear.bias)
        return rounded

    def forward(self, hidden: Tensor) -> Tensor:
        """Return (…, out) float32 of (…, k) float32."""
        weight, zeros, factor, shift, step, zero = self._prepared()
        rows = hidden.reshape(-1, hidden.shape[-1])  # (n, k)
        steps = torch.addcmul(shift, rows, factor).round_().clamp_(0, activation_levels()).to(torch.uint8)
        product = torch.ops.onednn.qlinear_pointwise(
            steps, step, zero, weight, self.scale, zeros, self.bias, 1.0, 0, torch.float32, "none", [], ""
        )  # (n, out)
        outputs: Tensor = product.view(*hidden.shape[:-1], -1)
        return outputs

    def _prepared(self) -> tuple[Tensor, Tensor, Tensor, Tensor, float, int]:
        """Return the weight as oneDNN lays it out, its zeros, and what turns x into whole steps."""
        if self._ready is None:
            zero = (activation_levels() + 1) // 2
            step = float(self.reach) / (activation_levels() - zero)
            factor = 1 / (self.spread * step)  # (k,)
            packed = torch.ops.onednn.qlinear_prepack(self.weight, None)
            zeros = torch.zeros(len(self.scale), dtype=torch.int32)
            self._ready = packed, zeros, factor, zero - self.middle * factor, step, zero
        return self._ready


class Int8Embedding(nn.Module):
    """Word embeddings in eight bits, one scale per word.

    Attributes:
        weight: (words, d) int8.
        scale: (words,) float32.
    """

    def __init__(self, num_embeddings: int, width: int, padding_idx: int | None = None) -> None:
        super().__init__()
        self.num_embeddings, self.padding_idx = num_embeddings, padding_idx
        self.weight = nn.Buffer(torch.zeros(num_embeddings, width, dtype=torch.int8))
        self.scale = nn.Buffer(torch.ones(num_embeddings))

    @classmethod
    def of(cls, embedding: nn.Embedding) -> Int8Embedding:
        """Return the table rounded."""
        rounded = cls(embedding.num_embeddings, embedding.embedding_dim, embedding.padding_idx)
        weight, scale = per_channel(embedding.weight.detach())
        rounded.load_state_dict({"weight": weight, "scale": scale})
        return rounded

    def forward(self, ids: Tensor) -> Tensor:
        """Return (…, d) float32 of (…) ids."""
        return self.weight[ids].float() * self.scale[ids].unsqueeze(-1)


def per_channel(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return (rows, k) int8 and (rows,) scales: weight ≈ int8 * scale, off by at most half a scale."""
    scale = weight.abs().amax(1).clamp(min=_MIN_RANGE) / _LEVELS  # (rows,)
    return (weight / scale[:, None]).round().to(torch.int8), scale.float()


@dataclass(frozen=True, eq=False)
class Rounding:
    """How a layer's inputs are rounded.

    Attributes:
        middle: (k,) c.
        spread: (k,) s.
        reach: () the largest value that is resolved, of what is left.
    """

    middle: Tensor
    spread: Tensor
    reach: Tensor

    def error(self, weight: Tensor, rows: Tensor) -> float:
        """Return the squared change of the outputs of (out, k) weights for (n, k) inputs."""
        left, steps = rows - self.middle, activation_levels() // 2
        step = self.reach / steps
        whole = (left / (self.spread * step)).round().clamp(-steps, steps)  # (n, k)
        small, scale = per_channel(weight * self.spread)
        rounded = (whole @ small.float().T) * scale * step  # (n, out)
        return float((rounded - left @ weight.T).square().sum())


def candidate_roundings(weight: Tensor, rows: Tensor) -> Iterator[Rounding]:
    """Yield every rounding that is tried for (out, k) weights that read (n, k) inputs."""
    top = weight.abs().amax(0).clamp(min=_MIN_RANGE)  # (k,)
    for cut in _CUTS:
        low, high = torch.quantile(rows, torch.tensor([cut, 1 - cut]), dim=0)  # (k,) each
        half = ((high - low) / 2).clamp(min=_MIN_RANGE)
        for share in _SHARES:
            spread = half**share / top ** (1 - share)
            yield Rounding((low + high) / 2, spread, (half / spread).max())


class InputSample:
    """What each layer has read: tokens drawn evenly.

    Args:
        layers: how many there are.
        tokens: how many tokens will be read in all, at least.
    """

    def __init__(self, layers: int, tokens: int) -> None:
        self.every = max(1, -(-tokens // MAX_CALIBRATION_TOKENS))
        self._rows: list[list[Tensor]] = [[] for _ in range(layers)]

    def add(self, place: int, rows: Tensor) -> None:
        """Take in (n, k) inputs of the layer `place`."""
        self._rows[place].append(rows[:: self.every].clone())

    def of(self, place: int) -> Tensor:
        """Return (m, k) inputs of a layer."""
        return torch.cat(self._rows[place])


def to_int8(model: LanguageModel, texts: Sequence[str]) -> Candidate:
    """Return the model in eight bits, ranges of activations taken from texts.

    Args:
        model: an encoder or a decoder on a processor; the BERT family are packed first.
        texts: what it is calibrated on; a few hundred texts of the catalogue are enough.

    Raises:
        ModelError: the model is not on a processor, or no text has a word.
    """
    _refuse(model, texts)
    exact = packed(replace(copied(model, f"int8 {list(texts)}"), autocast=None))
    parts = linears(exact.module)
    sample = InputSample(len(parts), sum(map(len, tokenised(model, texts))))
    with observed_inputs(exact.module, list(parts.values()), sample.add), torch.inference_mode():
        encode(exact, texts)
    for place, (path, linear) in enumerate(parts.items()):
        put_module(exact.module, path, Int8Linear.of(linear, sample.of(place)))
    put_word_embeddings(exact.module, Int8Embedding.of(word_embeddings(exact.module)))
    tensors = state(exact.module)
    facts = {"quick": packable(model.module)}
    return Candidate(
        model=exact,
        way="int8",
        stored_mb=sum(part.numel() * part.element_size() for part in tensors.values()) / MEGA,
        save=lambda folder: save_noted(exact, folder, WAY, facts, tensors),
        note="read by Polyscene alone; one text at a time gains little",
    )


def _refuse(model: LanguageModel, texts: Sequence[str]) -> None:
    if model.device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        raise ModelError(
            f"expected a language model on a processor with oneDNN, found one on {model.device}; eight-bit "
            "products run there alone: set [language] device = 'cpu'"
        )
    if not any(normalise(text) for text in texts):
        raise ModelError(
            f"expected texts to calibrate on, found {len(texts)} without a visible character; give it texts "
            "of the catalogue"
        )


def put_int8_layers(module: nn.Module) -> None:
    """Put eight-bit layers in place of all others, for weights that are loaded afterwards."""
    for path, linear in linears(module).items():
        put_module(module, path, Int8Linear(linear.out_features, linear.in_features))
    words = word_embeddings(module)
    put_word_embeddings(module, Int8Embedding(words.num_embeddings, words.embedding_dim, words.padding_idx))


def put_module(module: nn.Module, path: str, part: nn.Module) -> None:
    """Put `part` where `path` leads."""
    parent, _, name = path.rpartition(".")
    setattr(module.get_submodule(parent), name, part)


def word_embeddings(module: Any) -> nn.Embedding:  # noqa: ANN401 - every architecture has its own class
    """Return the word embeddings."""
    words: nn.Embedding = module.get_input_embeddings()
    return words


def put_word_embeddings(module: nn.Module, words: Int8Embedding) -> None:
    """Put `words` where the module keeps its word embeddings."""
    old = word_embeddings(module)
    put_module(module, next(path for path, part in module.named_modules() if part is old), words)
