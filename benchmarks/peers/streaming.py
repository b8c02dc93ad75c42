"""A stream for the peers that learn event by event: what they see, what they rank, how long they take.

Numpy and nothing of ours, since it runs in their environments. Every moment is ranked, then learned; each
event is learned beside items of the recent stream that were not chosen.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from ranking import mid_ranks

DAY = 86_400e6
HALF_LIVES = (1.0, 7.0, 1e9)
"""In days; the last one forgets nothing."""
LAST = 3
"""So many of what a user did last are told."""
WORDS = 6
RECENT, NEGATIVES = 4096, 4

Floats = NDArray[np.float64]


class Learner(Protocol):
    """What a peer does."""

    def learn(self, seen: Seen, user: int, item: int, others: Sequence[int], now: int) -> None:
        """Learn that a user chose an item and none of the others."""
        ...

    def score(self, seen: Seen, user: int, items: NDArray[np.int64], now: int) -> Floats:
        """Return (C,) scores of items."""
        ...


class Seen:
    """What a peer may know of the stream so far.

    Args:
        n_items: of the catalogue.
        since: (n,) since when each item is there, in microseconds; the least number where not said.
        texts: of the items.
    """

    def __init__(self, n_items: int, since: NDArray[np.int64], texts: Sequence[str]) -> None:
        self.words = [sorted(set(_plain(text).split()))[:WORDS] for text in texts]
        self.last: dict[int, deque[int]] = defaultdict(lambda: deque(maxlen=LAST))
        self.had: dict[int, set[int]] = defaultdict(set)
        self._heat = np.zeros((n_items, len(HALF_LIVES)))
        self._touched = np.zeros(n_items)
        self._rates = -1.0 / (np.array(HALF_LIVES) * DAY)
        self._born = np.where(since > 0, since, 0).astype(np.float64)

    def numbers(self, items: NDArray[np.int64], now: int) -> Floats:
        """Return (C, 4) log popularity at each half-life, and log age in hours."""
        faded = self._heat[items] * np.exp2(self._rates * np.maximum(now - self._touched[items], 0)[:, None])
        born = self._born[items]
        age = np.where(born > 0, np.log1p(np.maximum(now - born, 0) * 24 / DAY), 0.0)
        return np.concatenate([np.log1p(20 * faded), age[:, None]], axis=1)

    def add(self, user: int, item: int, now: int) -> None:
        """Count an event."""
        faded = np.exp2(self._rates * max(now - self._touched[item], 0))
        self._heat[item] = self._heat[item] * faded + 1.0
        self._touched[item] = max(now, self._touched[item])
        self._born[item] = self._born[item] or now
        self.last[user].append(item)
        self.had[user].add(item)


def _plain(text: str) -> str:
    return "".join(letter if letter.isalnum() else " " for letter in text.lower())


def run(folder: Path, learner: Learner, seed: int) -> dict[str, Any]:
    """Rank and learn a stream that `progressive.py` has written; return ranks and microseconds."""
    with np.load(folder / "stream.npz", allow_pickle=False) as held:
        stream = {name: held[name] for name in held.files}
    texts = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
    seen = Seen(len(texts), stream["since"], texts)
    draws, recent = np.random.default_rng(seed), deque[int](maxlen=RECENT)
    ranks, spent, asked, at = [], 0.0, 0.0, 0
    events = list(zip(*(stream[name].tolist() for name in ("user", "item", "time")), strict=True))
    for user, target, now in zip(
        *(stream[f"asked_{name}"].tolist() for name in ("user", "item", "time")), strict=True
    ):
        while at < len(events) and events[at][2] < now:
            who, item, moment = events[at]
            others = _others(recent, len(texts), draws)
            begin = time.process_time()
            learner.learn(seen, who, item, [other for other in others if other != item], moment)
            seen.add(who, item, moment)
            spent += time.process_time() - begin
            recent.append(item)
            at += 1
        open_ = stream["since"] <= now
        if stream["hide_seen"]:
            open_[list(seen.had[user])] = False
        open_[target] = True
        items = np.flatnonzero(open_)
        begin = time.process_time()
        scores = learner.score(seen, user, items, now)
        asked += time.process_time() - begin
        place = np.array([np.searchsorted(items, target)])
        ranks.append(float(mid_ranks(scores[None], place, np.ones((1, len(items)), np.bool_))[0]))
    return {
        "ranks": ranks,
        "microseconds_per_event": 1e6 * spent / max(at, 1),
        "milliseconds_per_request": 1e3 * asked / max(len(ranks), 1),
        "events": at,
    }


def _others(recent: deque[int], n_items: int, draws: np.random.Generator) -> list[int]:
    """Return items that are not chosen: half of those of the recent stream, each as likely, half of all."""
    lately = list(dict.fromkeys(recent)) or [0]
    half = NEGATIVES // 2
    others = [lately[place] for place in draws.integers(0, len(lately), half)]
    return [*others, *map(int, draws.integers(0, n_items, half))]


def main(model: str, package: str, make: Callable[[int], Learner]) -> None:
    """Run a peer on `--stream FOLDER` and write what came of it to `--json FILE`."""
    parser = argparse.ArgumentParser(description=model)
    parser.add_argument("--stream", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--json", type=Path, required=True, metavar="FILE")
    parser.add_argument("--seed", type=int, default=7, metavar="N")
    options = parser.parse_args()
    outcome = run(options.stream, make(options.seed), options.seed)
    about = {"model": model, "versions": {package: importlib.metadata.version(package)}}
    options.json.write_text(json.dumps(about | outcome), encoding="utf-8")
