"""What rules did to each place of a slate, for reasons, answers and the log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from polyscene.core.settings.rules import BoostRule, CapRule, PinRule, QuotaRule, ValueRule
from polyscene.engine.decision import Decision

WORDS: Mapping[str, str] = {
    "pin": "pinned here by the rule '{rule}'",
    "boost": "{amount:+.3g} on its score by the rule '{rule}'",
    "value": "{amount:+.3g} on its score by what it is worth, the rule '{rule}'",
    "quota": "counts for the rule '{rule}'",
}


class Mark(NamedTuple):
    """A rule that concerns one place of a slate.

    Attributes:
        place: from 0.
        amount: of a boost or a value, what it added to the score; else 0.
    """

    place: int
    rule: str
    kind: str
    amount: float = 0.0


def pinned_by(decision: Decision) -> dict[int, str]:
    """Return by place, from 0, the rule that pinned what stands there; its propensity is 1."""
    rules = {one.item: one.name for one in reversed(decision.rules.rules) if isinstance(one, PinRule)}
    pins = set(decision.limits.pins.values())
    ids = decision.state.catalogue.ids
    return {
        place: rules[ids[int(decision.candidates[row])]]
        for place, row in enumerate(decision.places.tolist())
        if row in pins
    }


def marks_of(decision: Decision) -> list[Mark]:
    """Return which rules concern which places: who is pinned, lifted, or wanted by a quota."""
    return sorted(_marks(decision)) if decision.rules else []


def rules_by_place(decision: Decision) -> list[tuple[str, ...]]:
    """Return by place of the slate what rules did to it, each in a few words."""
    words: list[tuple[str, ...]] = [()] * len(decision.places)
    for mark in marks_of(decision):
        words[mark.place] += (WORDS[mark.kind].format(rule=mark.rule, amount=mark.amount),)
    return words


def _marks(decision: Decision) -> Iterator[Mark]:
    for place, name in pinned_by(decision).items():
        yield Mark(place, name, "pin")
    for rule in decision.rules.rules:
        if isinstance(rule, BoostRule | QuotaRule):
            members = decision.rules.members(rule)[decision.codes]
            amounts = decision.boosts.get(rule.name, np.zeros(len(decision.scores)))[decision.places]
            for place in np.flatnonzero(members).tolist():
                yield Mark(place, rule.name, rule.kind, float(amounts[place]))
        elif isinstance(rule, ValueRule):
            for place, amount in enumerate(decision.boosts[rule.name][decision.places].tolist()):
                yield Mark(place, rule.name, rule.kind, amount)


def capping(decision: Decision, code: int) -> list[tuple[str, int]]:
    """Return the caps that a slate has used up for one item: the rule, and how many it allows."""
    return [
        (rule.name, rule.most)
        for rule in decision.rules.rules
        if isinstance(rule, CapRule)
        and (group := int(decision.rules.groups(rule)[code])) >= 0
        and int(np.sum(decision.rules.groups(rule)[decision.codes] == group)) >= rule.most
    ]
