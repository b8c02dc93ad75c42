"""One request and everything that was decided on it: slate, reasons, log and replay read the same record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from polyscene.core.types import BoolArray, FloatArray, LongArray
from polyscene.data.queries import Queries
from polyscene.engine.state import ScenarioState, System
from polyscene.recommenders.fusion.features import Block, Prepared


@dataclass(frozen=True)
class Request:
    """What is asked.

    Attributes:
        scenario: None where there is only one.
        size: how many items at most.
        exclude: ids of items that shall not be shown.
        also: ids of items that are scored whether or not they are candidates, to be explained.
        reasons: whether every place gets the reason for it.
        only: ids of items that the answer shall consist of; None: any.
        where: an SQL condition that the items shall meet; None: none.
        history: ids of items, oldest first, that stand in place of what the user did; None: they do not.
    """

    user: str
    scenario: str | None = None
    size: int = 10
    exclude: Sequence[str] = ()
    also: Sequence[str] = ()
    reasons: bool = True
    only: Sequence[str] | None = None
    where: str | None = None
    history: Sequence[str] | None = None


@dataclass
class Decision:
    """What the stages found out, in the order in which they do.

    Attributes:
        state: of the scenario.
        user: code; -1 is a stranger.
        position: of the event stream: how many events were known.
        queries: the request with what the user had done, as a batch of one.
        prepared: what each signal says.
        closed: (n,) which items may not be shown.
        candidates: (C,) item codes.
        ranked: how many of the candidates, the first ones, were put forward and are ranked by the fusion.
        block: the features that the fusion saw.
        scores: (C,) fused.
        places: (k,) of the candidates that are shown, best first.
        propensities: (k,) with which the policy put them there.
        shares: by place of the slate, what each signal adds to the score; empty without reasons.
        reasons: by place of the slate, a sentence; empty without reasons.
    """

    system: System
    state: ScenarioState
    user: int
    position: int
    queries: Queries
    prepared: Prepared = ()
    closed: BoolArray = field(default_factory=lambda: np.zeros(0, np.bool_))
    candidates: LongArray = field(default_factory=lambda: np.zeros(0, np.int64))
    ranked: int = 0
    block: Block | None = None
    scores: FloatArray = field(default_factory=lambda: np.zeros(0, np.float32))
    places: LongArray = field(default_factory=lambda: np.zeros(0, np.int64))
    propensities: FloatArray = field(default_factory=lambda: np.zeros(0, np.float32))
    shares: list[dict[str, float]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    @property
    def features(self) -> Block:
        """Return what the fusion sees.

        Raises:
            RuntimeError: nothing was scored yet.
        """
        if self.block is None:
            raise RuntimeError("expected a decision after its stage 'score', found one before it")
        return self.block

    @property
    def codes(self) -> LongArray:
        """Return (k,) the item codes of the slate."""
        return self.candidates[self.places]
