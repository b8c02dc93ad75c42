"""One table in several files, and tables with a row per property: what `init` makes of them."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from polyscene.core.settings.project import Settings
from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.data.drafting.project import ProjectDraft, guess_project
from polyscene.data.drafting.tables import stem
from polyscene.data.reading.check import check_project
from polyscene.data.reading.dataset import read_dataset


def log(rows: int, year: int) -> pl.DataFrame:
    dice = random.Random(year)
    return pl.DataFrame(
        {
            "customer_id": [f"c{dice.randint(0, 40)}" for _ in range(rows)],
            "product_id": [f"p{dice.randint(0, 30)}" for _ in range(rows)],
            "quantity": [dice.randint(1, 9) for _ in range(rows)],
            "ordered_at": [f"{year}-0{dice.randint(1, 9)}-1{dice.randint(0, 9)}" for _ in range(rows)],
        }
    )


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    products = {"product_id": [f"p{n}" for n in range(31)], "title": [f"Thing {n} of all" for n in range(31)]}
    pl.DataFrame(products).write_csv(tmp_path / "products.csv")
    return tmp_path


def drafted(folder: Path) -> tuple[ProjectDraft, ScenarioSettings, int | None]:
    draft = guess_project([folder], "raw")
    path = folder / "polyscene.toml"
    path.write_text(draft.to_toml(folder), encoding="utf-8")
    settings = Settings.load(path)
    report = check_project(settings, folder)
    assert report.ok, report.problems
    (scenario,), (counts,) = settings.scenarios.values(), report.counts.values()
    return draft, scenario, counts.events


def test_logs_of_the_same_columns_are_one(shop: Path) -> None:
    log(90, 2023).write_csv(shop / "events_2023.csv")
    log(110, 2024).select(reversed(log(1, 1).columns)).write_csv(shop / "events_2024.csv")
    _, scenario, events = drafted(shop)
    assert scenario.events.path == ["events_2023.csv", "events_2024.csv"]
    assert events == 200


def test_months_are_parts_of_one_and_a_column_more_is_told(shop: Path) -> None:
    log(90, 2023).write_csv(shop / "events-jan.csv")
    log(110, 2024).with_columns(channel=pl.lit("app")).write_csv(shop / "events-mar.csv")
    draft, scenario, events = drafted(shop)
    assert scenario.events.path == ["events-jan.csv", "events-mar.csv"]
    assert events == 200
    assert "'events-jan.csv' and 'events-mar.csv' differ in 'channel': not used" in draft.notes


def test_many_files_are_a_glob_that_matches_them_alone(shop: Path) -> None:
    for number in range(10):
        log(20, 2000 + number).write_csv(shop / f"events_{2000 + number}.csv")
    _, scenario, events = drafted(shop)
    assert (scenario.events.path, events) == ("events_200*.csv", 200)
    (shop / "events_200_notes.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    (shop / "polyscene.toml").unlink()
    _, scenario, events = drafted(shop)
    assert scenario.events.path == [f"events_{2000 + number}.csv" for number in range(10)]
    assert events == 200


def test_other_tables_are_no_parts(shop: Path) -> None:
    log(90, 2023).write_csv(shop / "events_1.csv")
    log(90, 2024).rename({"quantity": "n", "ordered_at": "when"}).write_csv(shop / "events_2.csv")
    draft, scenario, _ = drafted(shop)
    assert isinstance(scenario.events.path, str)
    assert any("is not used" in note for note in draft.notes)


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("events_2023.csv", "events_"),
        ("Sales-Jan.csv", "Sales-"),
        ("market.csv", "market"),
        ("q3_2024.csv", "_"),
    ],
)
def test_what_counts_is_no_part_of_a_name(name: str, bare: str) -> None:
    assert stem(Path(name)) == bare


def test_runs_are_no_tables(shop: Path) -> None:
    log(90, 2023).write_csv(shop / "events.csv")
    run = shop / "runs" / "raw" / "20240101"
    (run / "shop").mkdir(parents=True)
    (run / "run.json").write_text("{}", encoding="utf-8")
    log(90, 2024).write_csv(run / "events.csv")
    log(90, 2024).write_csv(run / "shop" / "events.csv")
    draft, scenario, _ = drafted(shop)
    assert (scenario.events.path, draft.notes) == ("events.csv", ())


def test_tables_above_are_told_once(shop: Path) -> None:
    log(90, 2023).write_csv(shop / "events.csv")
    deep = shop / "one" / "two"
    deep.mkdir(parents=True)
    log(90, 2024).write_csv(deep / "events.csv")
    draft = guess_project([shop], "raw")
    assert [scenario.items.table.paths for scenario in draft.scenarios] == [(shop / "products.csv",)] * 2


def test_properties_one_a_row_are_the_columns_of_a_catalogue(shop: Path) -> None:
    (shop / "products.csv").unlink()
    log(200, 2023).write_csv(shop / "events.csv")
    for part in (1, 2):
        rows = [
            (f"2023-0{part}-01", f"p{n}", name, value)
            for n in range(31)
            for name, value in (("title", f"Thing {n} of part {part}"), ("colour", ("red", "blue")[n % 2]))
        ]
        frame = pl.DataFrame(rows, schema=["date", "product_id", "property", "value"], orient="row")
        frame.write_csv(shop / f"product_properties_{part}.csv")
    draft, scenario, events = drafted(shop)
    items = scenario.items
    assert items.pivot is not None
    assert (items.pivot.on, items.pivot.name, items.pivot.value, items.pivot.time) == (
        "product_id",
        "property",
        "value",
        "date",
    )
    assert (items.text, items.categorical) == (["title"], ["colour"])
    assert scenario.template == "{title}. Colour: {colour}."
    assert events == 200
    assert not draft.decisions


def people(ids: list[str]) -> str:
    return "customer_id,country\n" + "".join(f"{one},{('fr', 'de')[n % 2]}\n" for n, one in enumerate(ids))


@pytest.mark.parametrize("written", [" {:04d} ", "{:d}", "{:04d}", " {:d}"])
def test_users_are_found_however_their_ids_are_written(shop: Path, written: str) -> None:
    frame = log(200, 2023).with_columns(pl.col("customer_id").str.slice(1).str.zfill(4))
    frame.write_csv(shop / "events.csv")
    ids = [written.format(n) for n in range(41)]
    (shop / "customers.csv").write_text(people([*ids, "unknown"]), encoding="utf-8")
    _, scenario, _ = drafted(shop)
    assert scenario.users is not None
    assert (scenario.users.path, scenario.users.categorical) == ("customers.csv", ["country"])
    assert scenario.users.zero_fill == ({} if "04" in written else {"customer_id": 4})
    settings = Settings.load(shop / "polyscene.toml")
    data = read_dataset(settings, shop)
    (profile,) = data.profiles.values()
    named = {data.users[code] for code in profile["user"].to_list()}
    (scenario_data,) = data.scenarios.values()
    acting = {data.users[code] for code in scenario_data.events.user.tolist()}
    assert len(acting) == 40
    assert acting < named, "padded and filled as the log has them"


def test_items_with_padded_ids_are_found(shop: Path) -> None:
    log(200, 2023).with_columns("  " + pl.col("product_id")).write_csv(shop / "events.csv")
    _, scenario, events = drafted(shop)
    assert (scenario.items.path, scenario.events.on_unknown_item, events) == ("products.csv", "error", 200)


@pytest.mark.parametrize(
    ("formats", "sure"),
    [
        (("%d.%m.%Y %H:%M", "%m/%d/%Y %H:%M"), True),
        (("%Y-%m-%d", "%d %b %Y"), True),
        (("%d/%m/%Y", "%m/%d/%Y"), False),
    ],
)
def test_times_that_two_files_write_in_two_ways(shop: Path, formats: tuple[str, str], sure: bool) -> None:
    for year, written in zip((2023, 2024), formats, strict=True):
        days = [(1 + n % 12, 1 + n * 5 % 28, n % 24) for n in range(120)]
        stamps = [datetime(year, month, day, hour) for month, day, hour in days]
        times = pl.Series("ordered_at", [stamp.strftime(written) for stamp in stamps])
        log(120, year).with_columns(times).write_csv(shop / f"events_{year}.csv")
    draft, scenario, events = drafted(shop)
    assert events == 240
    assert scenario.events.time == "ordered_at"
    assert isinstance(scenario.events.time_format, list)
    assert set(scenario.events.time_format) == set(formats)
    decisions = {decision.split(".")[-1] for decision in draft.decisions}
    assert ("time_format" in decisions) is not sure
    if sure:
        data = read_dataset(Settings.load(shop / "polyscene.toml"), shop)
        (one,) = data.scenarios.values()
        of_2024 = (datetime(2024, 1, 1) - datetime(1970, 1, 1)) // timedelta(microseconds=1)
        assert int((one.events.time >= of_2024).sum()) == 120
    else:
        assert "can be read in more than one" in draft.to_toml(shop)


def test_columns_with_german_names_are_known(shop: Path) -> None:
    names = {"customer_id": "KundenNr", "product_id": "ArtikelNr", "quantity": "Menge", "ordered_at": "Datum"}
    log(200, 2023).rename(names).write_csv(shop / "events.csv")
    draft, scenario, _ = drafted(shop)
    events = scenario.events
    assert (events.user, events.item, events.value, events.time) == (
        "KundenNr",
        "ArtikelNr",
        "Menge",
        "Datum",
    )
    assert draft.decisions == ()


def test_ids_that_occur_again_are_seen_though_one_is_padded(shop: Path) -> None:
    log(200, 2023).write_csv(shop / "events.csv")
    with (shop / "products.csv").open("a", encoding="utf-8") as file:
        file.write(" p3 ,Thing 3 of all\n")
    (shop / "customers.csv").write_text(people([*(f"c{n}" for n in range(41)), " c7"]), encoding="utf-8")
    _, scenario, _ = drafted(shop)
    assert scenario.users is not None
    assert (scenario.items.on_duplicate, scenario.users.on_duplicate) == ("first", "first")
