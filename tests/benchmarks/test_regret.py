"""A short simulation: regrets are counted rightly, budgets are held, and what is written can be read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from polyscene.core.types import LongArray
from polyscene.policies.controller import Controller, ControllerSettings
from polyscene.sample.bandit_world import BanditWorld, Visit

Script = Callable[[str], ModuleType]


class Oracle:
    """Knows the truth, and whether it was told of it."""

    def __init__(self, world: BanditWorld) -> None:
        self.world, self.told = world, 0

    def choose(self, visit: Visit, size: int, chance: np.random.Generator) -> LongArray:
        return self.world.best(visit)

    def learn(self, block: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
        self.told += len(block[1])

    def end_of_day(self, outcomes: object) -> None:
        """Nothing is looked at."""


def test_the_oracle_has_no_regret_and_late_clicks_are_told_late(script: Script) -> None:
    agents = script("bandit_agents")
    world = agents.world_of("drifting", 6, 1)
    oracle = Oracle(world)
    regrets, left = agents.live(oracle, world, 10, 1)
    np.testing.assert_allclose(regrets, np.zeros(60), atol=1e-12)
    assert 3 * 40 <= oracle.told < 3 * 60, "what is known after the last day teaches nobody"
    assert 0 <= left <= 60


def test_who_learns_loses_less_with_time_and_less_than_who_is_random(script: Script) -> None:
    agents = script("bandit_agents")
    world = agents.world_of("calm", 20, 2)
    learned, _ = agents.live(agents.agent_of("lin_ucb", world), world, 25, 2)
    world = agents.world_of("calm", 20, 2)
    drawn, _ = agents.live(agents.Controlled(None, 1.0, world), world, 25, 2)
    assert learned[250:].mean() < 0.6 * learned[:100].mean()
    assert learned.mean() < 0.6 * drawn.mean()


def test_the_controller_is_told_the_coin_that_was_tossed(script: Script) -> None:
    agents = script("bandit_agents")
    world = agents.world_of("calm", 12, 3)
    agent = agents.Controlled(Controller(ControllerSettings(exploration=0.3, loss=0.05)), 0.0, world)
    agents.live(agent, world, 25, 3)
    best, shown = np.array(agent.lost).T
    same = np.isclose(best, shown)
    explored = np.array(agent.explored)
    assert same[~explored].all(), "what is not explored is greedy"
    assert not same[explored].all()
    share, loss = agent.spent()
    assert share[-1] == explored.mean()
    assert loss[-1] == pytest.approx(1 - shown.sum() / best.sum())
    assert agent.controller is not None
    assert len(agent.controller.adjustments) == 24
    assert {one.step for one in agent.controller.adjustments} == set(range(1, 13))


def test_the_command_writes_tables_json_and_figures(
    script: Script, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    regret = script("regret")
    monkeypatch.setattr(regret, "agents", lambda: ["ensemble"])
    out, figure = tmp_path / "regret.json", tmp_path / "regret.png"
    command = ["--days", "3", "--visits", "8", "--seeds", "2", "--json", str(out), "--figure", str(figure)]
    assert regret.main(command) == 0
    results = json.loads(out.read_text(encoding="utf-8"))
    assert set(results["worlds"]) == set(results["controller"]) == {"calm", "drifting", "shocked"}
    curves = np.array(results["worlds"]["calm"]["ensemble"]["regret"])
    assert curves.shape == (2, regret.POINTS)
    assert (np.diff(curves, axis=1) >= 0).all()
    assert "fixed share" in capsys.readouterr().out
    for path in (figure, tmp_path / "regret-controller.png"):
        assert path.read_bytes()[:4] == b"\x89PNG"
    assert regret.main(["--days", "1"]) == 1
    assert "--days of at least 2" in capsys.readouterr().err
