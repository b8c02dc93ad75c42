"""The stream that the posterior is measured on: whole moments, nothing of the future, bots among people."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from polyscene.core.clock import HOUR
from polyscene.data.schema import EventLog

Script = Callable[[str], ModuleType]


@pytest.fixture
def log(make_log: Callable[..., EventLog]) -> EventLog:
    rows = [(place // 3 % 5, place % 7, place // 3 * HOUR) for place in range(60)]
    return make_log(rows)


def test_moments_are_whole_and_spread_evenly(script: Script, log: EventLog) -> None:
    stream = script("posterior_stream")
    parts = list(stream.moments_of(log))
    assert [rows.start for rows in parts] == list(range(0, 60, 3))
    assert parts[-1].stop == 60
    assert stream.judged(log, 60) == {rows.start for rows in parts}
    assert stream.judged(log, 20) == set(range(0, 60, 9))
    empty = log.take(np.zeros(0, np.int64))
    assert stream.judged(empty, 20) == set()


def test_bots_are_strangers_who_come_among_the_people(script: Script, log: EventLog) -> None:
    posterior = script("posterior")
    bots = np.array([100, 101])
    hostile = posterior.pushing(log, 6, bots, 4, np.random.default_rng(0))
    theirs = hostile.user >= 100
    assert np.bincount(hostile.user[theirs])[100:].tolist() == [4, 4]
    assert set(hostile.item[theirs].tolist()) == {6}
    assert np.all(np.diff(hostile.time) >= 0)
    assert hostile.time[theirs].max() <= log.time.max()
    for name in ("user", "item", "time", "weight"):
        np.testing.assert_array_equal(getattr(hostile.take(~theirs), name), getattr(log, name))


def test_a_stream_without_events_has_no_moments(script: Script, log: EventLog) -> None:
    assert list(script("posterior_stream").moments_of(log.take(np.zeros(0, np.int64)))) == []


def test_a_small_shop_is_measured_alone(script: Script, never_seen: Path, tmp_path: Path) -> None:
    posterior = script("posterior")
    out = tmp_path / "posterior.json"
    arguments = ["--data", str(never_seen), "--part", "alone", "--work", str(tmp_path), "--json", str(out)]
    assert posterior.main(arguments) == 0
    report = json.loads(out.read_text(encoding="utf-8"))["alone"]
    near = report["replicas"]["distances"]
    assert near["merged"]["score"] < near["before"]["score"]
    assert set(report["attack"]["ranks"]) == {
        f"{limits}, {what}" for limits in ("limits", "no limits") for what in ("honest", "attacked")
    }
    assert report["fit_us"] > 0 < report["replicas"]["observe_us"]
