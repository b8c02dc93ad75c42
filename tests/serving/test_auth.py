from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from polyscene.core.errors import ConfigError
from polyscene.serving.auth import KeyFile, Scope

DAY = timedelta(days=1)


class Clock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(tmp_path: Path, clock: Clock) -> KeyFile:
    return KeyFile(tmp_path / "service" / "keys.json", clock)


def test_a_key_is_never_kept(keys: KeyFile) -> None:
    key = keys.add("shop", [Scope.events])
    assert len(key) >= 43
    text = keys.path.read_text(encoding="utf-8")
    assert key not in text
    assert key.removeprefix("psk_") not in text
    assert stat.S_IMODE(keys.path.stat().st_mode) == 0o600


def test_keys_are_told_apart(keys: KeyFile) -> None:
    first, second = keys.add("one", [Scope.events]), keys.add("two", [Scope.admin])
    assert first != second
    known = keys.find(first)
    assert known is not None
    assert (known.name, known.may(Scope.events), known.may(Scope.read)) == ("one", True, False)
    admin = keys.find(second)
    assert admin is not None
    assert all(admin.may(scope) for scope in Scope)
    for wrong in ("", first[:-1], first + "x", first.upper(), "\ud800", "psk_" * 1000):
        assert keys.find(wrong) is None


def test_who_may_read_may_also_measure_and_not_the_other_way_round(keys: KeyFile) -> None:
    reading, measuring = (keys.find(keys.add(scope, [scope])) for scope in (Scope.read, Scope.metrics))
    assert reading is not None
    assert measuring is not None
    assert [reading.may(scope) for scope in Scope] == [False, True, True, False]
    assert [measuring.may(scope) for scope in Scope] == [False, False, True, False]


def test_a_name_is_used_once(keys: KeyFile) -> None:
    keys.add("shop", [Scope.read])
    with pytest.raises(ConfigError, match="a new name"):
        keys.add("shop", [Scope.read])


def test_keys_come_and_go_while_the_service_runs(keys: KeyFile) -> None:
    old = keys.add("old", [Scope.read])
    other = KeyFile(keys.path)
    new = other.add("new", [Scope.read])
    assert keys.find(new) is not None
    other.remove("old")
    assert keys.find(old) is None
    assert keys.find(new) is not None
    keys.path.write_text("[{")  # half of an edit: the keys from before count
    assert keys.find(new) is not None
    keys.path.unlink()
    assert keys.find(new) is None
    with pytest.raises(ConfigError, match="the name of a key"):
        keys.remove("new")


def test_a_key_ends_when_it_should(keys: KeyFile, clock: Clock) -> None:
    key = keys.add("guest", [Scope.read], 30 * DAY)
    clock.now += 30 * DAY - timedelta(seconds=1)
    assert keys.find(key) is not None
    assert len(keys) == 1
    clock.now += timedelta(seconds=1)
    assert keys.find(key) is None
    assert len(keys) == 0
    assert [one.name for one in keys.known] == ["guest"]


def test_a_rotated_key_stays_good_for_the_overlap(keys: KeyFile, clock: Clock) -> None:
    other = keys.add("other", [Scope.admin])
    old = keys.add("shop", [Scope.events, Scope.metrics])
    clock.now += DAY
    new = keys.rotate("shop", timedelta(hours=2))
    assert new != old
    clock.now += timedelta(hours=1, minutes=59)
    known = [keys.find(key) for key in (old, new)]
    assert [one.scopes for one in known if one] == [(Scope.events, Scope.metrics)] * 2
    clock.now += timedelta(minutes=1)
    assert keys.find(old) is None
    assert keys.find(new) is not None
    assert keys.find(other) is not None
    newest = keys.rotate("shop", timedelta(0))  # at once, and what has ended is forgotten
    assert keys.find(new) is None
    assert keys.find(newest) is not None
    assert [one.name for one in keys.known] == ["other", "shop"]
    with pytest.raises(ConfigError, match="the name of a key"):
        keys.rotate("nobody", DAY)


def test_rotation_never_lengthens_a_key(keys: KeyFile, clock: Clock) -> None:
    old = keys.add("guest", [Scope.read], 10 * DAY)
    clock.now += 9 * DAY
    new = keys.rotate("guest", 5 * DAY)
    clock.now += 1 * DAY
    assert keys.find(old) is None
    clock.now += 8 * DAY
    assert keys.find(new) is not None
    clock.now += 1 * DAY  # as long as the old one: ten days
    assert keys.find(new) is None


def test_a_lifetime_may_change_with_the_key(keys: KeyFile, clock: Clock) -> None:
    keys.add("guest", [Scope.read])
    new = keys.rotate("guest", DAY, lifetime=3 * DAY)
    clock.now += 3 * DAY
    assert keys.find(new) is None


def test_many_who_change_keys_at_once_lose_none(keys: KeyFile) -> None:
    def add(number: int) -> str:
        return KeyFile(keys.path).add(f"key {number}", [Scope.read])

    with ThreadPoolExecutor(8) as pool:
        new_keys = list(pool.map(add, range(24)))
    assert len(keys) == 24
    assert all(keys.find(key) for key in new_keys)


def test_keys_of_before_there_were_ends_are_read(keys: KeyFile) -> None:
    key = keys.add("old", [Scope.read])
    rows = json.loads(keys.path.read_text())
    assert rows[0].pop("expires") is None
    keys.path.write_text(json.dumps(rows))
    assert KeyFile(keys.path).find(key) is not None


@pytest.mark.parametrize(
    "row",
    [
        {"name": "x"},
        {"name": "x", "sha256": "0", "scopes": ["all"], "made": "2026-01-01T00:00:00+00:00"},
        {"name": "x", "sha256": "0", "scopes": [], "made": "2026-01-01T00:00:00"},
        {"name": "x", "sha256": "0", "scopes": [], "made": "2026-01-01T00:00:00+00:00", "expires": "soon"},
        {"name": "x", "sha256": "0", "scopes": [], "made": "2026-01-01T00:00:00+00:00", "expires": 7},
    ],
)
def test_a_damaged_file_is_refused_at_the_start(tmp_path: Path, row: dict[str, object]) -> None:
    (tmp_path / "keys.json").write_text(json.dumps([row]))
    with pytest.raises(ConfigError, match="key file"):
        KeyFile(tmp_path / "keys.json")
