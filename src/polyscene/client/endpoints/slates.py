"""Slates, events, and what can be asked about both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypeAlias
from uuid import uuid4

from polyscene.client import answers
from polyscene.client.endpoint import Walk, endpoint
from polyscene.client.requests import Event, Parts, VisitEvent, said

Seen: TypeAlias = Literal["hide", "allow"]
Policy: TypeAlias = str | Mapping[str, object]


def _asked(
    user: str,
    scenario: str | None,
    k: int,
    exclude: Sequence[str] | None,
    only: Sequence[str] | None,
    history: Sequence[str] | None,
    events: Sequence[VisitEvent] | None,
    policy: Policy | None,
    explore: bool,
    context: Mapping[str, str | float | bool] | None,
    filter: Mapping[str, object] | None,  # noqa: A002 - as the service calls it
    seen: Seen | None,
    cursor: str | None,
    reasons: bool,
) -> dict[str, Any]:
    named = {"name": policy} if isinstance(policy, str) else policy
    return said(
        user=user,
        scenario=scenario,
        k=k,
        exclude=exclude,
        only=only,
        history=history,
        events=events,
        policy=named,
        explore=explore,
        context=context,
        filter=filter,
        seen=seen,
        cursor=cursor,
        reasons=reasons,
    )


class Slates:
    """Asks for slates."""

    @endpoint("POST /v1/recommendations", answers.Slate)
    def recommend(
        self,
        user: str,
        scenario: str | None = None,
        k: int = 10,
        *,
        exclude: Sequence[str] | None = None,
        only: Sequence[str] | None = None,
        history: Sequence[str] | None = None,
        events: Sequence[VisitEvent] | None = None,
        policy: Policy | None = None,
        explore: bool = True,
        context: Mapping[str, str | float | bool] | None = None,
        filter: Mapping[str, object] | None = None,  # noqa: A002 - as the service calls it
        seen: Seen | None = None,
        cursor: str | None = None,
        reasons: bool = True,
    ) -> Parts:
        """Return the best items for a user, or those that the policy draws.

        Args:
            scenario: may be left out where there is only one.
            k: how many items at most.
            exclude: items that shall not be shown.
            only: items that the slate shall consist of.
            history: items, oldest first, in place of what the user did.
            events: as `history`, with actions.
            policy: its name, or its name with what it is told; None: as the scenario is configured.
            explore: False: the best in their order, whatever the policy.
            context: facts about the request.
            filter: conditions on attributes, all of which hold.
            seen: whether what the user had is shown; None: as the scenario does.
            cursor: of the page before.
            reasons: False is faster.
        """
        body = _asked(
            *(user, scenario, k, exclude, only, history, events, policy, explore),
            *(context, filter, seen, cursor, reasons),
        )
        return Parts(body=body)

    all_slates = Walk(recommend, "cursor", lambda slate: slate.cursor, lambda slate: (slate,))

    @endpoint("POST /v1/predictions", answers.Predictions)
    def predict(
        self,
        user: str,
        items: Sequence[str],
        scenario: str | None = None,
        *,
        history: Sequence[str] | None = None,
    ) -> Parts:
        """Return how likely each item is the user's next choice, and what the signal `multitask` expects.

        Args:
            items: ids.
            scenario: may be left out where there is only one.
            history: items, oldest first, in place of what the user did.
        """
        return Parts(body=said(user=user, items=items, scenario=scenario, history=history))

    @endpoint("GET /v1/explanations", answers.Explanation)
    def explain(self, user: str, item: str, scenario: str | None = None) -> Parts:
        """Return where an item stands for a user now, what each signal adds, and the past items behind it."""
        return Parts(query={"user": user, "item": item, "scenario": scenario})

    @endpoint("GET /v1/explanations/why-not", answers.WhyNot)
    def why_not(
        self, user: str, item: str, scenario: str | None = None, k: int = 10, seen: Seen | None = None
    ) -> Parts:
        """Return which stage keeps an item out of a user's slate now, and the least that would let it in."""
        return Parts(query={"user": user, "item": item, "scenario": scenario, "k": k, "seen": seen})

    @endpoint("POST /v1/explanations/why-not", answers.WhyNot)
    def why_not_of(
        self,
        item: str,
        user: str,
        scenario: str | None = None,
        k: int = 10,
        *,
        exclude: Sequence[str] | None = None,
        only: Sequence[str] | None = None,
        history: Sequence[str] | None = None,
        events: Sequence[VisitEvent] | None = None,
        policy: Policy | None = None,
        explore: bool = True,
        context: Mapping[str, str | float | bool] | None = None,
        filter: Mapping[str, object] | None = None,  # noqa: A002 - as the service calls it
        seen: Seen | None = None,
        cursor: str | None = None,
    ) -> Parts:
        """Return the same for a whole request; see `recommend`."""
        body = _asked(
            *(user, scenario, k, exclude, only, history, events, policy, explore),
            *(context, filter, seen, cursor, False),
        )
        return Parts(body=body | {"item": item})

    @endpoint("GET /v1/users/{user}/decisions", answers.PastSlates)
    def past_slates(self, user: str, limit: int = 20) -> Parts:
        """Return the latest slates of a user, latest first."""
        return Parts({"user": user}, {"limit": limit})

    @endpoint("GET /v1/decisions/{decision}", answers.Decision)
    def decision(self, decision: str) -> Parts:
        """Return what was decided for a slate."""
        return Parts({"decision": decision})

    @endpoint("GET /v1/decisions/{decision}/replay", answers.Replay)
    def replay(self, decision: str) -> Parts:
        """Draw a past slate again, and return whether it is the same bit for bit."""
        return Parts({"decision": decision})


