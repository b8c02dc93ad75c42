"""What should be known of a slate beside its items: that it is not personal, and why it is short."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from polyscene.core.text import shown
from polyscene.engine.barring import Cause, bars_of, first_causes
from polyscene.engine.decision import Decision, Request
from polyscene.engine.state import NO_USER

SUITS_EVERYBODY = "this is what suits everybody"
CAUSES: Mapping[Cause, str] = {
    Cause.SEEN: "were had already and are not shown again",
    Cause.BLOCKED: "are blocked by a rule",
    Cause.EXCLUDED: "are excluded",
    Cause.EARLIER: "were shown on earlier pages",
    Cause.FILTERED: "do not meet the filter",
    Cause.UNWANTED: "are not among those asked for",
    Cause.REMOVED: "were taken out",
    Cause.ABSENT: "are not there yet",
}
MIN_SAME, SAME_SHARE = 3, 0.3
"""Where so many places, and this share of them, have one and the same reason, it is said once for all."""


def notes_of(decision: Decision, request: Request) -> tuple[str, ...]:
    """Return the sentences about a decided request."""
    notes = (_impersonal(decision, request) or _sameness(decision), _shortage(decision, request))
    return tuple(note for note in notes if note is not None)


def _impersonal(decision: Decision, request: Request) -> str | None:
    """Say why the slate is what everybody would get, where it is."""
    queries, fusion = decision.queries, decision.state.fusion
    name = shown(request.user) if request.history is None else "this history"
    if request.history is None and decision.user == NO_USER:
        return f"nobody called {name} is known: {SUITS_EVERYBODY}"
    elsewhere = any(len(past.items) for past in queries.elsewhere.values())
    if not len(queries.history.items) and not elsewhere:
        if request.history is not None:
            return f"the history is empty: {SUITS_EVERYBODY}"
        return f"{name} is known, but nothing they did counts here yet: {SUITS_EVERYBODY}"
    if len(decision.candidates) and fusion.silent(decision.features)[0]:
        alone = fusion.used_alone(new=not len(queries.history.items))
        signal = f"'{alone}', which is used alone here," if alone else "no signal"
        verb = "has nothing" if alone else "has anything"
        return f"{signal} {verb} to say of {name}: {SUITS_EVERYBODY}"
    return None


def _sameness(decision: Decision) -> str | None:
    """Say that one reason stands behind many places, where nothing more can be said of them."""
    if not decision.reasons:
        return None
    reason, count = Counter(decision.reasons).most_common(1)[0]
    if count < max(MIN_SAME, SAME_SHARE * len(decision.reasons)):
        return None
    return f"{count:,} of {len(decision.reasons):,} places have one reason, the same for everybody: {reason}"


def _shortage(decision: Decision, request: Request) -> str | None:
    """Say why fewer items are shown than were asked for, where that is so."""
    n_shown, n_items = len(decision.places), len(decision.closed)
    if n_shown >= request.size:
        return None
    causes = [text for count, text in _causes(decision, request) if count]
    places = "no item can be shown" if not n_shown else f"only {n_shown:,} of {request.size:,} can be shown"
    return (
        f"{places}: of {n_items:,} items, {', '.join(causes)}" if causes else f"{places}: there are no more"
    )


def _causes(decision: Decision, request: Request) -> list[tuple[int, str]]:
    """Return how many items are closed for which reason; each is counted once."""
    counts = first_causes(list(bars_of(request, decision)), len(decision.closed))
    return [(count, f"{count:,} {CAUSES[cause]}") for cause, count in counts.items()]
