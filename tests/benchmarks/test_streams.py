from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

Script = Callable[[str], ModuleType]


class Latest:
    """A peer that ranks by what was chosen last, and keeps what it was told."""

    def __init__(self) -> None:
        self.lessons: list[tuple[int, int, int]] = []
        self.asked: list[tuple[int, list[int], int]] = []

    def learn(self, seen: Any, user: int, item: int, others: Sequence[int], now: int) -> None:
        assert item not in others
        self.lessons.append((user, item, now))

    def score(self, seen: Any, user: int, items: np.ndarray, now: int) -> np.ndarray:
        self.asked.append((user, items.tolist(), now))
        last = {item: moment for _, item, moment in self.lessons}
        return np.array([last.get(item, -1.0) for item in items.tolist()])


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    """Item 2 appears at 25 and 3 at 99; user 0 asks at 20, user 1 twice at 30."""
    np.savez(
        tmp_path / "stream.npz",
        user=np.array([0, 1, 0, 1, 1]),
        item=np.array([0, 1, 1, 2, 0]),
        time=np.array([10, 15, 20, 30, 30]),
        asked_user=np.array([0, 1, 1]),
        asked_item=np.array([1, 2, 0]),
        asked_time=np.array([20, 30, 30]),
        since=np.array([0, 0, 25, 99]),
        hide_seen=np.array(True),
    )
    (tmp_path / "texts.json").write_text(json.dumps(["a", "b", "c", "d"]), encoding="utf-8")
    return tmp_path


def test_peers_rank_each_moment_before_they_learn_it_among_what_is_open(script: Script, stream: Path) -> None:
    peer = Latest()
    outcome = script("streaming").run(stream, peer, 7)
    assert peer.lessons == [(0, 0, 10), (1, 1, 15), (0, 1, 20)]
    assert peer.asked == [(0, [1], 20), (1, [0, 2], 30), (1, [0, 2], 30)]
    assert outcome["ranks"] == [1.0, 2.0, 1.0]
    assert outcome["events"] == 3


def test_peers_are_told_what_fades_and_how_old_items_are(script: Script) -> None:
    streaming = script("streaming")
    day = int(streaming.DAY)
    seen = streaming.Seen(2, np.array([day, -1]), ["One thing, one", "another"])
    seen.add(0, 1, 2 * day)
    seen.add(0, 1, 3 * day)
    numbers = seen.numbers(np.array([0, 1]), 4 * day)
    np.testing.assert_allclose(numbers[0], [0, 0, 0, np.log1p(72)])
    heats = np.array([2**-2 + 2**-1, 2 ** (-2 / 7) + 2 ** (-1 / 7), 2.0])
    np.testing.assert_allclose(numbers[1], [*np.log1p(20 * heats), np.log1p(48)], rtol=1e-6)
    assert seen.words == [["one", "thing"], ["another"]]
    assert list(seen.last[0]) == [1, 1]
