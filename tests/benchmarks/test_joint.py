"""`benchmarks/joint.py` on two shops that it has never seen, with some of the people in both."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

Script = Callable[[str], ModuleType]


@pytest.fixture(scope="module")
def work(script: Script, two_shops: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both arms of one shop, run one after the other in one work folder."""
    folder = tmp_path_factory.mktemp("joint")
    for arm in ("joint", "tools"):
        words = ["--data", str(two_shops), "--work", str(folder), "--arms", arm]
        assert script("joint").main([*words, "--json", str(folder / f"{arm}.json")]) == 0
    return folder


def test_an_arm_without_its_partner_is_kept_and_not_compared(work: Path) -> None:
    report = json.loads((work / "joint.json").read_text(encoding="utf-8"))
    assert report["scenarios"] == {}
    assert list(report["cost"]) == ["joint"]


def test_both_arms_rank_the_same_choices_of_the_same_people(script: Script, work: Path) -> None:
    report = json.loads((work / "tools.json").read_text(encoding="utf-8"))
    assert list(report["scenarios"]) == ["tools"], "toys alone was not run"
    slices = report["scenarios"]["tools"]
    assert {title: row["choices"] for title, row in slices.items()} == {
        "everybody": 40,
        "shared users": 20,
        "others": 20,
    }
    whole, shared, others = slices.values()
    for arm in ("alone", "joint"):
        assert 0 < whole[arm] <= 1
        assert whole[arm] == pytest.approx((shared[arm] + others[arm]) / 2)
    assert shared["difference"]["mean"] == pytest.approx(shared["joint"] - shared["alone"])
    assert list(report["cost"]) == ["joint", "tools"]


def test_users_are_paired_by_their_ids(script: Script) -> None:
    joint = script("joint")
    one = joint.Ranking(np.array(["a", "b", "c"]), np.array([1.0, 50.0, 50.0]))
    other = joint.Ranking(np.array(["a", "b", "c"]), np.array([50.0, 50.0, 1.0]))
    elsewhere = joint.Ranking(np.array(["b", "c"]), np.array([1.0, 1.0]))
    slices = joint.compared({"tools": one, "toys": elsewhere}, {"tools": other}, "tools")
    assert slices["shared users"]["joint"] == 0.0
    assert slices["shared users"]["alone"] == 0.5
    assert slices["others"]["difference"]["mean"] == 1.0


@pytest.mark.parametrize(("words", "reason"), [(["--arms", "nails"], "no such arm"), ([], "nothing to join")])
def test_what_cannot_be_joined_is_refused_in_words(
    script: Script,
    two_shops: Path,
    never_seen: Path,
    tmp_path: Path,
    words: list[str],
    reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = two_shops if words else never_seen
    assert script("joint").main(["--data", str(folder), "--work", str(tmp_path), *words]) == 1
    assert reason in capsys.readouterr().err
