"""What rules do to one decision: which items they block, lift, pin, and what the slate must keep to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property

import numpy as np

from polyscene.core.errors import DataError, Problem
from polyscene.core.settings.rules import (
    BlockRule,
    BoostRule,
    CapRule,
    Fact,
    PinRule,
    QuotaRule,
    Rule,
    ValueRule,
)
from polyscene.core.text import shown
from polyscene.core.types import BoolArray, FloatArray, LongArray
from polyscene.engine.catalogue import LiveCatalogue
from polyscene.engine.filters import demand_attribute, demand_fit, demand_numbers, meeting
from polyscene.policies.limits import Cap, Limits, Quota

Context = Mapping[str, Fact]
MAX_PUT_FORWARD = 2_000
"""A rule puts its items forward where they are no more than this; else signals do."""


@dataclass(frozen=True)
class Effect:
    """What a rule did to one decision.

    Attributes:
        items: how many of the candidates it concerns; of a block, how many items of the catalogue.
        amount: of a boost, what it adds to the score; of a value, its power; of a cap or quota, how many;
            of a pin, its place.
        note: why it did nothing, or what it took for granted, where that is so.
    """

    rule: str
    kind: str
    items: int
    amount: float
    note: str = ""


@dataclass(frozen=True)
class RuleBook:
    """The rules of one scenario; replaced as a whole while it serves: a decision reads one book."""

    rules: tuple[Rule, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.rules)

    @cached_property
    def version(self) -> str:
        """12 characters that tell these rules from others; empty without any."""
        if not self.rules:
            return ""
        plain = [rule.model_dump(mode="json", by_alias=True) for rule in self.rules]
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:12]

    def active(
        self, context: Context, moment: datetime | None = None, without: Sequence[str] = ()
    ) -> tuple[Rule, ...]:
        """Return the rules that hold in a context.

        Args:
            context: of the request.
            moment: None: now.
            without: names of rules that are left aside.
        """
        if not self.rules:
            return ()
        now = moment or datetime.now(UTC)
        return tuple(rule for rule in self.rules if rule.name not in without and _holds(rule, context, now))

    def problems(self, catalogue: LiveCatalogue) -> list[Problem]:
        """Return what cannot be meant: attributes that items do not have, ids that are no items.

        An unknown id is a warning: the item may come, or have gone.
        """
        return [problem for rule in self.rules for problem in _problems(rule, catalogue)]


@dataclass(frozen=True)
class ActiveRules:
    """The rules that hold for one request.

    Args:
        rules: in their order.
        catalogue: of the scenario.
    """

    rules: tuple[Rule, ...] = ()
    catalogue: LiveCatalogue | None = field(default=None, repr=False)
    _masks: dict[str, BoolArray] = field(default_factory=dict, init=False, repr=False)

    def __bool__(self) -> bool:
        return bool(self.rules)

    def blocked(self) -> list[tuple[str, BoolArray]]:
        """Return the (n,) items that each block closes, by its name."""
        return [(rule.name, self.members(rule)) for rule in self.rules if isinstance(rule, BlockRule)]

    def put_forward(self, closed: BoolArray) -> LongArray:
        """Return the codes of open items that rules want to be candidates: pinned, lifted, or wanted."""
        wanted = np.zeros(len(closed), np.bool_)
        for rule in self.rules:
            if isinstance(rule, PinRule):
                wanted[self._known([rule.item])] = True
            elif isinstance(rule, QuotaRule) or (isinstance(rule, BoostRule) and rule.offset > 0):
                members = self.members(rule) & ~closed
                if int(members.sum()) <= MAX_PUT_FORWARD:
                    wanted |= members
        return np.flatnonzero(wanted & ~closed)

    def boosts(
        self, candidates: LongArray, spread: float, temperature: float
    ) -> tuple[dict[str, FloatArray], list[Effect]]:
        """Return by rule (C,) what it adds to the candidates' scores, of those that add anything.

        Args:
            spread: of the candidates' scores.
            temperature: what a score is divided by to be the logarithm of a probability, but for a constant.
        """
        added: dict[str, FloatArray] = {}
        effects: list[Effect] = []
        for rule in self.rules:
            if isinstance(rule, BoostRule):
                members = self.members(rule)[candidates]
                amount = np.float32(rule.offset * spread)
                added[rule.name] = np.where(members, amount, np.float32(0))
                effects.append(Effect(rule.name, rule.kind, int(members.sum()), float(amount)))
            elif isinstance(rule, ValueRule):
                worth, known = self._worth(rule, candidates)
                added[rule.name] = (rule.weight * temperature * worth).astype(np.float32)
                missing = len(candidates) - known
                note = f"{missing} without a number above 0 count as the typical one" if missing else ""
                effects.append(Effect(rule.name, rule.kind, known, rule.weight, note))
        return added, effects

    def _worth(self, rule: ValueRule, candidates: LongArray) -> tuple[FloatArray, int]:
        """Return (C,) logarithms of worth beside the typical one, and how many have any."""
        numbers = self._catalogue.column(rule.by).numbers[candidates].astype(np.float64)
        known = numbers > 0  # NaN is not
        logs = np.log(numbers, out=np.zeros(len(numbers)), where=known)
        if known.any():
            logs = np.where(known, logs - np.median(logs[known]), 0.0)
        return logs.astype(np.float32), int(known.sum())

    def limits(self, candidates: LongArray, size: int) -> tuple[Limits, list[Effect]]:
        """Return what the slate must keep to, in places of the candidates; of two pins the first wins."""
        pins: dict[int, int] = {}
        caps: list[Cap] = []
        quotas: list[Quota] = []
        effects: list[Effect] = []
        rows = {code: row for row, code in enumerate(candidates.tolist())} if self.rules else {}
        for rule in self.rules:
            if isinstance(rule, PinRule):
                effects.append(self._pin(rule, rows, pins, size))
            elif isinstance(rule, CapRule):
                groups = self.groups(rule)[candidates]
                caps.append(Cap(groups, rule.most))
                effects.append(Effect(rule.name, rule.kind, int(np.sum(groups >= 0)), rule.most))
            elif isinstance(rule, QuotaRule):
                members = self.members(rule)[candidates]
                quotas.append(Quota(members, rule.least))
                effects.append(Effect(rule.name, rule.kind, int(members.sum()), rule.least))
        return Limits(pins, tuple(caps), tuple(quotas)), effects

    def _pin(self, rule: PinRule, rows: Mapping[int, int], pins: dict[int, int], size: int) -> Effect:
        """Pin an item where that can be, and say so or why not."""
        code = self._known([rule.item])
        row = rows.get(int(code[0])) if len(code) else None
        note = ""
        if not len(code):
            note = "there is no such item"
        elif rule.place > size:
            note = f"the slate has {size} places"
        elif row is None:
            note = "the item may not be shown"
        elif rule.place - 1 in pins or row in pins.values():
            note = "an earlier rule holds the place or pins the item"
        else:
            pins[rule.place - 1] = row
        return Effect(rule.name, rule.kind, int(not note), rule.place, note)

    def members(self, rule: BlockRule | BoostRule | QuotaRule | CapRule) -> BoolArray:
        """Return (n,) the items that a rule is about: those it names, and those that meet its conditions."""
        if rule.name not in self._masks:
            catalogue = self._catalogue
            members = meeting(catalogue, rule.where) if rule.where else np.zeros(len(catalogue), np.bool_)
            members[self._known(rule.items)] = True
            self._masks[rule.name] = members
        return self._masks[rule.name]

    def groups(self, rule: CapRule) -> LongArray:
        """Return (n,) the group of each item in a cap; -1: none."""
        if rule.by is not None:
            return self._catalogue.column(rule.by).groups
        return np.where(self.members(rule), 0, -1).astype(np.int64)

    def _known(self, items: Sequence[str]) -> LongArray:
        codes = [self._catalogue.ids.get(item) for item in items]
        return np.array([code for code in codes if code is not None], np.int64)

    @property
    def _catalogue(self) -> LiveCatalogue:
        if self.catalogue is None:
            raise RuntimeError("expected rules with the catalogue that they are about, found none")
        return self.catalogue


def _holds(rule: Rule, context: Context, now: datetime) -> bool:
    if (rule.start is not None and now < rule.start) or (rule.until is not None and now >= rule.until):
        return False
    return all(
        name in context and context[name] in (wanted if isinstance(wanted, tuple) else (wanted,))
        for name, wanted in rule.when.items()
    )


def _problems(rule: Rule, catalogue: LiveCatalogue) -> list[Problem]:
    named: tuple[str, ...] = ()
    if isinstance(rule, PinRule):
        named = (rule.item,)
    elif not isinstance(rule, ValueRule):
        named = rule.items
    problems = [
        Problem(
            f"the rule {shown(rule.name)} names an item that is not there",
            f"ids of items of scenario {shown(catalogue.scenario)}",
            shown(item),
            "mend the id; until the item is there, the rule does nothing with it",
            severity="warning",
        )
        for item in named
        if catalogue.ids.get(item) is None
    ]
    try:
        if isinstance(rule, ValueRule):
            demand_numbers(catalogue, rule.by)
        if isinstance(rule, CapRule) and rule.by is not None:
            demand_attribute(catalogue, rule.by)
        for name, condition in ({} if isinstance(rule, PinRule | ValueRule) else rule.where).items():
            demand_fit(catalogue, name, condition)
    except DataError as error:
        head = f"the rule {shown(rule.name)}: "
        problems += [replace(problem, what=head + problem.what) for problem in error.problems]
    return problems
