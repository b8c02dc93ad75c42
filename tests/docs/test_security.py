"""Every answer to a threat is tested where the page says so, and every measurement is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from polyscene.serving.audit import Act
from polyscene.serving.metrics import Metrics, ProcessMetrics

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if line.startswith("|") and "---" not in line
][1:]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_answer_is_tested_where_the_page_says(row: list[str]) -> None:
    assert len(row) == 4
    assert all(row)
    tests = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row[3])
    assert tests
    for file, name in tests:
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{name}"


def test_every_act_of_the_audit_log_is_told() -> None:
    text = " ".join(TEXT.split())
    for act in Act:
        thing, done = act.value.split(" ", 1)
        mention = re.search(rf"\b{thing} (?:\w+(?:, | or ))*?{done}\b", text) or f"{thing} {done}" in text
        assert mention, act


def test_every_measurement_is_told() -> None:
    page = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    metrics = Metrics()
    metrics.include(ProcessMetrics())
    for family in metrics.registry.collect():
        name = family.name + "_total" * (family.type == "counter")
        assert f"| `{name}`" in page, name
