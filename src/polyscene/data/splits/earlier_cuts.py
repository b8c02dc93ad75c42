"""Earlier choices that can teach the fusion too: the split as it would have been at earlier cuts.

Where the split's own VALID holds few choices, those before it are used as well, each ranked by signals that
know only what came before it (cross-fitting on a rolling origin). Where the split is a moment of time the
earlier cuts are moments; where every user's events are split by their order they are places in that order.

Source: L. Tashman, Out-of-sample tests of forecasting accuracy, 2000; A. Zheng and A. Casari, Feature
Engineering for Machine Learning, 2018, chapter 7 (stacking with held-out predictions).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from polyscene.core.settings.evaluation import EvaluationSettings
from polyscene.core.types import BoolArray
from polyscene.data.queries import LATEST
from polyscene.data.schema import Dataset, EventLog, Part
from polyscene.data.splits.parts import Parts, mask_of
from polyscene.data.splits.protocol import protocol_of

SLICE_SHARE = 0.1
"""Of the events that may be learned from, between two cuts in time."""
MIN_EARLIER = 2
"""So many choices of a user must lie before one that teaches, where the cut is a place in their order."""


def earlier_cuts(
    dataset: Dataset, parts: Mapping[str, Parts], settings: EvaluationSettings, limit: int
) -> list[dict[str, Parts]]:
    """Return the parts at earlier cuts, the latest first: TRAIN before a cut, VALID up to the next one.

    What lies after that is CONTEXT: known when it happened, never learned from. No event is VALID twice, and
    none that the split itself does not let learn.

    Args:
        parts: of the split itself, by scenario.
        limit: at most so many cuts.
    """
    places = range(1, limit + 1)
    if splits_in_order(dataset, settings):
        cuts = [{name: _by_place(dataset, name, part, k) for name, part in parts.items()} for k in places]
    else:
        cuts = _by_moment(dataset, parts, limit)
    return [cut for cut in cuts if any(np.any(part == Part.VALID) for part in cut.values())]


def splits_in_order(dataset: Dataset, settings: EvaluationSettings) -> bool:
    """Return whether cuts are places in every user's order: no one moment cuts all scenarios."""
    alone = len(dataset.scenarios) == 1 or dataset.clocks_shared
    moments = alone and all(scenario.clock == "time" for scenario in dataset.scenarios.values())
    return protocol_of(settings).by_user or not moments


def _by_moment(dataset: Dataset, parts: Mapping[str, Parts], limit: int) -> list[dict[str, Parts]]:
    logs = {name: dataset.scenarios[name].events for name in parts}
    learned = np.sort(
        np.concatenate([log.time[mask_of(parts[name], Part.TRAIN, Part.VALID)] for name, log in logs.items()])
    )
    valid = np.concatenate([log.time[parts[name] == Part.VALID] for name, log in logs.items()])
    end = int(valid.min(initial=LATEST))
    cuts = []
    for _ in range(limit):
        before = int(np.searchsorted(learned, end))
        place = before - int(len(learned) * SLICE_SHARE)
        if place <= 0 or learned[place] >= end:
            break
        start = int(learned[place])
        if start == int(learned[0]):
            break
        cuts.append({name: _window(log.time, parts[name], start, end) for name, log in logs.items()})
        end = start
    return cuts


def _window(time: np.ndarray, part: Parts, start: int, end: int) -> Parts:
    """Return the part of each event when what lies in [start, end) teaches the fusion."""
    learned = mask_of(part, Part.TRAIN)
    return _parts(part, learned & (time < start), learned & (time >= start) & (time < end))


def _by_place(dataset: Dataset, name: str, part: Parts, place: int) -> Parts:
    """Return the parts when every user's choice at a place before the end of TRAIN teaches: 1 is the last."""
    events = dataset.scenarios[name].events
    rows = np.flatnonzero((part == Part.TRAIN) & events.choice & (events.weight > 0))
    order = rows[np.lexsort((rows, events.time[rows], events.user[rows]))]
    user = events.user[order]
    starts = np.flatnonzero(np.append(True, user[1:] != user[:-1])) if len(user) else np.zeros(0, int)
    sizes = np.diff(np.append(starts, len(user)))
    wide = sizes >= place + MIN_EARLIER
    chosen = order[starts[wide] + sizes[wide] - place]
    first = np.full(int(events.user.max(initial=-1)) + 1, LATEST)
    first[events.user[chosen]] = events.time[chosen]
    teaches = np.zeros(len(events), np.bool_)
    teaches[chosen] = True
    return _parts(part, _before(events, part, first), teaches)


def _before(events: EventLog, part: Parts, first: np.ndarray) -> BoolArray:
    """Return which events of TRAIN lie before their user's moment."""
    earlier: BoolArray = (part == Part.TRAIN) & (events.time < first[events.user])
    return earlier


def _parts(part: Parts, learned: BoolArray, teaches: BoolArray) -> Parts:
    chosen = np.select([teaches, learned], [Part.VALID, Part.TRAIN], Part.CONTEXT)
    return np.where(part == Part.TEST, Part.TEST, chosen).astype(np.int8)
