from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from polyscene.serving.known import Known
from polyscene.serving.stores.contract import Batch, ChangeKind, LoggedChange, LoggedEvent
from polyscene.serving.stores.sqlite_events import SqliteEventStore

ITEM, USER = ChangeKind.item, ChangeKind.user


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteEventStore]:
    store = SqliteEventStore(tmp_path / "events.db")
    yield store
    store.close()


@pytest.fixture
def known(tmp_path: Path, store: SqliteEventStore) -> Iterator[Known]:
    known = Known(tmp_path / "known.db")
    yield known
    known.close(store.identity)


def test_the_last_that_was_told_counts(known: Known) -> None:
    assert known.told(ITEM, "shop", "a") is None
    known.put(
        [LoggedChange(ITEM, "shop", "a", {"x": 1}), LoggedChange(ITEM, "shop", "a", {"y": [2.5, None]})]
    )
    known.put([LoggedChange(ITEM, "news", "a", {}), LoggedChange(ITEM, "shop", "b", None)])
    assert known.told(ITEM, "shop", "a") == ("a", {"y": [2.5, None]})
    assert known.told(ITEM, "shop", "b") == ("b", None)
    assert known.told(USER, "shop", "a") is None
    assert known.every(ITEM, "shop", ["a", "b", "c"]) == {"a": {"y": [2.5, None]}, "b": None}
    assert known.every(ITEM, "shop", []) == {}


def test_a_log_is_read_once_and_again_after_a_crash(tmp_path: Path, store: SqliteEventStore) -> None:
    event = LoggedEvent("u", "a", "shop", "click", time=1)
    store.append([Batch.of([LoggedChange(ITEM, "shop", "a", {"x": 1}), event])])
    path, value = tmp_path / "known.db", LoggedChange(ITEM, "shop", "a", {"x": 2})
    first = Known(path)
    first.follow(store)
    assert first.told(ITEM, "shop", "a") == ("a", {"x": 1})
    first.put([value])
    first.close(store.identity)
    second = Known(path)
    second.follow(store)  # closed in order: it is not read again
    assert second.told(ITEM, "shop", "a") == ("a", {"x": 2})
    second._file.close()  # as if the process ended
    third = Known(path)
    third.follow(store)
    assert third.told(ITEM, "shop", "a") == ("a", {"x": 1})
    third.close("another log")
    fourth = Known(path)
    fourth.put([value])
    fourth.follow(store)
    assert fourth.told(ITEM, "shop", "a") == ("a", {"x": 1})
    fourth.close(store.identity)
    fourth.close(store.identity)


def test_the_first_vector_of_a_key_is_kept_to_the_last_bit(known: Known) -> None:
    vector = np.array([1.5, -0.0, 1e-40, np.pi], np.float32)
    known.keep({b"k": vector})
    known.keep({b"k": vector * 2, b"l": vector})
    kept = known.vectors([b"k", b"l", b"m"])
    assert list(kept) == [b"k", b"l"]
    assert kept[b"k"].tobytes() == vector.tobytes()


def test_users_are_forgotten_and_nothing_of_them_stays_in_the_file(known: Known, tmp_path: Path) -> None:
    known.put([LoggedChange(USER, "", "somebody", {"country": "DE"}), LoggedChange(USER, "", "other", {})])
    known.put([LoggedChange(ITEM, "shop", "somebody", {})])  # an item of that name is no user
    assert known.forget(lambda user: user == "somebody") == 1
    assert known.forget(lambda user: user == "somebody") == 0
    assert known.told(USER, "", "somebody") is None
    assert known.told(USER, "", "other") == ("other", {})
    assert known.told(ITEM, "shop", "somebody") == ("somebody", {})
    assert not any(b"country" in path.read_bytes() for path in tmp_path.glob("known.db*"))


def test_an_erasure_is_nothing_that_is_known(known: Known) -> None:
    known.put([LoggedChange(ChangeKind.erasure, "", "salt", {"sha256": "x"})])
    assert known.told(ChangeKind.erasure, "", "salt") is None
