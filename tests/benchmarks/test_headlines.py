"""Small tests of headlines in which one word decides, and a bandit whose regret can be counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

Script = Callable[[str], ModuleType]
WORDS = ("kitten", "tax form")


def _arms(draws: np.random.Generator, tests: int, week: int = 201410) -> pl.DataFrame:
    rows = []
    for number in range(tests):
        for arm in range(4):
            kitten = arm % 2 == 0
            rate = 0.03 * (1.6 if kitten else 1.0) * np.exp(0.05 * draws.normal())
            headline = f"The {WORDS[not kitten]} of street {number} and {'abcd'[arm]}"
            shown = int(draws.integers(2000, 4000))
            rows.append((f"t{week}-{number}", week, headline, shown, int(draws.binomial(shown, rate))))
    columns = ["test_id", "test_week", "headline", "impressions", "clicks"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def _of_words(texts: list[str]) -> list[np.ndarray]:
    return [np.array([["kitten" in text, "tax" in text, len(text) % 2] for text in texts], np.float32)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home, draws = tmp_path_factory.mktemp("headlines"), np.random.default_rng(0)
    faulty = _arms(draws, 5, week=201330)
    one = [("x", 201410, "The same", 9, 1)] * 2
    same = pl.DataFrame(one, schema=faulty.schema, orient="row")
    pl.concat([_arms(draws, 60), faulty, same]).write_parquet(home / "arms.parquet")
    return home


def test_arms_are_pooled_and_faulty_weeks_left_out(script: Script, folder: Path, tmp_path: Path) -> None:
    tests = script("headline_tests")
    arms = tests.read_arms(folder, "get it")
    assert len(arms.names) == 60
    assert len(arms.headlines) == 240
    twice = pl.concat([pl.read_parquet(folder / "arms.parquet")] * 2)
    twice.write_parquet(tmp_path / "arms.parquet")
    pooled = tests.read_arms(tmp_path, "get it")
    np.testing.assert_array_equal(pooled.shown, 2 * arms.shown)
    kept = arms.of(lambda name: name.endswith("7"))
    assert [kept.names[code] for code in kept.test] == [name for name in kept.names for _ in range(4)]
    assert all(name.endswith("7") for name in kept.names)
    shares = [tests.is_judged(f"some test {number}") for number in range(3000)]
    assert 0.3 < np.mean(shares) < 0.37


def test_a_word_that_decides_is_learned_and_saves_regret(
    script: Script, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    headlines = script("headlines")
    monkeypatch.setattr(headlines, "STEPS", 20)
    results = headlines.run(*headlines.split(folder, None), _of_words, 2, 7, needed=True)
    assert results["pair_accuracy"] > 0.97
    assert results["pair_accuracy_low"] <= results["pair_accuracy"] <= results["pair_accuracy_high"]
    assert results["held_out"]["pair_accuracy"] > 0.95
    saved = [one["saved"] for one in results["foretold"].values()]
    assert saved[0] == 0.0 < saved[2] < saved[-1]
    assert results["tests"]["learned"] + results["tests"]["judged"] == 60
    assert results["bandit"]["uniform"]["saved"] == 0.0
    assert results["bandit"]["thompson"]["saved"] > 0.33
    assert results["bandit"]["thompson"]["saved_in_the_first_batch"] > 0.5
    assert results["prior"]["left"] < 0.6 * results["prior"]["spread"]
    assert results["regret"] == min(one["with_prior"] for one in results["bandit"].values())
    headlines.drawn(tmp_path / "regret.svg", results)
    assert (tmp_path / "regret.svg").stat().st_size > 5000
    assert "pairs ordered rightly" in headlines.tables(results)
    assert json.loads(json.dumps(results))["seeds"] == 2


def test_pairs_are_ordered_as_counted_by_hand(script: Script) -> None:
    tests = script("headline_tests")
    arms = tests.Arms(
        np.array([0, 0, 0, 1, 1]), ("a", "b"), ("p", "q", "r", "s", "t"),
        np.full(5, 10_000.0), np.array([100.0, 200.0, 210.0, 300.0, 300.0]),
    )  # fmt: skip
    # Of test a: p < q and p < r clearly, q < r by less than two standard errors; b has equals.
    scores = np.array([0.0, 1.0, 1.0, 5.0, 1.0])
    assert tests.ordered(arms, scores) == {
        "pair_accuracy": 1.0, "pair_accuracy_all": pytest.approx(2.5 / 3), "pairs": 2.0, "pairs_all": 3.0,
    }  # fmt: skip
    assert tests.ordered(arms, -scores)["pair_accuracy"] == 0.0


def test_the_posterior_is_that_of_the_joint_normal(script: Script) -> None:
    bandit = script("headline_bandit")
    prior = bandit.Prior(np.array([[0.1, -0.1, 0.0]]), 0.3, -4.0, 0.5)
    shown, clicks = np.array([[1000.0, 0.0, 0.0]]), np.array([[30.0, 0.0, 0.0]])
    arms = np.array([[True, True, False]])
    known = bandit.posterior(prior, shown, clicks, arms)
    variance = 1 / 30.5
    covariance = np.full((2, 2), 0.25) + 0.09 * np.eye(2)
    gain = covariance[:, 0] / (covariance[0, 0] + variance)
    mean = np.array([-3.9, -4.1]) + gain * (np.log(0.0305) + 3.9)
    np.testing.assert_allclose(known.mean[0, :2], mean)
    after = covariance - np.outer(gain, covariance[0])
    np.testing.assert_allclose(known.own[0, :2] ** 2 + known.shared[0, :2] ** 2, np.diag(after))
    np.testing.assert_allclose(known.shared[0, 0] * known.shared[0, 1], after[0, 1])


def test_regret_is_counted_against_the_best_arm(script: Script) -> None:
    bandit = script("headline_bandit")
    rates, arms = np.array([[0.1, 0.05, 0.0]]), np.array([[True, True, False]])
    bandits = bandit.Bandits(rates, arms, np.array([40_000.0]))
    prior = bandit.Prior(np.zeros((1, 3)), 0.3, -3.0, 0.5)
    uniform = bandit.regrets(bandits, prior, "uniform", 20, 1)
    assert uniform[0, -1] == pytest.approx(40_000 * 0.025, rel=0.03)
    for policy in ("greedy", "ucb", "thompson", "epsilon"):
        curve = bandit.regrets(bandits, prior, policy, 20, 1)[0]
        assert (np.diff(curve) >= 0).all()
        assert curve[-1] < 0.35 * uniform[0, -1]


def test_a_folder_to_learn_from_and_errors_that_help(
    script: Script, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    headlines = script("headlines")
    _arms(np.random.default_rng(3), 6, week=201420).write_parquet(tmp_path / "arms.parquet")
    taught, judged = headlines.split(tmp_path, folder)
    assert (len(taught.names), len(judged.names)) == (60, 6)
    assert headlines.main(["--data", str(folder), "--train", str(folder)]) == 1
    assert "60 to learn from and 0 to judge" in capsys.readouterr().err
    assert headlines.main(["--data", str(tmp_path / "nowhere")]) == 1
    assert "Upworthy-Analysis-Project" in capsys.readouterr().err
    assert headlines.main(["--seeds", "0"]) == 1
