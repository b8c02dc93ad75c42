"""One request and everything that was decided on it: slate, reasons, log and replay read the same record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import numpy as np

from polyscene.core.settings.conditions import Condition
from polyscene.core.types import BoolArray, FloatArray, LongArray
from polyscene.data.queries import Queries
from polyscene.engine.rules import ActiveRules, Context, Effect
from polyscene.engine.state import ScenarioState, System
from polyscene.policies.greedy import Greedy
from polyscene.policies.limits import NO_LIMITS, Limits
from polyscene.policies.policy import Policy
from polyscene.policies.shadow import Shadowed
from polyscene.recommenders.fusion.features import Block, Prepared

GREEDY = Greedy()
_NO_MASK, _NO_CODES, _NO_NUMBERS = np.zeros(0, np.bool_), np.zeros(0, np.int64), np.zeros(0, np.float32)


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
        weights: how much each of the history counts; None: 1 each.
        policy: by which the slate is chosen; None: the scenario's.
        explore: whether the policy may; if not, the best stand in their order.
        seed: of the policy's chance; None: one of its own.
        context: what the request says of itself, by name; rules may look at it.
        filter: conditions on attributes that the items shall meet.
        seen: whether what the user had is left out; None: as the scenario does.
        earlier: ids of items that earlier pages showed.
        moment: at which rules are held against their times; None: now.
        every: whether every open item is a candidate.
        without_rules: names of rules that are left aside.
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
    weights: Sequence[float] | None = None
    policy: Policy | None = None
    explore: bool = True
    seed: int | None = None
    context: Context = field(default_factory=dict)
    filter: Mapping[str, Condition] = field(default_factory=dict)
    seen: Literal["hide", "allow"] | None = None
    earlier: Sequence[str] = ()
    moment: datetime | None = None
    every: bool = False
    without_rules: Sequence[str] = ()


@dataclass
class Decision:
    """What the stages found out, in the order in which they do.

    Attributes:
        state: of the scenario.
        user: code; -1 is a stranger.
        position: of the event stream: how many events were known.
        queries: the request with what the user had done, as a batch of one.
        policy: that chooses.
        seed: of its chance, and of the policy in the shadow; 0 where neither explores.
        rules: that hold.
        rules_version: of the book they stand in; empty without one.
        prepared: what each signal says.
        closed: (n,) which items may not be shown.
        candidates: (C,) item codes.
        ranked: how many of the candidates, the first ones, were put forward and are ranked by the fusion.
        block: the features that the fusion saw.
        scores: (C,) fused, with what rules add.
        deviations: (C,) how uncertain the scores are; None: nobody asked, or no signal knows.
        limits: what the slate keeps to, in places of the candidates.
        boosts: by rule (C,) what it adds to the scores.
        effects: what each rule did.
        places: (k,) of the candidates that are shown, best first.
        propensities: (k,) with which the policy put each there, given those before it; 1 where a rule did.
        shadowed: what the policy in the shadow would have done; None: there is none.
        shares: by place of the slate, what each signal adds to the score; empty without reasons.
        reasons: by place of the slate, a sentence; empty without reasons.
    """

    system: System
    state: ScenarioState
    user: int
    position: int
    queries: Queries
    policy: Policy = GREEDY
    seed: int = 0
    rules: ActiveRules = field(default_factory=ActiveRules)
    rules_version: str = ""
    prepared: Prepared = ()
    closed: BoolArray = field(default_factory=lambda: _NO_MASK)
    candidates: LongArray = field(default_factory=lambda: _NO_CODES)
    ranked: int = 0
    block: Block | None = None
    scores: FloatArray = field(default_factory=lambda: _NO_NUMBERS)
    deviations: FloatArray | None = None
    limits: Limits = NO_LIMITS
    boosts: Mapping[str, FloatArray] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    places: LongArray = field(default_factory=lambda: _NO_CODES)
    propensities: FloatArray = field(default_factory=lambda: _NO_NUMBERS)
    shadowed: Shadowed | None = None
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
