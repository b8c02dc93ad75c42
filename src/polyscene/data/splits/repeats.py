"""Whether people choose a thing again: by the share of choices that did, never by a single one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from polyscene.core.types import BoolArray
from polyscene.data.schema import EventLog

MIN_SHARE = 0.05
"""From this share of an action's choices on, what a user has had may be shown again."""
Z = 1.96
"""The share counts by the lower end of its 95 % interval, so that one repeat in ten events proves nothing."""


@dataclass(frozen=True, slots=True)
class ActionRepeats:
    """How often the choices of one action were of something that the user had had before.

    Attributes:
        again: choices of an item that the same user had chosen at an earlier moment, by the same action:
            to buy what one looked at is no repeat.
        choices: all choices of the action.
    """

    action: str
    again: int
    choices: int

    @property
    def share(self) -> float:
        """Return the share of repeats in [0, 1]; 0 without choices."""
        return self.again / self.choices if self.choices else 0.0

    @property
    def usual(self) -> bool:
        """Return whether the share reaches `MIN_SHARE` for certain: by the lower end of Wilson's interval."""
        if not self.choices:
            return False
        n, share = self.choices, self.share
        spread = Z * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
        return (share + Z**2 / (2 * n) - spread) / (1 + Z**2 / n) >= MIN_SHARE

    def __str__(self) -> str:
        return f"{self.again:,} of {self.choices:,} ({100 * self.share:.1f} %)"


def repeats_of(log: EventLog) -> tuple[ActionRepeats, ...]:
    """Return the repeats of every action that has choices among the events that count.

    What a user has had without liking it, a low grade, is had all the same.
    """
    had = np.zeros(len(log), np.bool_) if log.had is None else log.had
    counting = log.take((log.weight > 0) | had)
    again = _had_before(counting) & counting.choice
    n_actions = len(log.actions)
    choices = np.bincount(counting.action[counting.choice], minlength=n_actions)
    repeats = np.bincount(counting.action[again], minlength=n_actions)
    rows = zip(log.actions, repeats.tolist(), choices.tolist(), strict=True)
    return tuple(ActionRepeats(*row) for row in rows if row[2])


def repeated(log: EventLog) -> bool:
    """Return whether people choose things again: whether repeats are usual in any action."""
    return any(action.usual for action in repeats_of(log))


def repeats_note(scenario: str, actions: Sequence[ActionRepeats], shown_again: bool, by_hand: bool) -> str:
    """Return what was decided for a scenario, and from what figures, in one sentence.

    Args:
        actions: the figures of what is learned from; at least one.
        shown_again: the decision.
        by_hand: whether the setting decided.
    """
    decision = "may be shown again" if shown_again else "is not shown again"
    figures = f"{actions[0]} choices were" if len(actions) == 1 else "the choices that were"
    detail = "" if len(actions) == 1 else ": " + ", ".join(f"{one.action} {one}" for one in actions)
    basis = f"{figures} of something the user had had before{detail}"
    key = f"[scenarios.{scenario}] repeats"
    if by_hand:
        return f"{scenario}: what a user has had {decision}, as {key} says; in training, {basis}"
    other = "false" if shown_again else "true"
    limit = f"the limit is {100 * MIN_SHARE:.0f} %"
    return f"{scenario}: what a user has had {decision}: {basis} ({limit}); {key} = {other} decides otherwise"


def _had_before(log: EventLog) -> BoolArray:
    """Return (n,) whether the same user did the same to the event's item at an earlier moment."""
    pair = log.user.astype(np.int64) * (int(log.item.max(initial=0)) + 1) + log.item
    key = pair * max(len(log.actions), 1) + log.action
    order = np.lexsort((log.time, key))
    key, time = key[order], log.time[order]
    starts = np.append(True, key[1:] != key[:-1])[: len(key)]
    first = time[np.maximum.accumulate(np.where(starts, np.arange(len(key)), 0))]
    had = np.zeros(len(log), np.bool_)
    had[order] = time > first
    return had
