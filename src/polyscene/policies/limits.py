"""What a slate must keep to while it is drawn: items with a fixed place, at most so many, at least so many.

A policy draws one place after the other among the items that the limits leave open, so the propensity of a
place is the probability given the places before it and given the limits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from polyscene.core.types import BoolArray, LongArray


@dataclass(frozen=True)
class Cap:
    """At most so many candidates of each group.

    Attributes:
        groups: (C,) the group of each candidate, from 0; -1: it belongs to none.
        most: of each group, in one slate.
    """

    groups: LongArray
    most: int

    def full(self, chosen: LongArray) -> BoolArray:
        """Return (C,) whether the group of a candidate has no room left beside those chosen."""
        members = self.groups[chosen]
        counts = np.bincount(members[members >= 0], minlength=int(self.groups.max(initial=-1)) + 1)
        over = np.append(counts >= self.most, False)  # -1 reads the last
        full: BoolArray = over[self.groups]
        return full


@dataclass(frozen=True)
class Quota:
    """At least so many candidates of those that count, as far as there are any.

    Attributes:
        members: (C,) which candidates count.
        least: in one slate.
    """

    members: BoolArray
    least: int


@dataclass(frozen=True)
class Limits:
    """What one slate must keep to.

    Attributes:
        pins: candidates by the place, from 0, that is theirs; they count in caps and quotas from the start.
        caps: where two contradict a quota, caps win.
        quotas: the last free places are kept for what they miss.
    """

    pins: Mapping[int, int] = field(default_factory=dict)
    caps: Sequence[Cap] = ()
    quotas: Sequence[Quota] = ()

    def __bool__(self) -> bool:
        return bool(self.pins or self.caps or self.quotas)

    def held(self, possible: BoolArray, size: int) -> Limits:
        """Return the limits with those pins alone that hold, by place.

        A slate of that size must have room for a pin, and the item must be one that may be shown.

        Args:
            possible: (C,) what may be shown at all.
            size: of the whole slate.
        """
        places = sorted(place for place, pin in self.pins.items() if place < size and possible[pin])
        return Limits({place: self.pins[place] for place in places}, self.caps, self.quotas)

    def open(self, possible: BoolArray, slate: Sequence[int], size: int) -> BoolArray:
        """Return (C,) what may stand at the next place that is not pinned.

        Args:
            possible: (C,) what may be shown at all.
            slate: candidates before it, pinned ones too.
            size: of the whole slate.
        """
        chosen: LongArray = np.array(sorted({*slate, *self.pins.values()}), np.int64)
        allowed = possible.copy()
        allowed[chosen] = False
        for cap in self.caps:
            allowed &= ~cap.full(chosen)
        free = size - len(slate) - sum(pin not in slate for pin in self.pins.values())
        return self._with_quotas(allowed, chosen, free)

    def _with_quotas(self, allowed: BoolArray, chosen: LongArray, free: int) -> BoolArray:
        """Keep the places that are left for what the quotas still miss."""
        missing = 0
        wanted = np.zeros_like(allowed)
        for quota in self.quotas:
            members = quota.members & allowed
            lacks = min(quota.least - int(quota.members[chosen].sum()), int(members.sum()))
            if lacks > 0:
                missing += lacks
                wanted |= members
        return wanted if missing and missing >= free else allowed


NO_LIMITS = Limits()
