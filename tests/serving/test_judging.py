"""A service's logs, judged: what was shown, what was earned, what another policy would have earned."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from polyscene.cli.main import app
from polyscene.core.errors import ArgumentError, DataError, UnknownIdError
from polyscene.core.settings.policies import PolicyChoice
from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.policies.plackett_luce import PlackettLuce, PlackettLuceSettings
from polyscene.policies.registry import policy_of
from polyscene.serving.answers import plain_record
from polyscene.serving.export import _entry
from polyscene.serving.judging import ServiceLog, judge
from polyscene.serving.stores.contract import CODES, SCORES, Batch, DecisionRecord, LoggedEvent
from polyscene.serving.stores.opening import open_stores

ITEMS = ("a", "b", "c", "d")
SCORE = np.array([0.4, 0.3, 0.2, 0.1], SCORES)
CLICKS = np.array([0.1, 0.6, 0.2, 0.1])
HOUR = 3_600_000_000
N = 900
POLICY = PlackettLuce(PlackettLuceSettings(temperature=0.3))
VALUE_OF_GREEDY = 0.1

Typed = Callable[..., Result]


def _record(number: int, generator: np.random.Generator) -> DecisionRecord:
    places, propensities = POLICY.choose(SCORE.astype(np.float32), 1, generator)
    details = {
        "slate": [ITEMS[place] for place in places],
        "places": places.tolist(),
        "propensities": propensities.tolist(),
        "policy": {"name": "plackett_luce", "temperature": 0.3},
    }
    codes = np.arange(4).astype(CODES).tobytes()
    return DecisionRecord(
        f"d{number}", number * HOUR, f"u{number % 90}", "shop", "r", 0, codes, SCORE.tobytes(), details
    )


def _world() -> tuple[list[DecisionRecord], list[LoggedEvent]]:
    generator = np.random.default_rng(4)
    records = [_record(number, generator) for number in range(N)]
    events = [
        LoggedEvent(one.user, one.details["slate"][0], "shop", "click", time=one.time + HOUR // 2)
        for one in records
        if generator.random() < CLICKS[one.details["places"][0]]
    ]
    end = LoggedEvent("u0", "a", "shop", "view", time=(N + 40) * HOUR)
    return records, [*events, end]


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("logs")
    events, decisions = open_stores(folder, "")
    records, acts = _world()
    decisions.record([*records, replace(records[0], id="early", details={"slate": ["a"]})])
    events.append([Batch.of(acts)])
    events.close()
    decisions.close()
    return folder


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("project") / "polyscene.toml"
    path.write_text(
        '[scenarios.shop]\nobjectives = [{ action = "click" }]\nitems = { path = "i.csv", id = "id" }\n'
        'events = { path = "e.csv", user = "u", item = "i", action = "kind", time = "t" }\n',
        encoding="utf-8",
    )
    return path


@pytest.fixture
def settings() -> dict[str, ScenarioSettings]:
    items, events = {"path": "i.csv", "id": "id"}, {"path": "e", "user": "u", "item": "i", "action": "k"}
    return {
        "shop": ScenarioSettings.model_validate(
            {"items": items, "events": events, "objectives": [{"action": "click"}]}
        )
    }


def _typed(*words: object, code: int = 0) -> Result:
    result = CliRunner(env={"COLUMNS": None}).invoke(app, ["judge", *map(str, words)])
    assert result.exit_code == code, result.output
    return result


def test_a_policy_is_learned_from_half_of_the_users_and_judged_on_the_others(
    config: Path, logs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "judged.json"
    shown = _typed("--policy", "learned", "--config", config, "--data", logs, "--json", out).stdout
    (judged,) = json.loads(out.read_text(encoding="utf-8"))["scenarios"]
    assert judged["policy"]["name"] == "learned"
    assert f"policy = {judged['policy']}" in " ".join(shown.split())
    assert judged["policy"]["first"] < -0.5, "the best by score is clicked least"
    assert (judged["decisions"], judged["users"]) == (N // 2, 45)
    assert judged["verdict"] == "better"
    (first, *_) = judged["estimates"]
    worth = float(policy_of(PolicyChoice(**judged["policy"])).conditional(SCORE.astype(np.float32)) @ CLICKS)
    assert worth > 0.4
    assert first["policy"]["low"] < worth < first["policy"]["high"]


def test_few_users_teach_no_policy(settings: dict[str, ScenarioSettings]) -> None:
    log = ServiceLog()
    records, log.events = _world()
    for record in records:
        if int(record.user[1:]) < 12:
            log.take(record)
    with pytest.raises(ArgumentError, match="at least 20 users"):
        judge(log, settings, "learned")


def test_the_verb_says_what_another_policy_would_have_earned(
    config: Path, logs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "judged.json"
    words = ("--policy", "greedy", "--config", config, "--data", logs, "--json", out)
    shown = _typed(*words).stdout
    (judged,) = json.loads(out.read_text(encoding="utf-8"))["scenarios"]
    assert judged["counts"]["decisions with their rewards"] == N
    assert judged["counts"]["acts joined to a decision"] == round(judged["earned"] * N)
    assert judged["counts"]["decisions left out: kept by an earlier version"] == 1
    assert "decisions left out: kept by an earlier version" in shown
    assert judged["actions"] == ["click"]
    assert judged["supported"]
    assert judged["verdict"] == "worse"
    assert "greedy earns less than logged, by doubly_robust." in shown
    for one in judged["estimates"]:
        assert one["policy"]["low"] < VALUE_OF_GREEDY < one["policy"]["high"]
        assert one["difference"]["high"] < 0
    assert judged["support"]["policy"]["effective_sample_size"] < N


def test_what_no_log_supports_is_said_plainly(
    settings: dict[str, ScenarioSettings], config: Path, tmp_path: Path
) -> None:
    events, decisions = open_stores(tmp_path, "")
    records, acts = _world()
    sure = {"slate": ["a"], "places": [0], "propensities": [1.0], "policy": {"name": "greedy"}}
    decisions.record([replace(one, details=sure) for one in records])
    events.append([Batch.of(acts)])
    events.close()
    decisions.close()
    shown = _typed("--policy", "epsilon:0.5", "--config", config, "--data", tmp_path).stdout
    assert "No answer: this log does not support a comparison of epsilon:0.5 with logged." in shown
    assert "never tried in the log" in shown


def test_an_exported_log_says_the_same_as_the_stores(
    settings: dict[str, ScenarioSettings], config: Path, tmp_path: Path
) -> None:
    records, acts = _world()
    users = sorted({one.user for one in records})
    lines: list[dict[str, Any]] = []
    for user in users:
        lines += [{"kind": "profile", "user": user}]
        lines += [{"kind": "entry", "offset": 1} | _entry(act) for act in acts if act.user == user]
        lines += [{"kind": "decision"} | plain_record(one, None) for one in records if one.user == user]
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    exported = ServiceLog.of_file(path)
    read = ServiceLog()
    for record in records:
        read.take(record)
    read.events = acts
    (one,), (other,) = (judge(log, settings, "greedy") for log in (exported, read))
    assert one.counts == other.counts
    assert one.comparison.answer.difference.value == pytest.approx(
        other.comparison.answer.difference.value, abs=0.02
    )
    assert "greedy earns less than" in _typed("--policy", "greedy", "--config", config, "--log", path).stdout
    path.write_text('{"kind": "decision"}\n[1]\n', encoding="utf-8")
    with pytest.raises(DataError, match="cannot be read"):
        ServiceLog.of_file(path)
    _typed("--policy", "greedy", "--config", config, "--log", tmp_path / "none", code=2)


def test_named_actions_and_a_window_decide_what_is_earned(settings: dict[str, ScenarioSettings]) -> None:
    log = ServiceLog()
    records, log.events = _world()
    for record in records:
        log.take(record)
    (late,) = judge(log, settings, "greedy", hours=0.1)
    assert late.comparison.earned == 0
    (viewed,) = judge(log, settings, "greedy", actions=["view"])
    assert viewed.comparison.earned == 0
    assert viewed.actions == ("view",)
    (clicked,) = judge(log, settings, POLICY, "logged", actions=["view", "click"])
    assert clicked.comparison.earned > 0.2
    assert clicked.comparison.answer.difference.value == pytest.approx(0, abs=1e-6)


def test_what_cannot_be_judged_is_refused(settings: dict[str, ScenarioSettings], config: Path) -> None:
    log = ServiceLog()
    with pytest.raises(ArgumentError, match="expected decisions in the log"):
        judge(log, settings, "greedy")
    with pytest.raises(UnknownIdError, match="expected a scenario out of shop"):
        judge(log, settings, "greedy", scenario="news")
    log.take(_world()[0][0])
    with pytest.raises(ArgumentError, match="such as epsilon"):
        judge(log, settings, "epsilon:7")
    assert "--data" in _typed("--policy", "greedy", "--config", config, code=2).output
