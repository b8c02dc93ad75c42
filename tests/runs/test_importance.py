"""Of a world whose truth is known, a run tells which signal, field and scenario carries what it answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from rich.console import Console
from typer.testing import CliRunner

from polyscene.cli.importance_table import scenario_parts
from polyscene.cli.main import app
from polyscene.core.errors import RunError
from polyscene.core.seeds import generator
from polyscene.data.reading.item_fields import TextFields
from polyscene.evaluation.importance import Contribution, Cost, Importance, ScenarioImportance, Verdict
from polyscene.evaluation.significance import Interval
from polyscene.project import Project
from polyscene.runs.field_importance import ALL_TEXT, ItemFields
from polyscene.runs.importance import ImportanceRequest, with_tables
from polyscene.runs.run import Run
from polyscene.runs.run_record import REPORT

KINDS, N_ITEMS, N_USERS, STEPS = 6, 60, 150, 5
CONFIG = """
name = "truth"
[language]
model = "MODEL"
tuning = "none"
precision = "float32"
[scenarios.shop]
signals = ["popularity", "content"]
repeats = false
template = "{kind}. {code}"
items = { path = "shop_items.parquet", id = "sku", text = ["kind", "code"], categorical = ["colour"] }
events = { path = "shop.csv", user = "who", item = "sku", time = "at", time_format = "sequence" }
[scenarios.film]
signals = ["popularity", "cross_scenario"]
repeats = false
template = "{kind}. {code}"
items = { path = "film_items.parquet", id = "sku", text = ["kind", "code"] }
events = { path = "film.csv", user = "who", item = "sku", time = "at", time_format = "sequence" }
[evaluation]
protocol = "leave_last_out"
bootstrap = 300
[fusion]
earlier_cuts = 0
[runtime]
threads = 1
cache = "cache"
"""


def write(folder: Path, model: Path) -> Path:
    """Write a world: everybody keeps to one kind of items in both places; code and colour mean nothing."""
    draws = np.random.default_rng(2)
    for name in ("shop", "film"):
        skus = [f"{name}{item}" for item in range(N_ITEMS)]
        columns: dict[str, Any] = {
            "sku": skus,
            "kind": [12 * "abcdef"[item % KINDS] for item in range(N_ITEMS)],
            "code": ["".join(draws.choice(list("uvwxyz"), 2)) for _ in skus],
            "colour": draws.choice(["red", "blue"], N_ITEMS),
        }
        pl.DataFrame(columns).write_parquet(folder / f"{name}_items.parquet")
        rows = [
            (f"u{user}", f"{name}{item}", step)
            for user in range(N_USERS)
            for step, item in enumerate(KINDS * draws.permutation(N_ITEMS // KINDS)[:STEPS] + user % KINDS)
        ]
        pl.DataFrame(rows, schema=["who", "sku", "at"], orient="row").write_csv(folder / f"{name}.csv")
    config = folder / "polyscene.toml"
    config.write_text(CONFIG.replace("MODEL", model.as_posix()))
    return config


@pytest.fixture(scope="module")
def project(small_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project with one run, judged, which tells what its held-out choices say of every signal."""
    project = Project.open(write(tmp_path_factory.mktemp("truth"), small_encoder))
    project.evaluate(project.train(importance=True))
    return project


@pytest.fixture(scope="module")
def tested(project: Project) -> Importance:
    return project.importance()


def verdicts(one: ScenarioImportance) -> dict[str, Verdict]:
    return {part.label: part.verdict(one.ndcg) for part in one.parts}


def reading_seconds(project: Project) -> list[float]:
    parts = project.run().manifest["budget"]["parts"]
    return [seconds for part, seconds in parts.items() if ": " not in part]


def test_the_signal_and_the_field_that_carry_are_told_from_noise(
    project: Project, tested: Importance
) -> None:
    results = verdicts(tested.scenarios["shop"])
    assert results["content"] is Verdict.CARRIES
    assert results["field: kind"] is Verdict.CARRIES
    assert results[f"field: {ALL_TEXT}"] is Verdict.CARRIES
    noise = {results[name] for name in ("popularity", "field: code", "scenario: film")}
    assert Verdict.CARRIES not in noise
    shop = tested.scenarios["shop"]
    kind, code = (shop.part("field", name) for name in ("kind", "code"))
    assert kind.loss.low > 3 * abs(code.loss.mean)
    for part in (kind, shop.part("field", ALL_TEXT)):
        assert part.between_items is not None
        assert part.between_items.low > 0
    text = shop.part("field", ALL_TEXT).cost
    assert text.fit_seconds == pytest.approx(sum(reading_seconds(project)), abs=1e-6)
    assert text.share is not None
    assert 0 < text.share < 1
    assert kind.cost.share is None
    assert any("reads colour" in note for note in shop.notes)


def test_the_other_scenario_carries_where_nothing_else_does(tested: Importance) -> None:
    film = tested.scenarios["film"]
    assert film.part("scenario", "shop").verdict(film.ndcg) is Verdict.CARRIES
    withheld = film.part("scenario", "shop").loss.mean
    assert withheld == pytest.approx(film.part("signal", "cross_scenario").loss.mean, rel=0.3)


def test_held_out_choices_say_the_same_of_signals(project: Project) -> None:
    valid = project.importance(choices="valid")
    assert valid.choices_of == "valid"
    shop = valid.scenarios["shop"]
    assert verdicts(shop)["content"] is Verdict.CARRIES
    assert shop.of("field") == []
    assert shop.choices < N_USERS  # those held out alone
    cost = shop.part("signal", "content").cost
    assert cost.fit_seconds is not None
    assert cost.request_us is not None


