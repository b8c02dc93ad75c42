"""The logs of a service can be read while it goes on writing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from polyscene.core.errors import StoreError
from polyscene.serving.stores import copies
from polyscene.serving.stores.contract import Batch, LoggedEvent
from polyscene.serving.stores.copies import copy_of, stores_to_read
from polyscene.serving.stores.opening import EVENTS, open_stores


def _event(number: int) -> LoggedEvent:
    return LoggedEvent(f"u{number}", "a", "shop", "click", time=number)


def test_what_was_acknowledged_is_in_the_copy_while_the_service_goes_on(tmp_path: Path) -> None:
    events, decisions = open_stores(tmp_path, "")
    for number in range(20):
        events.append([Batch.of([_event(number)])])
    with stores_to_read(tmp_path, "") as (copied, empty):
        events.append([Batch.of([_event(20)])])
        assert [entry for _, entry in copied.since(0, 100)] == [_event(number) for number in range(20)]
        assert copied.identity == events.identity
        assert list(empty.since(0, 9)) == []
        with pytest.raises(StoreError, match="for this service alone"):
            open_stores(tmp_path, "")
    assert events.last == 21
    events.close()
    decisions.close()
    with stores_to_read(tmp_path, "") as (copied, _):
        assert copied.last == 21


def test_a_folder_without_logs_is_refused_and_stays_empty(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="--data"), stores_to_read(tmp_path, ""):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_journal_that_was_begun_anew_meanwhile_is_copied_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / EVENTS, tmp_path / "copy"
    source.write_bytes(b"first")
    journal, copied = source.with_name(f"{EVENTS}-wal"), target.with_name("copy-wal")
    journal.write_bytes(b"salt-1")
    plain, calls = shutil.copyfile, []

    def copyfile(one: Path, other: Path) -> object:
        result = plain(one, other)
        calls.append(one.name)
        if len(calls) == 1:
            source.write_bytes(b"second")
            journal.write_bytes(b"salt-2")
        return result

    monkeypatch.setattr(shutil, "copyfile", copyfile)
    copy_of(source, target)
    assert calls == [EVENTS, journal.name] * 2
    assert (target.read_bytes(), copied.read_bytes()) == (b"second", b"salt-2")
    calls.clear()
    monkeypatch.setattr(copies, "_state", lambda path: (bytes(len(calls)), 0))
    with pytest.raises(StoreError, match="expected a moment"):
        copy_of(source, target)
    assert not copied.exists()
