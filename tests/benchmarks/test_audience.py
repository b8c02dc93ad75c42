"""People who answer over HTTP, in a service that stands in for the process: who hears what, and when."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from polyscene.core.clock import DAY
from polyscene.policies.registry import policy_named
from polyscene.sample.audience import Audience
from polyscene.sample.clock import START
from polyscene.sample.world import SampleWorld

Script = Callable[[str], ModuleType]
HISTORY = 20


@dataclass
class Service:
    """Shows the newest stories to everybody, and remembers what it was told."""

    world: SampleWorld
    known: list[str]
    events: list[Any] = field(default_factory=list)
    policies: list[Any] = field(default_factory=list)
    excluded: list[Any] = field(default_factory=list)

    def recommend(self, user: str, scenario: str, k: int, **asked: Any) -> Any:
        self.policies.append(asked["policy"])
        self.excluded.append(asked["exclude"])
        barred = set(asked["exclude"] or ())
        ids = [name for name in reversed(self.known) if name not in barred][:k]
        return SimpleNamespace(ids=ids, decision=f"d{len(self.policies)}")

    def put_item(self, scenario: str, item: str, fields: dict[str, Any]) -> None:
        assert "item_id" not in fields
        assert isinstance(fields["published"], str)
        self.known.append(item)

    def send_events(self, events: list[Any]) -> None:
        self.events += events


@pytest.fixture(scope="module")
def world() -> SampleWorld:
    return SampleWorld.generate(seed=3, users=120, items_per_scenario=80, days=24)


@pytest.mark.parametrize("learns", [True, False])
def test_stories_appear_in_time_and_clicks_are_told_when_they_are_heard_of(
    script: Script, world: SampleWorld, learns: bool
) -> None:
    audience = script("audience")
    start = START + HISTORY * DAY
    since = world.items["news"]["published"].to_physical().to_numpy()
    service = Service(world, world.items["news"]["item_id"].to_list()[: int((since < start).sum())])
    people = Audience(world, "news", HISTORY, 1)
    room = audience.Newsroom(world, people, service, learns)
    room.skip(start)
    totals = [room.day(HISTORY + day, policy_named("epsilon:0.2"), day == 0) for day in range(3)]
    clicks, slates = sum(one[0] for one in totals), sum(one[3] for one in totals)
    assert slates == len(service.policies) > 20
    assert service.policies[0] == {"name": "epsilon", "epsilon": 0.2}
    assert len(room.appeals) == totals[0][3]
    assert service.known == world.items["news"]["item_id"].to_list()[: len(service.known)]
    assert all(expected <= best for _, expected, best, _ in totals)
    if learns:
        assert 0.4 * clicks < len(service.events) <= clicks
        assert set(service.excluded) == {None}
        assert {one.scenario for one in service.events} == {"news"}
        times = [one.time for one in service.events]
        assert times != sorted(times), "some are heard of late"
    else:
        assert not service.events
        assert sum(map(len, service.excluded)) > 0


def test_what_is_shown_can_be_read(
    script: Script, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audience = script("audience")
    days = audience.Days([4.0] * 15, [3.0] * 15, [6.0] * 15, [5] * 15, [1.5], ["promoted"], 2)
    estimate = dict.fromkeys(
        ("log earned", "foretold", "low", "high", "worth", "came", "effective", "decisions"), 0.5
    )
    plain = json.loads(json.dumps({name: getattr(days, name) for name in vars(days)}))
    results = {"arms": {"learns": [plain, plain]}, "foretold": [estimate]}
    text = audience.tables(results)
    assert "4.0 [4.0, 4.0]" in text
    assert "0.800 [0.800, 0.800]" in text
    assert "50.0% [50.0%, 50.0%]" in text
    assert "2 of 2" in text
    assert audience._afterwards(days) == pytest.approx(0.8)
    audience.drawn(tmp_path / "audience.svg", results)
    assert "all clicks so far" in (tmp_path / "audience.svg").read_text(encoding="utf-8")
    (tmp_path / "one.json").write_text(json.dumps(results), encoding="utf-8")
    both = audience.joined([tmp_path / "one.json", tmp_path / "one.json"])
    assert len(both["arms"]["learns"]) == 4
    assert len(both["foretold"]) == 2
    assert audience.main(["--from", str(tmp_path / "one.json")]) == 0
    assert text in capsys.readouterr().out
    (tmp_path / "two.json").write_text(json.dumps(results | {"arms": {"other": []}}), encoding="utf-8")
    with pytest.raises(ValueError, match="same services"):
        audience.joined([tmp_path / "one.json", tmp_path / "two.json"])
    assert audience.main(["--days", "14"]) == 1
    assert "--days of at least 15" in capsys.readouterr().err


def test_the_newspaper_holds_what_was_before(script: Script, world: SampleWorld, tmp_path: Path) -> None:
    service = script("audience_service")
    project = service.newspaper(world, tmp_path / "paper", 20, '"greedy"', 5)
    scenario = project.dataset.scenarios["news"]
    assert scenario.events.time.max() < START + 20 * DAY
    assert len(scenario.catalogue) == int(
        (world.items["news"]["published"].to_physical() < START + 20 * DAY).sum()
    )
    assert project.settings.service.clock == "events"
    assert np.all(scenario.catalogue.since < START + 20 * DAY)
