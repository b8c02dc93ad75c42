"""A night compares posteriors with a refit, says so, and trains anew where they have drifted apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from polyscene.project import Project
from polyscene.recommenders.posterior.refit import Apart, RefitDistance
from polyscene.runs.run import Run
from polyscene.serving.cycle_refit import compare_with_refits, plain_distances, why_too_far
from polyscene.serving.cycle_report import CycleReport
from polyscene.serving.metrics import Metrics
from polyscene.serving.refit_monitor import RefitMonitor, latest_distances


def distance(live: float, by_chance: float) -> RefitDistance:
    return RefitDistance(Apart(0.1, live), Apart(0.05, by_chance), 10, 5, 7.0, 30.0)


def test_the_furthest_beyond_chance_gives_the_reason() -> None:
    apart = {"shop": distance(0.5, 0.4), "news": distance(0.4, 0.1)}
    assert why_too_far(apart, 0.31) is None
    reason = why_too_far(apart, 0.29)
    assert reason is not None
    assert "posterior of 'news' has drifted" in reason
    assert "40.0% of their items, 10.0% by chance alone; at most 29.0%" in reason
    assert why_too_far(apart, 0.0) is None
    assert why_too_far({}, 0.1) is None


def test_a_run_is_as_near_to_a_refit_as_can_be_and_the_report_says_it(believing: Project) -> None:
    run = Run(believing.run(believing.runs()[0]).folder)
    report = CycleReport("waiting", run.id, 0, 0)
    assert compare_with_refits(run.system, believing.settings, {}, report) is None
    shop = report.refit["shop"]
    assert shop["live"]["slates"] == 0.0
    assert shop["live"]["items"] == pytest.approx(0.0, abs=1e-5)
    assert shop["by_chance"]["slates"] > 0.0
    assert shop["refit_half_life"] == shop["half_life"] == 7.0
    json.dumps(report.plain())
    (line,) = [line for line in report.lines() if "against a refit" in line]
    assert line.startswith("shop, the posterior against a refit: slates differ in 0.0% of their items")


def test_the_service_tells_the_latest_distances_that_there_are(tmp_path: Path) -> None:
    def keep(name: str, refit: Mapping[str, object] | None) -> None:
        text = json.dumps({} if refit is None else {"refit": refit})
        (tmp_path / f"{name}.json").write_text(text, encoding="utf-8")

    assert latest_distances(tmp_path) == {}
    keep("1", plain_distances({"shop": distance(0.9, 0.1)}))
    keep("2", plain_distances({"shop": distance(0.3, 0.1)}))
    keep("3", {})
    keep("4", None)
    (tmp_path / "5.json").write_text("{", encoding="utf-8")
    metrics = Metrics("us")
    metrics.registry.register(RefitMonitor(tmp_path))
    text = metrics.text().decode()
    assert 'polyscene_refit_distance{of="live",scenario="shop",tenant="us"} 0.3' in text
    assert 'polyscene_refit_distance{of="by_chance",scenario="shop",tenant="us"} 0.1' in text
