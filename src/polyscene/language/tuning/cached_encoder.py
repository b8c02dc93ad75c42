"""Reads the same texts again and again while a language model learns; what cannot change is read once.

Of every text the pooled layers below the first one that learns are kept, and what that layer reads:
tuning the top layer of six then costs a sixth of the way there and back.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import Parameter, functional

from polyscene.core.progress import Progress, Silent
from polyscene.core.types import BoolArray, FloatArray, IntArray, LongArray
from polyscene.language.model.architecture import stack
from polyscene.language.model.language_model import LanguageModel, hidden_states
from polyscene.language.model.packed_bert import packed
from polyscene.language.model.pooling import pool
from polyscene.language.model.projection import Projection
from polyscene.language.model.token_embeddings import phrases_of
from polyscene.language.text.activation_cache import States
from polyscene.language.text.cache import EncodingCache, pool_cached
from polyscene.language.text.encoding import (
    DEFAULT_BATCH_TOKENS,
    distinct_texts,
    padded,
    padded_batches,
    pooled_layers,
    tokenised,
    within_budget,
)
from polyscene.language.text.normalisation import normalise
from polyscene.language.tuning import adalora_budget
from polyscene.language.tuning.known_texts import KnownTexts
from polyscene.language.tuning.partial_forward import answers_in_tuples, upper_states
from polyscene.language.tuning.resting import RestingTexts, tokens_at

IN_MEMORY = 2**30
"""Activations above so many bytes lie in a temporary file."""


class CachedEncoder:
    """The texts of one catalogue, as a language model that is being tuned reads them.

    Args:
        model: dressed for tuning, see `polyscene.language.tuning.methods`.
        texts: n texts.
        frozen: how many lower layers never change; 0: none but the embedded tokens, -1: not even these.
        batch_tokens: padded tokens per pass.
        progress: told of the first reading.
        cache: of what the model reads before it has learned anything; None: nothing is kept beyond here.

    Attributes:
        resting: take every layer as first read, while the projection alone learns.
    """

    def __init__(
        self,
        model: LanguageModel,
        texts: Sequence[str],
        frozen: int,
        batch_tokens: int = DEFAULT_BATCH_TOKENS,
        progress: Progress | None = None,
        cache: EncodingCache | None = None,
    ) -> None:
        self.model, self.texts = model, [normalise(text) for text in texts]
        self.frozen, self.batch_tokens = frozen, batch_tokens
        self.tokens = tokenised(model, self.texts)
        self.lengths = np.asarray([len(row) for row in self.tokens], dtype=np.int64)  # (n,)
        self.entrance = nn.Identity()  # what the first layer that learns reads passes through here
        self._tuples = answers_in_tuples(model)
        self._offsets = np.concatenate([[0], np.cumsum(self.lengths)])
        self._flat = np.concatenate([*self.tokens, np.zeros(0, np.int32)]).astype(np.int64)  # (m,)
        depth = len(stack(model.module))
        self.layers = model.projection.layers if model.projection is not None else (depth,)
        self._kept = [place for place, layer in enumerate(self.layers) if layer <= frozen]
        self._live = [place for place, layer in enumerate(self.layers) if layer > frozen]
        self._pooled = np.zeros((len(texts), len(self.layers), model.width), np.float32)
        self._activations = self._space() if frozen > 0 and self._live else None
        self.resting = not self._live
        self._read(progress or Silent(), cache)
        self._resting_texts = RestingTexts(self._pooled, self._flat, self._offsets)

    def __len__(self) -> int:
        return len(self.texts)

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yield what learns: weights of the model that ask for gradients, and the projection."""
        for name, parameter in () if self.resting else self.model.module.named_parameters():
            if parameter.requires_grad:
                yield name, parameter
        if self.model.projection is not None:
            for name, parameter in self.model.projection.named_parameters():
                yield f"projection.{name}", parameter

    def every_parameter(self) -> Iterator[tuple[str, Parameter]]:
        """Yield what can learn, at rest or not."""
        resting, self.resting = self.resting, False
        parameters = list(self.named_parameters())
        self.resting = resting
        yield from parameters

    def memory(self) -> Iterator[tuple[str, Tensor]]:
        """Yield what a training remembers of the weights beside them: AdaLoRA's budget, elsewhere nothing."""
        budget = getattr(self.model.module, adalora_budget.NAME, None)
        if isinstance(budget, adalora_budget.RankBudget):
            for name, buffer in budget.named_buffers():
                yield f"{adalora_budget.NAME}.{name}", buffer

    def embeddings(self) -> Iterable[nn.Module]:
        """Return where an adversary may push: before the first layer that learns, or the embedded tokens."""
        if self.frozen > 0:
            return [self.entrance]
        return [self.model.words]

    def train(self, on: bool) -> None:
        """Switch dropout on or off."""
        self.model.module.train(on)
        if self.model.projection is not None:
            self.model.projection.train(on)

    def embed(self, rows: LongArray) -> Tensor:
        """Return (b, d) unit vectors of the named texts, with gradients; 0 where a text has no token."""
        rows = np.asarray(rows, dtype=np.int64)
        if self.resting or not self._live:
            vectors = self._at_rest(rows)
        else:
            order = np.argsort(self.lengths[rows], kind="stable")[::-1]  # longest first
            portions = within_budget(order, self.lengths[rows], self.batch_tokens)
            parts = [self._upper(rows[places]) for places in portions]
            pooled = torch.cat(parts)[torch.from_numpy(np.argsort(order))]
            vectors = self._projected(pooled, rows)
        has_tokens = self.lengths[rows] > 0  # (b,)
        return vectors if has_tokens.all() else vectors * _column(has_tokens, vectors)

    def all(self) -> FloatArray:
        """Return (n, d) vectors of all texts as the model reads them now, without dropout or gradients."""
        self.train(False)
        size = max(1, self.batch_tokens)
        vectors = np.zeros((len(self), self._dimension), np.float32)
        order = np.argsort(self.lengths, kind="stable")
        with torch.inference_mode():
            for start in range(0, len(order), size):
                rows = order[start : start + size]
                vectors[rows] = self.embed(rows).cpu().numpy()
        vectors[self.lengths == 0] = 0.0
        return vectors

    @property
    def vocabulary(self) -> set[int]:
        """Return the token ids that stand for words in these texts."""
        return {int(token) for token in np.unique(self._flat)} - set(self.model.tokenizer.all_special_ids)

    @property
    def phrases(self) -> LongArray:
        """Return the keys of every text's phrases, see `token_embeddings.phrases_of`."""
        mute = self.model.tokenizer.all_special_ids
        return phrases_of(self._flat, self._offsets, self.model.words.num_embeddings, mute)

    @property
    def pooled(self) -> FloatArray:
        """Return (n, L, width) pooled layers as the first reading found them."""
        return self._pooled

    @property
    def _dimension(self) -> int:
        return self.model.dimension if self.model.projection is None else self.model.projection.dimension

    def _at_rest(self, rows: LongArray) -> Tensor:
        """Return (b, d) unit vectors of every layer as first read."""
        projection, texts = self.model.projection, self._resting_texts
        here = self.model.device.type == "cpu"
        if (
            here
            and isinstance(projection, Projection)
            and (projection.training or texts.prepared_by(projection))
        ):
            return texts.read(projection, rows)
        return self._projected(torch.from_numpy(self._pooled[rows]).to(self.model.device), rows)

    def _projected(self, pooled: Tensor, rows: LongArray) -> Tensor:
        if self.model.projection is None:
            return functional.normalize(pooled[:, 0], dim=-1)
        at, starts = tokens_at(self._offsets, rows)
        tokens = torch.from_numpy(self._flat[at]).to(pooled.device)
        projected: Tensor = self.model.projection(pooled, tokens, starts.to(pooled.device))
        return projected

    def _upper(self, rows: LongArray) -> Tensor:
        """Return (b, L, width) pooled layers: kept ones as they were, the others read now."""
        if self.frozen <= 0:
            ids, mask = self._padded([self.tokens[row] for row in rows])
            states = hidden_states(self.model.module, ids, mask, self.model.autocast)
        else:
            hidden, mask = self._hidden(rows)
            states = upper_states(self.model, self.frozen, self.entrance(hidden), mask, self._tuples)
        pooled = list(torch.from_numpy(self._pooled[rows]).to(self.model.device).unbind(1))
        for place in self._live:
            pooled[place] = pool(states[self.layers[place]].float(), mask, self.model.pooling)
        return torch.stack(pooled, dim=1)

    def _padded(self, rows: Sequence[IntArray]) -> tuple[Tensor, Tensor]:
        padding = int(self.model.tokenizer.pad_token_id)
        some = [row if len(row) else np.asarray([padding], np.int32) for row in rows]
        ids, mask = padded(some, padding)
        device = self.model.device
        return torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)

    def _hidden(self, rows: LongArray) -> tuple[Tensor, Tensor]:
        """Return (b, length, d) kept activations and (b, length) their mask; an empty text gets one zero."""
        assert self._activations is not None
        lengths = np.maximum(self.lengths[rows], 1)  # (b,)
        places = np.arange(lengths.max())  # (length,)
        mask = places < lengths[:, None]  # (b, length)
        at = self._offsets[rows][:, None] + np.minimum(places, lengths[:, None] - 1)  # (b, length)
        activations = self._activations[np.minimum(at, len(self._activations) - 1)]
        hidden = torch.from_numpy(np.ascontiguousarray(activations)).to(self.model.device).float()
        return hidden, torch.from_numpy(mask.astype(np.int64)).to(self.model.device)

    def _space(self) -> NDArray[np.float16]:
        shape = (max(int(self._offsets[-1]), 1), self.model.width)
        if 2 * shape[0] * shape[1] <= IN_MEMORY:
            return np.zeros(shape, np.float16)
        with tempfile.TemporaryFile() as file:  # the map keeps what it needs of it
            return np.memmap(file, np.float16, "w+", shape=shape)

    def _read(self, progress: Progress, cache: EncodingCache | None) -> None:
        """Read every text once as the model is now; keep what cannot change."""
        self.train(False)
        model, (distinct, rows) = packed(self.model), distinct_texts(self.texts)
        if cache is not None and self._activations is None:
            self._pooled = pool_cached(
                model, distinct, self.layers, cache, batch_tokens=self.batch_tokens, progress=progress
            )[rows]
            return
        readers = np.split(np.argsort(rows, kind="stable"), np.cumsum(np.bincount(rows))[:-1])
        unread, known = np.arange(len(distinct)), None
        if cache is not None and distinct:
            known = KnownTexts(cache, model, distinct, self.layers, self.frozen)
            unread = self._taken(known, readers, progress)
        some = [distinct[place] for place in unread]
        tokens = [self.tokens[readers[place][0]] for place in unread]
        for places, ids, mask in padded_batches(model, some, tokens, self.batch_tokens, progress):
            with torch.inference_mode():
                states = hidden_states(model.module, ids, mask, model.autocast)
                pooled = pooled_layers(model, states, mask, self.layers)  # (b, L, width)
                kept = None if self._activations is None else states[self.frozen].cpu().numpy()
            for number, place in enumerate(unread[places]):
                self._pooled[readers[place]] = pooled[number]
                if kept is not None:
                    self._keep(readers[place], kept[number])
            if known:
                firsts = [readers[place][0] for place in unread[places]]
                known.add(unread[places], pooled, [self._kept_of(row) for row in firsts])
        if known:
            known.store()

    def _taken(self, known: KnownTexts, readers: Sequence[LongArray], progress: Progress) -> LongArray:
        """Take what is known of the texts; return the places of those that are not."""
        unread = np.ones(len(readers), np.bool_)

        def take(place: int, pooled: FloatArray, states: States) -> None:
            if len(states) == self.lengths[readers[place][0]]:
                self._pooled[readers[place]] = pooled
                self._keep(readers[place], states)
                unread[place] = False

        known.read(take)
        if not unread.all():
            progress.say(f"{int(np.sum(~unread)):,} of {len(unread):,} texts were read before")
        return np.flatnonzero(unread)

    def _kept_of(self, row: int) -> States:
        assert self._activations is not None
        kept: States = self._activations[self._offsets[row] : self._offsets[row + 1]]
        return kept

    def _keep(self, rows: LongArray, activations: FloatArray | States) -> None:
        """Keep the (length, width) activations of the texts of these rows, which are the same text."""
        assert self._activations is not None
        for row in rows:
            start, stop = self._offsets[row], self._offsets[row + 1]
            self._activations[start:stop] = activations[: stop - start]


def _column(flags: BoolArray, beside: Tensor) -> Tensor:
    """Return (b,) flags as a column for a tensor of b rows."""
    return torch.from_numpy(flags).to(beside.device)[:, None]