def test_a_run_that_was_not_trained_to_tell_says_so(project: Project, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="trained with --importance"):
        project.importance(project.run().save(tmp_path / "runs"), "valid")


def test_it_is_kept_in_the_run_and_shown_in_its_report(project: Project, tested: Importance) -> None:
    run = project.run()
    kept = run.importance()
    assert kept is not None
    assert kept.to_json() == tested.to_json() != project.importance(choices="valid").to_json()
    project.report(run)
    assert "What carries the result, and what it costs" in (run.folder / REPORT).read_text(encoding="utf-8")


def test_asking_again_says_the_same(project: Project, tested: Importance) -> None:
    again = project.importance(request=ImportanceRequest(fields=False))
    for name, one in again.scenarios.items():
        assert one.of("field") == []
        for part in one.parts:
            before = tested.scenarios[name].part(part.kind, part.name)
            assert (part.loss, part.between_items) == (before.loss, before.between_items)
    project.importance()  # so that the file holds the fields too


def test_a_field_that_is_not_changed_changes_nothing(project: Project) -> None:
    run = project.run()
    fields = fields_of(project, run)
    order = np.arange(N_ITEMS)
    for name in fields.names:
        same = fields.changed(name, order)
        view = run.system.scenario("shop").space.view("tuned")
        np.testing.assert_allclose(same.space.view("tuned").vectors, view.vectors, atol=1e-6)


def test_an_exchanged_text_lies_where_the_other_lay(project: Project) -> None:
    run = project.run()
    fields = fields_of(project, run)
    order = fields.shuffled(generator(1, "fields"))
    assert sorted(order.tolist()) == list(range(N_ITEMS))
    assert not (order == np.arange(N_ITEMS)).any()
    before = run.system.scenario("shop").space.view("tuned").vectors
    after = fields.changed(ALL_TEXT, order).space.view("tuned").vectors
    np.testing.assert_array_equal(after, before[order])
    assert not fields.changed(ALL_TEXT).space.view("tuned").vectors.any()
    apart = fields.changed("kind").space.view("tuned").vectors
    assert not np.isclose(apart, before).all(axis=1).any()


def fields_of(project: Project, run: Run) -> ItemFields:
    return ItemFields.of(run, "shop", TextFields(project.settings.scenarios["shop"], project.base))


def test_texts_are_made_without_a_column_and_with_another_row_s(project: Project) -> None:
    texts = TextFields(project.settings.scenarios["shop"], project.base)
    assert texts.names == ("kind", "code")
    whole, turned = texts.texts(), np.roll(np.arange(N_ITEMS), 1)
    kinds, codes = zip(*(text.split(". ") for text in whole), strict=True)
    assert texts.texts("kind") == codes
    assert texts.texts("colour") == whole
    assert texts.texts("kind", turned) == tuple(
        f"{kinds[row]}. {code}" for row, code in zip(turned.tolist(), codes, strict=True)
    )


def test_other_texts_are_refused(project: Project) -> None:
    other = project.settings.scenarios["shop"].model_copy(update={"template": "{code}"})
    with pytest.raises(RunError, match="the texts of 'shop'"):
        ItemFields.of(project.run(), "shop", TextFields(other, project.base))


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_every_part_is_shown_at_any_width(tested: Importance, columns: int) -> None:
    with (console := Console(width=columns)).capture() as capture:
        for part in scenario_parts(tested, "shop", columns):
            console.print(part, soft_wrap=isinstance(part, str))
    shown = capture.get()
    assert "…" not in shown
    for word in ("content", "field: kind", "carries", "NDCG@10", "above 5%", "test choices", "reads colour"):
        assert word in shown
    assert max(len(line) for line in shown.splitlines() if "│" in line) <= columns


def test_the_verb_says_what_a_run_keeps(project: Project, tmp_path: Path) -> None:
    out, config = tmp_path / "importance.json", project.base / "polyscene.toml"
    words = ["importance", "--config", str(config), "--choices", "valid", "--json", str(out), "--dear", "0.9"]
    shown = CliRunner().invoke(app, [*words, "--no-fields"])
    assert shown.exit_code == 0, shown.output
    assert "--no-fields change nothing" in shown.stderr
    assert "above 90%" in shown.stdout
    assert "report.html" in shown.stdout
    kept = project.importance(choices="valid", request=ImportanceRequest(dear_share=0.9))
    kept.save(out.with_name("same.json"))
    assert out.read_bytes() == out.with_name("same.json").read_bytes()
    names = [
        part["name"] for part in json.loads(out.read_text(encoding="utf-8"))["scenarios"]["film"]["parts"]
    ]
    assert sorted(names) == ["cross_scenario", "popularity", "shop"]


def test_a_table_that_one_signal_reads_carries_what_that_does() -> None:
    parts = (
        Contribution("signal", "social", Interval(0.1, 0.05, 0.2), cost=Cost(2.0, 30.0, 0.4)),
        Contribution("signal", "knowledge", Interval(0.0, -0.1, 0.1)),
        Contribution("signal", "popularity", Interval(0.2, 0.1, 0.3)),
    )
    fields = with_tables(ScenarioImportance("shop", 3, 3, 0.5, parts)).of("field")
    assert [(part.name, part.loss.mean, part.cost.fit_seconds) for part in fields] == [
        ("links", 0.1, 2.0),
        ("knowledge", 0.0, None),
    ]