class Events:
    """Sends events."""

    @endpoint("POST /v1/events", answers.Receipt)
    def send_event(
        self,
        user: str,
        item: str,
        scenario: str,
        action: str = "click",
        *,
        value: float | None = None,
        time: datetime | None = None,
        id: str | None = None,  # noqa: A002 - as the service calls it
        key: str | None = None,
    ) -> Parts:
        """Send one event; when the answer comes it is on the disk, and every later request sees it.

        Args:
            value: a rating, seconds, an amount: what the action measures.
            time: when; UTC where it has no offset; None: now, or next where only order counts.
            id: by which the event is known again if it is sent twice.
            key: by which this request is known if it comes again; None: one is made, once for all attempts.
        """
        return _sent(Event(user, item, scenario, action, value, time, id), key)

    @endpoint("POST /v1/events/batch", answers.Receipt)
    def send_events(self, events: Sequence[Event], *, key: str | None = None) -> Parts:
        """Send many events in their order, all or none of them; else as with one."""
        return _sent({"events": events}, key)


def _sent(body: object, key: str | None) -> Parts:
    return Parts(body=body, headers={"Idempotency-Key": uuid4().hex if key is None else key})


class Lists:
    """Asks what there is, and what is alike."""

    @endpoint("GET /v1/scenarios", answers.Scenarios)
    def scenarios(self) -> Parts:
        """Return the run that answers and its scenarios, with how many items each has and its actions."""
        return Parts()

    @endpoint("GET /v1/scenarios/{scenario}/popular", answers.ItemList)
    def popular(self, scenario: str, k: int = 10) -> Parts:
        """Return the items that are chosen most, the same for everybody."""
        return Parts({"scenario": scenario}, {"k": k})

    @endpoint("GET /v1/scenarios/{scenario}/latest", answers.ItemList)
    def latest(self, scenario: str, k: int = 10) -> Parts:
        """Return the newest items, the same for everybody."""
        return Parts({"scenario": scenario}, {"k": k})

    @endpoint("GET /v1/items/{scenario}/{item}/similar", answers.SimilarItems)
    def similar_items(self, scenario: str, item: str, k: int = 10) -> Parts:
        """Return the items most like one item."""
        return Parts({"scenario": scenario, "item": item}, {"k": k})

    @endpoint("GET /v1/users/{user}/similar", answers.SimilarUsers)
    def similar_users(self, user: str, scenario: str | None = None, k: int = 10) -> Parts:
        """Return the users whose vectors are most like one user's."""
        return Parts({"user": user}, {"scenario": scenario, "k": k})

    @endpoint("GET /v1/history", answers.History)
    def history(self, user: str) -> Parts:
        """Return the latest items of a user in every scenario, newest first."""
        return Parts(query={"user": user})
