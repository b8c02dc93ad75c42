"""What a loss and its cost come to in a word, and how it is kept."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from polyscene.evaluation.importance import (
    SMALL_SHARE,
    Contribution,
    Cost,
    Importance,
    ScenarioImportance,
    Verdict,
    interval_text,
)
from polyscene.evaluation.significance import Interval

NAN = float("nan")
DEAR, CHEAP = Cost(3.0, 200.0, 0.3), Cost(0.1, 9.0, 0.01)
NDCG = 0.2


@pytest.mark.parametrize(
    ("loss", "cost", "verdict"),
    [
        (Interval(0.02, 0.01, 0.03), DEAR, Verdict.CARRIES),
        (Interval(-0.02, -0.03, -0.01), DEAR, Verdict.HARMS),
        (Interval(0.0, 0.0, 0.0), DEAR, Verdict.DEAR),
        (Interval(0.0, -0.01, SMALL_SHARE * NDCG), DEAR, Verdict.DEAR),
        (Interval(0.005, -0.001, SMALL_SHARE * NDCG + 0.001), DEAR, Verdict.OPEN),
        (Interval(0.0, -0.01, 0.005), CHEAP, Verdict.OPEN),
        (Interval(0.0, -0.01, 0.005), Cost(), Verdict.OPEN),
        (Interval(0.02, NAN, NAN), DEAR, Verdict.UNKNOWN),
    ],
)
def test_verdicts(loss: Interval, cost: Cost, verdict: Verdict) -> None:
    assert Contribution("signal", "a", loss, cost=cost).verdict(NDCG, 0.05) is verdict


def test_the_share_that_is_dear_can_be_another() -> None:
    part = Contribution("signal", "a", Interval(0.0, -0.01, 0.005), cost=DEAR)
    assert part.verdict(NDCG, 0.3) is Verdict.OPEN
    assert part.verdict(NDCG, 0.29) is Verdict.DEAR


@pytest.fixture
def importance() -> Importance:
    parts = (
        Contribution("scenario", "news", Interval(0.01, 0.005, 0.02)),
        Contribution("signal", "weak", Interval(0.0, -0.01, 0.005), cost=DEAR),
        Contribution(
            "signal",
            "strong",
            Interval(0.1, 0.05, 0.2),
            Interval(0.08, NAN, NAN),
            Interval(0.12, 0.1, 0.2),
            CHEAP,
        ),
        Contribution("field", "title", Interval(0.0, -0.1, 0.1), between_items=Interval(0.3, 0.2, 0.4)),
    )
    one = ScenarioImportance("shop", 20, 30, NDCG, parts, "strong", ("Something is left out",))
    return Importance({"shop": one}, "valid", seed=4, machine={"cores": 2}, versions={"numpy": "2"})


def test_parts_stand_by_kind_and_by_loss(importance: Importance) -> None:
    one = importance.scenarios["shop"]
    assert [part.label for part in one.ordered()] == ["strong", "weak", "field: title", "scenario: news"]
    assert one.part("signal", "weak").cost == DEAR
    with pytest.raises(KeyError, match="expected a signal out of"):
        one.part("signal", "title")
    assert one.remarks == [
        "'strong' is used alone, so no other signal can carry anything.",
        "Something is left out.",
    ]


def test_it_is_kept_whole(importance: Importance, tmp_path: Path) -> None:
    importance.save(tmp_path / "kept.json")
    values = json.loads((tmp_path / "kept.json").read_text(encoding="utf-8"))
    again = Importance.from_json(values)
    assert again.to_json() == values == importance.to_json()
    exchanged = again.scenarios["shop"].part("signal", "strong").between_people
    assert exchanged is not None
    assert exchanged.mean == 0.08
    assert not exchanged.known
    assert [row["verdict"] for row in values["scenarios"]["shop"]["parts"]] == [
        "carries",
        "costs time for nothing",
        "not shown to matter",
        "carries",
    ]
    assert again.judged_by(0.5).to_json()["scenarios"]["shop"]["parts"][1]["verdict"] == "not shown to matter"


def test_it_is_a_frame_and_a_table(importance: Importance) -> None:
    frame = importance.to_frame()
    assert isinstance(frame, pl.DataFrame)
    assert frame["name"].to_list() == ["strong", "weak", "title", "news"]
    assert frame.row(0, named=True)["between_items"] == 0.12
    assert frame.row(1, named=True)["between_people"] is None
    assert frame["request_us"].to_list() == [9.0, 200.0, None, None]
    html = importance._repr_html_()
    assert "costs time for nothing" in html
    assert "30 valid choices" in html
    assert "4 parts; valid choices" in repr(importance)


def test_an_interval_without_bounds_is_its_mean() -> None:
    assert interval_text(Interval(0.02, NAN, NAN)) == "+0.0200"
    assert interval_text(Interval(-0.02, -0.03, 0.0)) == "-0.0200 [-0.0300, +0.0000]"
    assert interval_text(None) == "–"
