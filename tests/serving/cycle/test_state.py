"""How far a cycle is outlives it, and two at a time there are not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from polyscene.core.errors import ConflictError, StoreError
from polyscene.serving.cycle_contest import blocks
from polyscene.serving.cycle_state import LOCK, STATE, CycleState, one_at_a_time, read_state, write_state
from polyscene.serving.stores.contract import ChangeKind, Entry, LoggedChange, LoggedEvent


def test_state_is_kept_and_damage_is_told(tmp_path: Path) -> None:
    assert read_state(tmp_path) == CycleState()
    state = CycleState("log", 3, 9, 7, "live", "candidate", "", 1.5)
    assert write_state(tmp_path, state) == state
    assert read_state(tmp_path) == state
    (tmp_path / STATE).write_text('{"speed": 1}', encoding="utf-8")
    with pytest.raises(StoreError, match="remove it"):
        read_state(tmp_path)


def test_only_one_cycle_at_a_time_and_a_killed_one_holds_nothing(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / LOCK).write_text(str(ended.pid), encoding="utf-8")
    with one_at_a_time(tmp_path):
        assert (tmp_path / LOCK).read_text(encoding="utf-8") == str(os.getpid())
    assert not (tmp_path / LOCK).exists()
    (tmp_path / LOCK).write_text(str(os.getppid()), encoding="utf-8")
    with pytest.raises(ConflictError, match="one cycle at a time"), one_at_a_time(tmp_path):
        pass
    (tmp_path / LOCK).write_text("", encoding="utf-8")
    with one_at_a_time(tmp_path):
        pass


def test_simultaneous_events_of_a_user_stand_together() -> None:
    def event(user: str, time: int | None) -> LoggedEvent:
        return LoggedEvent(user, "a", "shop", "click", time=time)

    change = LoggedChange(ChangeKind.item, "shop", "a", None)
    log: list[Entry] = [
        event("ann", 1),
        event("ann", 1),
        event("bob", 1),
        change,
        event("bob", 1),
        event("bob", None),
    ]
    log.append(event("bob", None))
    assert [[offset for offset, _ in block] for block in blocks(list(enumerate(log)))] == [
        [0, 1],
        [2],
        [3],
        [4],
        [5],
        [6],
    ]
