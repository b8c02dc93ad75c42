"""What the language model is tuned for: texts on the one side, losses on the other, joined here.

Every objective is a `polyscene.core.contracts.Learner` over the texts of one scenario. Objectives of one
model share its reader, so that their weighted sum is what the trainer makes of several learners anyway.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn import Parameter, functional

from polyscene.core.contracts import VectorJudge
from polyscene.core.settings.tuning import TuningDetails
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.data.queries import Choices, Histories
from polyscene.data.schema import EventLog
from polyscene.language.tuning.cached_encoder import CachedEncoder
from polyscene.language.tuning.pretraining import WordHead, hidden_words
from polyscene.training.losses import binary_loss, contrast_loss, slate_loss, squared_loss, token_loss

LEAST_BATCH, BATCHES = 32, 20
"""Small batches where there is little, so that an epoch still has this many steps."""


@dataclass(frozen=True)
class TuningData:
    """What one scenario's texts are tuned on.

    Attributes:
        choices: what people chose, with what they had done by then.
        log: the events that may be learned from.
        n_users: of the project.
        decay: what an event still counts in a person's profile after each later one.
        judge: of vectors, on choices held out from all this; None where nothing is held out.
    """

    choices: Choices
    log: EventLog
    n_users: int
    decay: float
    judge: VectorJudge | None


class TextLearner(ABC):
    """What all objectives share: the reader's weights, and early stopping by what the vectors are worth."""

    def __init__(self, reader: CachedEncoder, lesson: TuningData, settings: TuningDetails) -> None:
        self.reader, self.lesson, self.settings = reader, lesson, settings
        self.head: nn.Module = nn.Identity()

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yield the reader's weights and the objective's own."""
        yield from self.reader.named_parameters()
        for name, parameter in self.head.named_parameters():
            yield f"head.{name}", parameter

    def embeddings(self) -> Iterable[nn.Module]:
        """Return where an adversary may push."""
        return self.reader.embeddings()

    def validate(self) -> float:
        """Return minus the worth of the present vectors; NaN where nothing is held out."""
        return math.nan if self.lesson.judge is None else -self.lesson.judge(self.reader.all())

    def weights(self) -> Mapping[str, Tensor]:
        """Return copies of what learns, and of what its training remembers."""
        return {name: tensor.detach().clone() for name, tensor in self._kept()}

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Put weights back."""
        with torch.no_grad():
            for name, tensor in self._kept():
                tensor.copy_(weights[name])

    def _kept(self) -> Iterator[tuple[str, Tensor]]:
        yield from self.named_parameters()
        yield from self.reader.memory()

    @abstractmethod
    def __len__(self) -> int:
        """Return how many cases there are."""

    @abstractmethod
    def batches(self, generator: np.random.Generator) -> Iterator[Any]:
        """Yield one epoch of batches."""

    @abstractmethod
    def loss(self, batch: Any) -> Tensor:  # noqa: ANN401 - each objective's own
        """Return the scalar to descend."""

    @property
    def batch_size(self) -> int:
        """How many cases a step takes: many while the projection alone learns, fewer where there are few."""
        most = self.settings.projection_batch if self.reader.resting else self.settings.batch
        return min(most, max(LEAST_BATCH, len(self) // BATCHES))

    def _rows(self, n: int, generator: np.random.Generator) -> Iterator[LongArray]:
        """Yield the rows 0 to n in a fresh order; a last batch below half the size is left out."""
        order = generator.permutation(n)
        for start in range(0, n, self.batch_size):
            rows = order[start : start + self.batch_size]
            if start == 0 or 2 * len(rows) >= self.batch_size:
                yield rows

    def _resampled(self, histories: Histories, generator: np.random.Generator) -> Histories:
        """Leave out a random share of the past events, never a person's last one."""
        share = self.settings.history_dropout
        if not share:
            return histories
        kept = (generator.random(len(histories.items)) >= share) | (histories.ages == 0)
        counts = np.bincount(histories.rows[kept], minlength=len(histories))
        offsets = np.concatenate([[0], np.cumsum(counts)])
        return Histories(offsets, histories.items[kept], histories.times[kept], histories.weights[kept])

    def _profiles(self, histories: Histories, vectors: Tensor, columns: LongArray) -> Tensor:
        """Return (B, d) decayed sums of the (C, d) vectors of what people did; `columns` (m,) says which."""
        decay = torch.from_numpy(
            (histories.weights * self.lesson.decay**histories.ages).astype(np.float32)
        )  # (m,)
        heard = vectors[torch.from_numpy(columns)] * decay.to(vectors.device)[:, None]  # (m, d)
        rows = torch.from_numpy(histories.rows).to(vectors.device)
        profiles = torch.zeros(len(histories), vectors.shape[1], device=vectors.device)
        return functional.normalize(profiles.index_add(0, rows, heard), dim=-1)

    def _read(self, *items: LongArray | IntArray) -> tuple[Tensor, LongArray, list[LongArray]]:
        """Return (C, d) vectors of the distinct items, the items (C,), and each argument's columns."""
        flat = np.concatenate([np.asarray(some, np.int64).ravel() for some in items])
        distinct, columns = np.unique(flat, return_inverse=True)
        self.reader.train(True)
        ends = np.cumsum([some.size for some in items])[:-1]
        return self.reader.embed(distinct), distinct, np.split(columns, ends)


class CoEngagement(TextLearner):
    """What the same people choose near each other belongs together.

    A person's latest events are the anchor, the next choice the positive, all other texts of the batch the
    negatives; what the person chose at any time is no negative, and popularity is corrected for.
    """

    def __init__(self, reader: CachedEncoder, lesson: TuningData, settings: TuningDetails) -> None:
        super().__init__(reader, lesson, settings)
        kept = np.flatnonzero(lesson.choices.queries.history.lengths > 0)
        self._choices = lesson.choices.pick(kept)
        counts = np.bincount(lesson.log.item, minlength=len(reader)) + 1.0
        self._log_popularity = torch.from_numpy(np.log(counts / counts.sum()).astype(np.float32))
        known = (np.ones(len(lesson.log), np.float32), (lesson.log.user, lesson.log.item))
        self._chosen = sparse.csr_array(sparse.coo_array(known, shape=(lesson.n_users, len(reader))))

    def __len__(self) -> int:
        return len(self._choices)

    def batches(self, generator: np.random.Generator) -> Iterator[Choices]:
        """Yield one epoch of choices."""
        for rows in self._rows(len(self._choices), generator):
            some = self._choices.pick(rows)
            histories = self._resampled(some.queries.history, generator)
            queries = type(some.queries)(some.queries.user, some.queries.time, histories)
            yield Choices(queries, some.target)

    def loss(self, batch: Choices) -> Tensor:
        """Return the contrast of each choice against the texts of the batch."""
        history = batch.queries.history
        vectors, items, (past, target) = self._read(history.items, batch.target)
        others = self._chosen[batch.queries.user][:, items].toarray() > 0  # (B, C)
        others[history.rows, past] = True
        device = vectors.device
        return contrast_loss(
            self._profiles(history, vectors, past),
            vectors,
            torch.from_numpy(target).to(device),
            self._log_popularity[torch.from_numpy(items)].to(device),
            torch.from_numpy(others).to(device),
            self.settings.temperature,
        )


class Feedback(TextLearner):
    """What people said of an item, told from its text and theirs: a yes or no, or a value.

    Args:
        cases: events with their histories; `labels` (n,) in [0, 1] for "bce", standardised for "mse".
        kind: "bce" a click or a like, "mse" a rating or dwell time.
    """

    def __init__(
        self,
        reader: CachedEncoder,
        lesson: TuningData,
        settings: TuningDetails,
        cases: Choices,
        labels: FloatArray,
        kind: str,
    ) -> None:
        super().__init__(reader, lesson, settings)
        self._cases, self._labels, self._kind = cases, torch.from_numpy(labels), kind
        self.head = nn.Linear(1, 1)
        with torch.no_grad():
            self.head.weight.fill_(1.0 / settings.temperature if kind == "bce" else 1.0)
            self.head.bias.zero_()

    def __len__(self) -> int:
        return len(self._cases)

    def batches(self, generator: np.random.Generator) -> Iterator[LongArray]:
        """Yield one epoch of rows."""
        yield from self._rows(len(self._cases), generator)

    def loss(self, batch: LongArray) -> Tensor:
        """Return the cross-entropy or the squared error of what text and history foretell."""
        cases = self._cases.pick(batch)
        vectors, _, (past, target) = self._read(cases.queries.history.items, cases.target)
        profiles = self._profiles(cases.queries.history, vectors, past)
        cosine = (profiles * vectors[torch.from_numpy(target)]).sum(dim=1, keepdim=True)  # (B, 1)
        said: Tensor = self.head(cosine)[:, 0]
        labels = self._labels[torch.from_numpy(batch)].to(said.device)
        return (binary_loss if self._kind == "bce" else squared_loss)(said, labels)


class Order(TextLearner):
    """The chosen above what was shown beside it.

    Args:
        slates: requests, (B, L) items shown, -1 where a slate is shorter, and (B, L) what each was worth.
    """

    def __init__(
        self,
        reader: CachedEncoder,
        lesson: TuningData,
        settings: TuningDetails,
        slates: tuple[Histories, LongArray, FloatArray],
    ) -> None:
        super().__init__(reader, lesson, settings)
        self._histories, self._items, self._worth = slates

    def __len__(self) -> int:
        return len(self._items)

    def batches(self, generator: np.random.Generator) -> Iterator[LongArray]:
        """Yield one epoch of rows."""
        yield from self._rows(len(self._items), generator)

    def loss(self, batch: LongArray) -> Tensor:
        """Return the softmax loss over each slate."""
        histories, items = self._histories.pick(batch), self._items[batch]
        shown = items >= 0  # (B, L)
        vectors, _, (past, columns) = self._read(histories.items, np.where(shown, items, items[:, :1]))
        profiles = self._profiles(histories, vectors, past)  # (B, d)
        slate = vectors[torch.from_numpy(columns.reshape(items.shape))]  # (B, L, d)
        scores = (slate @ profiles[:, :, None])[:, :, 0] / self.settings.temperature  # (B, L)
        worth = torch.from_numpy(self._worth[batch]).to(scores.device)
        return slate_loss(scores, worth, torch.from_numpy(shown).to(scores.device))


class Pretraining(TextLearner):
    """The company's words themselves: hidden ones for an encoder, the next one for a decoder."""

    def __init__(self, reader: CachedEncoder, lesson: TuningData, settings: TuningDetails) -> None:
        super().__init__(reader, lesson, settings)
        self.head = WordHead(reader.model)
        self._spoken = np.flatnonzero(reader.lengths > 2)

    def embeddings(self) -> Iterable[nn.Module]:
        """Return the embedded tokens: words are read anew each time, through every layer."""
        return [self.reader.model.words]

    def __len__(self) -> int:
        return len(self._spoken)

    def batches(self, generator: np.random.Generator) -> Iterator[tuple[LongArray, int]]:
        """Yield one epoch of rows, and the seed that says which words are hidden."""
        for rows in self._rows(len(self._spoken), generator):
            yield self._spoken[rows], int(generator.integers(2**31))

    def loss(self, batch: tuple[LongArray, int]) -> Tensor:
        """Return the cross-entropy of the words that the model has to find."""
        rows, seed = batch
        self.reader.train(True)
        case = hidden_words(self.reader.model, [self.reader.tokens[row] for row in rows], seed)
        logits = self.head(case.states(self.reader.model))
        return token_loss(logits, case.labels)
