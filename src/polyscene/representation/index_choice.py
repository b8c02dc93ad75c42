"""Which kind of index there is over so many vectors, and whether it finds as much as is wanted of it."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from polyscene.core.growing import GrowingArray
from polyscene.core.registry import Registry
from polyscene.core.seeds import generator
from polyscene.core.settings import index as settings_of_index
from polyscene.core.settings.index import AUTO, IndexSettings
from polyscene.core.types import FloatArray, LongArray
from polyscene.representation.index import NOBODY, VectorIndex
from polyscene.representation.index_clusters import ClusterIndex
from polyscene.representation.index_exact import ExactIndex

INDEXES: Registry[type[VectorIndex]] = settings_of_index.INDEXES
"""Every kind by name; a module is loaded when it is asked for."""

EXACT = 4_096
"""Up to so many vectors all are compared, where nothing is said of time."""
BYTES_PER_MILLISECOND = 8_000_000
"""That one search through all vectors reads from memory."""
CHECKED = 100
"""Vectors whose nearest are looked for."""
NEAREST = 200
"""So many of them: as many as a signal puts forward."""
EFFORTS = (1, 2, 4, 8)


@dataclass(frozen=True)
class IndexCheck:
    """What an index was found to find.

    Attributes:
        kind: the kind that answers from now on.
        vectors: how many can be found.
        asked: the kind that was checked.
        recall: share of the nearest that it found, 0 to 1.
        wanted: the share that it should find.
        effort: the effort it took, see `VectorIndex`.
        milliseconds: per search.
        latency_ms: how long one may take; None: nothing is said.
    """

    kind: str
    vectors: int
    asked: str
    recall: float
    wanted: float
    effort: int
    milliseconds: float
    latency_ms: float | None = None

    @property
    def measured(self) -> bool:
        """Whether the index that was checked might have missed anything."""
        return self.asked != ExactIndex.name

    @property
    def live_recall(self) -> float:
        """The recall of the kind that answers from now on."""
        return self.recall if self.kind == self.asked else 1.0

    def __str__(self) -> str:
        """Return it as a sentence without its end."""
        facts = f"index {self.asked} over {self.vectors:,} vectors: recall@{NEAREST} {self.recall:.3f}"
        if self.kind != self.asked:
            return f"{facts}, {self.wanted:.3f} is wanted: all vectors are compared instead"
        effort = f" with {self.effort} times the usual effort" if self.effort > 1 else ""
        late = self.latency_ms is not None and self.milliseconds > self.latency_ms
        slow = f", {self.latency_ms:g} ms are wanted" if late else ""
        return f"{facts}{effort}, {self.milliseconds:.2f} ms a search{slow}"


def kind_for(vectors: int, width: int, settings: IndexSettings) -> str:
    """Return the name of the kind for so many vectors; the same on every machine.

    Args:
        vectors: how many.
        width: d.
        settings: what is wanted.
    """
    if settings.kind != AUTO:
        return settings.kind
    if settings.latency_ms is None:
        return ExactIndex.name if vectors <= EXACT else ClusterIndex.name
    milliseconds = vectors * width * np.dtype(np.float32).itemsize / BYTES_PER_MILLISECOND
    return ExactIndex.name if milliseconds <= settings.latency_ms else ClusterIndex.name


def index_over(vectors: FloatArray | GrowingArray[np.float32], settings: IndexSettings) -> VectorIndex:
    """Return an index over (n, d) vectors.

    Raises:
        MissingExtraError: its library is not installed.
    """
    rows = vectors if isinstance(vectors, GrowingArray) else GrowingArray(vectors)
    if not np.any(rows.array):
        return ExactIndex(rows)  # there is nothing yet that another kind could learn from
    return INDEXES[kind_for(len(rows), rows.array.shape[1], settings)](rows)


def checked(index: VectorIndex, settings: IndexSettings) -> IndexCheck:
    """Measure what an index finds of its own vectors' nearest, with more effort until it is enough.

    The effort that was enough is kept. Where none is, the check says that the exact kind should answer.
    """
    queries = index.sample(CHECKED, generator(0, "index check"))
    wanted, facts = settings.recall, (len(index), index.name)
    if index.exact or not len(queries):
        return IndexCheck(index.name, *facts, 1.0, wanted, 1, 0.0, settings.latency_ms)
    truth, _ = index.best_of_all(queries, NEAREST)
    recall = milliseconds = 0.0
    for effort in EFFORTS:
        index.effort = effort
        recall, milliseconds = _measured(index, queries, truth)
        if recall >= wanted:
            return IndexCheck(index.name, *facts, recall, wanted, effort, milliseconds, settings.latency_ms)
    return IndexCheck(ExactIndex.name, *facts, recall, wanted, EFFORTS[-1], milliseconds, settings.latency_ms)


def _measured(index: VectorIndex, queries: FloatArray, truth: LongArray) -> tuple[float, float]:
    start = time.perf_counter()
    answers = [index.search(query[None], truth.shape[1])[0][0] for query in queries]
    milliseconds = 1_000 * (time.perf_counter() - start) / len(queries)
    return recall_of(np.stack(answers), truth), milliseconds


def recall_of(answers: LongArray, truth: LongArray) -> float:
    """Return the share of the (B, k) nearest that are among the (B, k) answers; 1 where there are none."""
    hits = [np.isin(true[true != NOBODY], answer).sum() for true, answer in zip(truth, answers, strict=True)]
    return float(np.sum(hits) / max(int(np.sum(truth != NOBODY)), 1)) if np.any(truth != NOBODY) else 1.0
