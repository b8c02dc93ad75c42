"""`benchmarks/sequences.py` on two shops that it has never seen, with some of the people in both."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

Script = Callable[[str], ModuleType]
SCENARIO = """
[scenarios.{name}]
template = "{{title}}"
items = {{ path = "{name}_items.csv", id = "id", text = ["title"] }}
events = {{ path = "{name}_events.csv", user = "who", item = "what", time = "at", time_format = "sequence" }}
"""


@pytest.fixture(scope="module")
def two_shops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty people walk rings of twelve items in the one shop, every second of them in the other too."""
    folder = tmp_path_factory.mktemp("shops")
    draws = np.random.default_rng(5)
    text = 'name = "shops"\nseed = 3\n[language]\nmodel = "light"\n'
    for name, people in (("tools", range(40)), ("toys", range(0, 40, 2))):
        titles = [f"{word} {name} number {item}" for item, word in enumerate(["red", "blue", "old"] * 4)]
        frame = pl.DataFrame({"id": [f"{name}{item}" for item in range(12)], "title": titles})
        frame.write_csv(folder / f"{name}_items.csv")
        rows = []
        for person in people:
            start = int(draws.integers(12))
            rows += [(f"p{person}", f"{name}{(start + step) % 12}", step) for step in range(6)]
        log = pl.DataFrame(rows, schema=["who", "what", "at"], orient="row")
        log.write_csv(folder / f"{name}_events.csv")
        text += SCENARIO.format(name=name)
    text += '[evaluation]\nprotocol = "leave_last_out"\n'
    (folder / "polyscene.toml").write_text(text, encoding="utf-8")
    return folder


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
