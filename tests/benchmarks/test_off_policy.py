"""Two small logs in the Open Bandit layout of which the policies are known, and a short study of coverage."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

from polyscene.evaluation.offpolicy.interval import Interval
from polyscene.evaluation.offpolicy.log import LoggedDecisions

Script = Callable[[str], ModuleType]
THOMPSON = np.array([[0.6, 0.3, 0.1], [0.2, 0.2, 0.6]])
CLICKS = np.array([[0.8, 0.4, 0.2], [0.1, 0.5, 0.6]])


def _log(draws: np.random.Generator, policy: np.ndarray, rows: int) -> pl.DataFrame:
    positions = draws.integers(0, 2, rows)
    items = np.array([draws.choice(3, p=policy[position]) for position in positions])
    return pl.DataFrame(
        {
            "item_id": 10 + items,
            "position": positions + 1,
            "click": (draws.random(rows) < CLICKS[positions, items]).astype(np.int64),
            "propensity_score": policy[positions, items],
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home, draws = tmp_path_factory.mktemp("logs"), np.random.default_rng(5)
    _log(draws, np.full((2, 3), 1 / 3), 3000).write_parquet(home / "random.parquet")
    _log(draws, THOMPSON, 3000).write_parquet(home / "bts.parquet")
    pl.DataFrame({"item_id": [10, 11, 12]}).write_parquet(home / "items.parquet")
    return home


def test_each_policy_is_valued_by_the_others_log(script: Script, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "values.json"
    assert script("off_policy").main(["--data", str(folder), "--json", str(out), "--interval", "bca"]) == 0
    results = json.loads(out.read_text(encoding="utf-8"))
    singles = ["ips", "clipped_ips", "snips", "direct", "doubly_robust", "switch_dr"]
    assert [name for name in results if name in singles] == singles
    truth, back = (float((policy * CLICKS).sum() / 2) for policy in (THOMPSON, np.full((2, 3), 1 / 3)))
    for name in singles:
        row = results[name]
        assert row["value"] == pytest.approx(truth, abs=0.05)
        assert row["truth"] == pytest.approx(truth, abs=0.03)
        assert results["back"][name]["value"] == pytest.approx(back, abs=0.05)
        assert row["low"] < row["value"] < row["high"]
    assert results["ips"]["low"] <= truth <= results["ips"]["high"]
    assert results["ips"]["agrees"]
    assert results["rows"] == {"uniform_log": 3000, "thompson_log": 3000, "items": 3}
    assert results["diagnostics"]["uniform_log"]["largest_weight"] == pytest.approx(1.8)


def test_a_policy_that_stood_still_is_found_in_its_propensities(script: Script, folder: Path) -> None:
    off_policy = script("off_policy")
    logs = off_policy.load(folder)
    np.testing.assert_allclose(off_policy.thompson_distribution(logs.thompson), THOMPSON, atol=1e-12)


def test_a_policy_that_moved_is_found_as_its_mean_over_time(script: Script) -> None:
    draws = np.random.default_rng(0)
    moving = np.linspace(0.1, 0.7, 40_000)
    items = (draws.random(40_000) > moving).astype(np.int64)
    chances = np.where(items == 0, moving, 1 - moving)
    log = LoggedDecisions.single(items, chances, np.zeros(40_000), 2, positions=np.zeros(40_000))
    np.testing.assert_allclose(script("off_policy").thompson_distribution(log), [[0.4, 0.6]], atol=0.01)


def test_two_values_agree_where_their_difference_may_be_zero(script: Script) -> None:
    """Means of forty, spread .51 and .16: differences of .1 and .475 against a reach of about .2."""
    off_policy = script("off_policy")

    def rate(rewards: list[float]) -> Interval:
        log = LoggedDecisions.single([0] * 40, [1.0] * 40, rewards, 1)
        interval: Interval = off_policy.own_rate(log, "normal", 0)
        return interval

    half, more, nearly_all = rate([0.0, 1.0] * 20), rate([1.0] * 24 + [0.0] * 16), rate([1.0] * 39 + [0.0])
    assert off_policy.row(half, more)["agrees"]
    assert not off_policy.row(half, nearly_all)["agrees"]
    assert not off_policy.row(nearly_all, half)["agrees"]


@pytest.mark.parametrize(("missing", "words"), [("bts", "bts.parquet"), ("items", "items.parquet")])
def test_a_table_that_is_missing_is_named(
    script: Script, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], missing: str, words: str
) -> None:
    for name in {"random", "bts", "items"} - {missing}:
        (tmp_path / f"{name}.parquet").write_bytes((folder / f"{name}.parquet").read_bytes())
    assert script("off_policy").main(["--data", str(tmp_path)]) == 1
    assert words in capsys.readouterr().err


def test_an_item_that_is_not_listed_is_refused(
    script: Script, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("random", "bts"):
        (tmp_path / f"{name}.parquet").write_bytes((folder / f"{name}.parquet").read_bytes())
    pl.DataFrame({"item_id": [10, 11]}).write_parquet(tmp_path / "items.parquet")
    assert script("off_policy").main(["--data", str(tmp_path)]) == 1
    assert "actions without a code" in capsys.readouterr().err


def test_coverage_is_studied_where_the_truth_is_known(script: Script, tmp_path: Path) -> None:
    out = tmp_path / "coverage.json"
    sizes = ["--repetitions", "12", "--decisions", "600", "--resamples", "60"]
    assert script("estimator_coverage").main(["--json", str(out), *sizes]) == 0
    parts = json.loads(out.read_text(encoding="utf-8"))["parts"]
    assert list(parts) == ["single", "rare", "visits", "slates", "uniform_slates"]
    for name, estimators in (
        ("single", ("ips", "doubly_robust")),
        ("slates", ("slate_ips", "pseudo_inverse")),
    ):
        for estimator in estimators:
            row = parts[name]["estimators"][estimator]
            assert abs(row["bias"]) < 5 * row["bias_error"]
            assert row["coverage"]["normal"] > 0.7
    assert parts["single"]["estimators"]["direct"]["verdict"] == "not honest"
    assert parts["single"]["estimators"]["ips"]["coverage"]["bernstein"] == 1.0
    assert "as if independent" in parts["visits"]["estimators"]["ips"]["coverage"]


@pytest.mark.parametrize(("coverage", "words"), [(0.929, "not honest"), (0.93, "honest"), (0.98, "cautious")])
def test_a_verdict_is_that_of_the_coverage(script: Script, coverage: float, words: str) -> None:
    assert script("estimator_coverage").verdict(coverage) == words


def test_the_truth_of_slates_is_the_sum_over_all_of_them(script: Script) -> None:
    """Plackett-Luce marginals by hand: two of three items, weights 3, 2, 1."""
    space = script("known_worlds").SlateSpace(np.array([[0, 1], [0, 2], [1, 0], [1, 2], [2, 0], [2, 1]]))
    chances = space.chances(space.conditional(np.array([3.0, 2.0, 1.0])))
    np.testing.assert_allclose(chances, [1 / 3, 1 / 6, 1 / 4, 1 / 12, 1 / 10, 1 / 15])
    np.testing.assert_allclose(space.marginals(chances, 3)[0], [1 / 2, 1 / 3, 1 / 6])
    np.testing.assert_allclose(space.marginals(chances, 3)[1], [0.35, 0.4, 0.25])
