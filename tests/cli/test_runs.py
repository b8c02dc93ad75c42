"""The verbs that train, judge and ask a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from typer.testing import Result

from polyscene.project import Project


def _active(judged: Path) -> str:
    events = pl.read_parquet(judged.parent / "shop" / "events.parquet")
    return str(events["user_id"].mode().sort()[0])


def test_evaluate_writes_what_the_run_keeps(judged: Path) -> None:
    metrics = json.loads((judged.parent / "metrics.json").read_text(encoding="utf-8"))
    assert metrics == Project.open(judged).run().metrics
    assert set(metrics["scenarios"]) == {"shop", "news", "video"}


def test_evaluate_shows_models_and_the_lead(typed: Callable[..., Result], judged: Path) -> None:
    text = typed("evaluate", "--config", judged).stdout
    for word in ("polyscene", "content_transitions", "NDCG@10", "coverage", "against the best signal"):
        assert word in text
    assert "report.html" in text


def test_train_says_where_the_run_is_and_its_budget(typed: Callable[..., Result], scratch: Path) -> None:
    result = typed("train", "--seed", 11, "--budget", "2h")
    run = Project.open(scratch / "polyscene.toml").run()
    assert run.id in result.stdout
    assert run.manifest["seed"] == 11
    budget = run.manifest["budget"]
    assert budget["seconds"] == 7200
    assert 0 < budget["spent"] < 7200
    assert budget["left_out"] == []
    assert "reading texts" in budget["parts"]
    (note,) = [note for note in run.notes if note.startswith("budget of 7,200 s")]
    assert note.endswith("kept; left out: nothing")
    assert "shop: all events: signals" in result.stderr


def test_a_budget_that_is_no_time_is_refused(typed: Callable[..., Result], scratch: Path) -> None:
    refused = typed("train", "--budget", "soon", code=2)
    assert "write --budget 2m" in refused.stderr
    assert Project.open(scratch / "polyscene.toml").runs() == []


def test_train_on_everything_cannot_be_evaluated(typed: Callable[..., Result], scratch: Path) -> None:
    typed("train", "--all")
    assert Project.open("polyscene.toml").run().manifest["learned_from"] == "everything"
    assert "--all" in typed("evaluate", code=2).stderr


def test_recommend_as_a_table_and_as_json(typed: Callable[..., Result], judged: Path) -> None:
    user, options = _active(judged), ("--config", judged, "--scenario", "shop")
    answer = json.loads(typed("recommend", user, "-k", 4, "--json", *options).stdout)
    assert answer["user"] == user
    assert answer["run"] == Project.open(judged).run().id
    ids = [place["id"] for place in answer["items"]]
    assert len(ids) == 4
    table = typed("recommend", user, "-k", 4, *options).stdout
    assert all(item in table for item in ids)
    rest = typed("recommend", user, "-k", 4, "--exclude", ids[0], "--exclude", ids[1], "--json", *options)
    assert [place["id"] for place in json.loads(rest.stdout)["items"]][:2] == ids[2:]


def test_recommend_to_many_users_into_a_file(
    typed: Callable[..., Result], judged: Path, tmp_path: Path
) -> None:
    options = ("--config", judged, "--scenario", "shop", "-k", 3)
    user, names, out = _active(judged), tmp_path / "users.txt", tmp_path / "slates.csv"
    names.write_text(f"\ufeff{user}\r\n\nnobody\n", encoding="utf-8")
    result = typed("recommend", "--users", names, "--out", out, *options)
    assert "2 slates, 6 rows" in result.stdout
    assert "1 of the 2 users are unknown" in result.stderr
    alone = json.loads(typed("recommend", user, "--json", *options).stdout)["items"]
    assert pl.read_csv(out)["item"].to_list()[:3] == [place["id"] for place in alone]
    everybody = tmp_path / "all.parquet"
    typed("recommend", "--all-users", "--out", everybody, *options)
    events = pl.read_parquet(judged.parent / "shop" / "events.parquet")
    assert set(pl.read_parquet(everybody)["user"]) == set(events["user_id"].cast(pl.String))


def test_recommend_out_of_items_that_meet_a_condition(typed: Callable[..., Result], judged: Path) -> None:
    options = ("--config", judged, "--scenario", "shop", "--json")
    asked = ("recommend", "--history", "P0001, P0002", "--items", "P0003,P0004,P0005,P0006")
    answer = json.loads(typed(*asked, "--where", "price < 1e6", "--exclude", "P0005", *options).stdout)
    assert answer["user"] is None
    assert sorted(place["id"] for place in answer["items"]) == ["P0003", "P0004", "P0006"]
    assert "did you mean 'price'" in typed(*asked, "--where", "prize < 3", *options, code=2).stderr


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("u1", "--users", "f"),
        ("--users", "f"),
        ("--all-users", "--out", "f.xlsx"),
        ("--all-users", "--users", "f", "--out", "f.csv"),
        ("u1", "--out", "f.csv"),
        ("--all-users", "--out", "f.csv", "--json"),
    ],
)
def test_recommend_refuses_what_contradicts_itself(
    typed: Callable[..., Result], words: tuple[str, ...]
) -> None:
    assert "Invalid value" in typed("recommend", *words, code=2).stderr


def test_strangers_are_told_apart(typed: Callable[..., Result], judged: Path) -> None:
    stranger = typed("recommend", "nobody", "-s", "news", "--config", judged)
    assert "nobody called 'nobody' is known: this is what suits everybody" in stranger.stderr
    known = typed("recommend", _active(judged), "-s", "news", "--config", judged)
    assert "is known" not in known.stderr


def test_similar_names_the_item_and_its_kin(typed: Callable[..., Result], judged: Path) -> None:
    options = ("--config", judged, "--scenario", "shop")
    answer = json.loads(typed("similar", "P0001", "-k", 3, "--json", *options).stdout)
    assert len(answer["items"]) == 3
    assert "P0001" not in [place["id"] for place in answer["items"]]
    table = typed("similar", "P0001", "-k", 3, *options).stdout
    assert all(place["id"] in table for place in answer["items"])


def test_predict_tells_of_each_item_how_likely_it_is(typed: Callable[..., Result], judged: Path) -> None:
    options = ("--config", judged, "--scenario", "shop")
    words = ("predict", _active(judged), "P0001", "P0002")
    value = json.loads(typed(*words, "--json", *options).stdout)
    assert [row["item"] for row in value["items"]] == ["P0001", "P0002"]
    assert all(0 <= row["predictions"]["next_choice"] < 1 for row in value["items"])
    table = typed(*words, *options).stdout
    assert "next choice" in table
    assert "P0002" in table


def test_why_not_tells_what_keeps_an_item_out(typed: Callable[..., Result], judged: Path) -> None:
    options = ("-c", str(judged), "-s", "shop")
    user = "u00001"
    order = [
        place["id"]
        for place in json.loads(typed("recommend", user, "-k", "9", "--json", *options).stdout)["items"]
    ]
    why = json.loads(typed("explain", user, order[8], "--why-not", "-k", "3", "--json", *options).stdout)
    assert (why["rank"], why["place"], why["obstacles"][0]["stage"]) == (9, None, "ranked")
    table = typed("explain", user, order[8], "--why-not", "-k", "3", *options).stdout
    assert "With all of this changed it is in the slate." in table
    assert "k: 9" in table
    shown = typed("explain", user, order[1], "--why-not", "-k", "3", *options).stdout
    assert "It is in the slate: place 2 of 3." in shown


def test_explain_agrees_with_recommend(typed: Callable[..., Result], judged: Path) -> None:
    user, options = _active(judged), ("--config", judged, "--scenario", "shop")
    first = json.loads(typed("recommend", user, "-k", 1, "--json", *options).stdout)["items"][0]
    why = json.loads(typed("explain", user, first["id"], "--json", *options).stdout)
    assert why["rank"] == 1
    assert why["reason"] == first["reason"]
    table = typed("explain", user, first["id"], *options).stdout
    assert "Place 1 of" in table
    loud = [name for name in why["shares"] if abs(why["shares"][name]) + abs(why["scores"][name]) > 0.01]
    assert loud
    assert all(signal in table for signal in loud), "only what says nothing is left out"


def test_report_prints_the_path_of_the_page(typed: Callable[..., Result], judged: Path) -> None:
    path = Path(typed("report", "--config", judged).stdout.strip())
    assert "<html" in path.read_text(encoding="utf-8")


def test_a_named_run_is_asked(typed: Callable[..., Result], judged: Path) -> None:
    project = Project.open(judged)
    options = ("-s", "shop", "--config", judged, "--json")
    answer = json.loads(typed("recommend", "nobody", "--run", project.runs()[0], *options).stdout)
    assert answer["run"] == project.runs()[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("recommend", "u1"), "shop, news, video"),
        (("recommend", "u1", "--run", "yesterday"), "yesterday"),
        (("similar", "no-item", "-s", "shop"), "no-item"),
        (("explain", "u1", "no-item", "-s", "shop"), "no-item"),
        (("predict", "u1", "no-item", "-s", "shop"), "no-item"),
    ],
)
def test_what_is_unknown_is_a_message(
    typed: Callable[..., Result], judged: Path, words: tuple[str, ...], message: str
) -> None:
    result = typed(*words, "--config", judged, code=2)
    assert message in result.stderr
    assert result.stdout == ""


def test_without_a_run_training_is_advised(typed: Callable[..., Result], scratch: Path) -> None:
    assert "polyscene train" in typed("recommend", "u1", "-s", "shop", code=2).stderr
