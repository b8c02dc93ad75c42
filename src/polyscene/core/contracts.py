"""What the parts expect of each other, so that none has to know which part it is talking to.

A judge asks a `Ranker` for scores, a trainer turns the parameters of a `Learner`, a service
lets a `Policy` choose. Torch is named for the type checker only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from polyscene.core.types import FloatArray, LongArray

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Parameter

    from polyscene.core.settings.tuning import OptimiserSettings

Query = TypeVar("Query", contravariant=True)
Batch = TypeVar("Batch", bound=Sized)
Asked = TypeVar("Asked", contravariant=True)
Decided = TypeVar("Decided")

UNLABELLED = -100
"""A label that counts in no loss: the token is not asked for."""

VectorJudge = Callable[[FloatArray], float]
"""From (n, d) vectors of the n items or texts, in their order, to how well they serve; larger is better."""


class Ranker(Protocol[Query]):
    """Anything that scores a whole catalogue: a signal, the fusion, a peer."""

    def score(self, queries: Query) -> FloatArray:
        """Return (B, n_items) finite scores, larger is better."""
        ...


class Learner(Protocol[Batch]):
    """What a trainer can improve whatever its objective: batches, and a loss for each.

    A batch is whatever the learner makes of it; `len(batch)` says how many examples are in it.
    """

    def named_parameters(self) -> Iterable[tuple[str, Parameter]]:
        """Return what may be changed; names tell biases and norms, which are not decayed."""
        ...

    def batches(self, generator: np.random.Generator) -> Iterator[Batch]:
        """Yield one epoch of batches in a fresh order, chance drawn from the generator alone.

        A trainer draws an epoch again to count it, and to find its place after an interruption: batches
        should be cheap to draw, rows rather than tensors.
        """
        ...

    def loss(self, batch: Batch) -> Tensor:
        """Return the scalar to descend, computed in training mode; dropout draws from torch's own stream."""
        ...

    def validate(self) -> float:
        """Return what early stopping watches, computed in evaluation mode; smaller is better.

        NaN where nothing is held out: then the last weights count as the best.
        """
        ...

    def weights(self) -> Mapping[str, Tensor]:
        """Return a copy of the weights that training may change; what is frozen may be left out."""
        ...

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Put weights back into the same parameters, bit for bit."""
        ...


class Trainer(Protocol):
    """Improves a learner, so that whoever has a model need not know how it is trained."""

    def __call__(
        self,
        learner: Learner[Any],
        optimiser: OptimiserSettings,
        epochs: int,
        patience: int,
        minutes: float | None,
        seed: int,
    ) -> None:
        """Leave in the learner the weights that validated best.

        Args:
            optimiser: how weights move.
            epochs: at most so many rounds through its batches.
            patience: epochs without a better validation after which to stop.
            minutes: at most so long; None: as long as it takes.
            seed: of the order of the batches, and of dropout.
        """
        ...


class Stage(Protocol[Asked, Decided]):
    """One step from a request to a slate."""

    def __call__(self, request: Asked, decision: Decided) -> Decided:
        """Return the decision, with what this step found out."""
        ...


class Policy(Protocol):
    """Chooses a slate from scored candidates and knows with which probability it did."""

    def choose(
        self, scores: FloatArray, size: int, generator: np.random.Generator
    ) -> tuple[LongArray, FloatArray]:
        """Return (k,) places of the candidates in slate order and (k,) their propensities."""
        ...

    def probability(self, scores: FloatArray, slate: LongArray) -> FloatArray:
        """Return (k,) the probability with which each place of a slate would be what it is."""
        ...
