"""`benchmarks/sequences.py` on two shops that it has never seen, with some of the people in both."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

Script = Callable[[str], ModuleType]


@pytest.mark.parametrize("part", ["validation", "test"])
def test_hearing_all_scenarios_is_compared_with_hearing_one(
    script: Script, two_shops: Path, tmp_path: Path, part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sequences.json"
    words = ["--data", str(two_shops), "--part", part, "--only", "tools", "--epochs", "1"]
    words += ["--work", str(tmp_path)]
    assert script("sequences").main([*words, "--json", str(out)]) == 0
    report = json.loads(out.read_text(encoding="utf-8"))
    assert list(report["scenarios"]) == ["tools"]
    one = report["scenarios"]["tools"]
    counts = {title: row["choices"] for title, row in one["slices"].items()}
    assert counts == {"all": 40, "shared users": 20, "others": 20}
    whole, shared, others = (one["slices"][title] for title in counts)
    for arm in ("own", "all"):
        assert 0 < whole[arm] <= 1
        assert whole[arm] == pytest.approx((shared[arm] + others[arm]) / 2)
    gain = shared["difference"]
    assert gain["low"] <= gain["mean"] <= gain["high"]
    assert gain["mean"] == pytest.approx(shared["all"] - shared["own"])
    assert one["cost"]["all"]["state_mb"] > one["cost"]["own"]["state_mb"], "it has weights of its own"
    assert {"seconds", "processor_seconds", "peak_mb"} <= set(one["cost"]["own"])
    assert {"machine", "versions"} <= set(report)
    assert "tools: shared users" in capsys.readouterr().out
