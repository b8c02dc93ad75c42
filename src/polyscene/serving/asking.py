"""Bodies of requests as the engine takes them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from polyscene.core.errors import DataError, Problem
from polyscene.core.seeds import derived
from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.core.text import shown
from polyscene.engine.decision import Request
from polyscene.engine.pipeline import SEED_BITS
from polyscene.engine.updates import ActionWeights
from polyscene.policies.registry import policy_of
from polyscene.serving.bodies import RecommendationBody, VisitEventBody
from polyscene.serving.checking import with_neutral_actions
from polyscene.serving.cursors import Chain


def request_of(
    body: RecommendationBody,
    decision_id: str,
    chain: Chain,
    settings: ScenarioSettings,
    actions: Sequence[str],
    moment: datetime | None = None,
) -> Request:
    """Return what a body asks for.

    Args:
        body: as it was sent.
        decision_id: from which the seed of chance follows.
        chain: the pages before.
        settings: of the scenario, whose actions weigh the events of a visit.
        actions: that the scenario knows.
        moment: at which it is asked; None: now.

    Raises:
        DataError: an action of the visit is not known.
    """
    history, weights = body.history, None
    if body.events is not None:
        history, weights = _visit(body.events, settings, actions)
    return Request(
        body.user,
        body.scenario,
        body.k,
        body.exclude,
        reasons=body.reasons,
        only=body.only,
        history=history,
        weights=weights,
        policy=None if body.policy is None else policy_of(body.policy),
        explore=body.explore,
        seed=derived(0, decision_id) >> (63 - SEED_BITS),
        context=body.context,
        filter=body.filter,
        seen=body.seen,
        earlier=chain.earlier,
        moment=moment or datetime.now(UTC),
    )


def _visit(
    events: Sequence[VisitEventBody], settings: ScenarioSettings, actions: Sequence[str]
) -> tuple[list[str], list[float]]:
    """Return the items of a visit and how much each counts; what weighs nothing is left out."""
    strange = next((event.action for event in events if event.action not in actions), None)
    if strange is not None:
        raise DataError(
            Problem(
                "an event of the visit has an unknown action",
                f"one of {', '.join(actions)}",
                shown(strange),
                "name one of these, or give it a weight in the scenario's `actions`",
            )
        )
    weighing = ActionWeights.of(with_neutral_actions(settings))
    pairs = [(event.item, weighing.of_action(event.action)[0]) for event in events]
    counting = [(item, weight) for item, weight in pairs if weight > 0]
    return [item for item, _ in counting], [weight for _, weight in counting]
