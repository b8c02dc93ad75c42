"""A new policy in the shadow of the one that serves: what it would have shown is computed, and not shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polyscene.core.errors import DataError
from polyscene.core.types import FloatArray, LongArray
from polyscene.policies.limits import Limits
from polyscene.policies.policy import Policy
from polyscene.policies.registry import choice_of


@dataclass(frozen=True)
class Shadowed:
    """What a policy in the shadow says of one decision.

    Attributes:
        policy: with all it is told.
        places: (k,) of the candidates that it would have shown.
        propensities: (k,) with which it would have put each there.
        of_shown: (k,) with which it would have put there what was shown: the target of off-policy evaluation.
        refused: why it could not choose; empty where it did.
    """

    policy: dict[str, object]
    places: LongArray
    propensities: FloatArray
    of_shown: FloatArray
    refused: str = ""

    def plain(self) -> dict[str, object]:
        """Return it as a log keeps it."""
        if self.refused:
            return {"policy": self.policy, "refused": self.refused}
        return {
            "policy": self.policy,
            "places": self.places.tolist(),
            "propensities": self.propensities.tolist(),
            "of_shown": self.of_shown.tolist(),
        }


def shadowed(
    policy: Policy,
    scores: FloatArray,
    shown: LongArray,
    size: int,
    seed: int,
    limits: Limits,
    deviations: FloatArray | None = None,
) -> Shadowed:
    """Return what a policy would have done with a decision that another one made, or why it would refuse.

    Args:
        policy: in the shadow.
        scores: (C,) as the serving policy saw them.
        shown: (k,) places of the candidates that were shown.
        size: how many were asked for.
        seed: of its chance.
        limits: of the slate.
        deviations: (C,) of the scores; None: nobody knows them.
    """
    knowing = policy.knowing(deviations)
    try:
        places, propensities = knowing.choose(scores, size, np.random.default_rng(seed), limits)
    except DataError as error:  # what nobody sees must not keep anybody from being served: the log says it
        nothing = np.zeros(0, np.float32)
        return Shadowed(choice_of(policy), np.zeros(0, np.int64), nothing, nothing, str(error))
    return Shadowed(choice_of(policy), places, propensities, knowing.probability(scores, shown, limits))
