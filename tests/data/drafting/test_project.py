"""The guesses of `polyscene init`, on small tables shaped like those companies and publishers have."""

from __future__ import annotations

import gzip
import json
import random
import sqlite3
import string
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from polyscene.core.errors import DataError
from polyscene.core.settings.project import Settings
from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.data.drafting.project import ProjectDraft, guess_project
from polyscene.data.reading.dataset import read_dataset
from polyscene.data.tables.excel import Excel
from polyscene.data.tables.formats import formats_by_ending
from polyscene.data.tables.sqlite import Sqlite

WORDS = (
    "red",
    "blue",
    "warm",
    "cold",
    "small",
    "large",
    "silver",
    "lamp",
    "chair",
    "mug",
    "story",
    "river",
    "night",
)
SQLITE = Sqlite.endings
START = datetime(2021, 3, 1, 9)


def title(dice: random.Random, most: int = 5) -> str:
    return " ".join(dice.choice(WORDS).capitalize() for _ in range(dice.randint(2, most)))


def items_table(dice: random.Random, count: int = 120) -> pl.DataFrame:
    kinds = ["Drama", "Comedy", "War", "Drama|War", "Comedy|Romance"]
    return pl.DataFrame(
        {
            "item_id": [f"i{number:04d}" for number in range(count)],
            "title": [f"{title(dice)} {number}" for number in range(count)],
            "genres": [dice.choice(kinds) for _ in range(count)],
        }
    )


def ratings_table(dice: random.Random, items: pl.DataFrame, count: int = 900) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "user_id": [dice.randint(1, 60) for _ in range(count)],
            "item_id": [dice.choice(items["item_id"].to_list()) for _ in range(count)],
            "rating": [dice.randint(1, 5) for _ in range(count)],
            "timestamp": [START + timedelta(minutes=dice.randint(0, 90_000)) for _ in range(count)],
        }
    )


def settings_of(draft: ProjectDraft, folder: Path) -> Settings:
    """Load what was drafted and read every row by it."""
    path = folder / "polyscene.toml"
    path.write_text(draft.to_toml(folder), encoding="utf-8")
    settings = Settings.load(path)
    read_dataset(settings, folder)
    return settings


def only(settings: Settings) -> ScenarioSettings:
    (scenario,) = settings.scenarios.values()
    return scenario


def test_ratings_with_titles_are_understood(tmp_path: Path) -> None:
    dice = random.Random(1)
    items = items_table(dice)
    items.write_parquet(tmp_path / "items.parquet")
    ratings_table(dice, items).write_parquet(tmp_path / "events.parquet")
    settings = settings_of(guess_project([tmp_path], "films"), tmp_path)
    scenario = only(settings)
    assert settings.name == "films"
    assert (scenario.items.path, scenario.events.path) == ("items.parquet", "events.parquet")
    assert (scenario.items.id, scenario.items.text) == ("item_id", ["title"])
    assert scenario.items.categorical == ["genres"]
    assert (scenario.events.user, scenario.events.item) == ("user_id", "item_id")
    assert (scenario.events.value, scenario.events.time) == ("rating", "timestamp")
    assert scenario.events.time_format is None
    assert scenario.template == "{title}. Genre: {genres}."
    assert settings.evaluation.protocol == "temporal"


def test_the_tables_of_a_database_are_drafted_with_their_queries(tmp_path: Path) -> None:
    dice = random.Random(3)
    items = items_table(dice)
    events = ratings_table(dice, items).with_columns(pl.col("timestamp").dt.to_string("%Y-%m-%d %H:%M:%S"))
    with closing(sqlite3.connect(tmp_path / "films.db")) as connection, connection:
        for name, frame in (("film titles", items), ("ratings", events)):
            columns = ", ".join(frame.columns)
            connection.execute(f'CREATE TABLE "{name}" ({columns})')
            places = ", ".join("?" * frame.width)
            connection.executemany(f'INSERT INTO "{name}" VALUES ({places})', frame.rows())
    scenario = only(settings_of(guess_project([tmp_path]), tmp_path))
    assert (scenario.items.path, scenario.events.path) == ("films.db", "films.db")
    assert scenario.items.query == 'SELECT * FROM "film titles"'
    assert scenario.events.query == "SELECT * FROM ratings"
    assert (scenario.items.id, scenario.items.text, scenario.events.item) == ("item_id", ["title"], "item_id")


@pytest.mark.parametrize("ending", [ending for ending in formats_by_ending() if ending not in SQLITE])
def test_what_is_drafted_can_be_checked_whatever_the_ending(
    tmp_path: Path, ending: str, write_workbook: Callable[[Path, Mapping[str, pl.DataFrame]], None]
) -> None:
    dice = random.Random(4)
    items = items_table(dice)
    for name, frame in (("items", items), ("events", ratings_table(dice, items))):
        path = tmp_path / f"{name}{ending}"
        if ending in (".parquet", ".pq"):
            frame.write_parquet(path)
        elif ending in (".jsonl", ".ndjson", ".json"):
            frame.write_ndjson(path)
        elif ending in Excel.endings:
            texts = frame.with_columns(pl.selectors.temporal().cast(pl.String))
            write_workbook(path, {"sheet": texts})
        else:
            frame.write_csv(path, separator="," if ending == ".csv" else "\t")
    settings = settings_of(guess_project([tmp_path]), tmp_path)
    assert (only(settings).items.path, only(settings).items.format) == (f"items{ending}", None)


def test_names_that_say_nothing_leave_the_values_to_decide(tmp_path: Path) -> None:
    dice = random.Random(2)
    items = items_table(dice).rename({"item_id": "a", "title": "b", "genres": "c"})
    events = ratings_table(dice, items.rename({"a": "item_id"}))
    events = events.with_columns(pl.format("p{}", "user_id").alias("user_id"))
    events = events.rename({"user_id": "k", "item_id": "l", "rating": "m", "timestamp": "n"})
    items.write_csv(tmp_path / "one.csv")
    events.write_csv(tmp_path / "two.csv")
    draft = guess_project([tmp_path])
    scenario = only(settings_of(draft, tmp_path))
    assert (scenario.items.path, scenario.items.id, scenario.items.text) == ("one.csv", "a", ["b"])
    assert (scenario.events.user, scenario.events.item, scenario.events.time) == ("k", "l", "n")
    assert [decision.split(".")[-1] for decision in draft.decisions] == ["user", "value", "liked_from"]


def test_numeric_ids_of_users_and_items_are_told_apart(tmp_path: Path) -> None:
    dice = random.Random(3)
    pl.DataFrame({"id": range(1, 301), "name": [title(dice, 3) for _ in range(300)]}).write_csv(
        tmp_path / "artists.csv"
    )
    plays = {
        "userID": [dice.randint(1, 80) for _ in range(1_000)],
        "artistID": [dice.randint(1, 300) for _ in range(1_000)],
        "plays": [dice.randint(1, 9_000) for _ in range(1_000)],
    }
    pl.DataFrame(plays).write_csv(tmp_path / "user_artists.csv")
    friends = {"userID": list(range(1, 80)) * 2, "friendID": [dice.randint(1, 80) for _ in range(158)]}
    pl.DataFrame(friends).write_csv(tmp_path / "friends.csv")
    draft = guess_project([tmp_path])
    settings = settings_of(draft, tmp_path)
    scenario = only(settings)
    assert (scenario.events.path, scenario.items.path) == ("user_artists.csv", "artists.csv")
    assert (scenario.events.user, scenario.events.item, scenario.events.value) == (
        "userID",
        "artistID",
        "plays",
    )
    assert (scenario.items.id, scenario.items.text) == ("id", ["name"])
    assert settings.evaluation.protocol == "leave_last_out"
    assert scenario.links is not None
    assert (scenario.links.path, scenario.links.user, scenario.links.friend) == (
        "friends.csv",
        "userID",
        "friendID",
    )
    assert not draft.notes


def test_a_graph_of_triples_is_drafted_with_the_entities_of_items(tmp_path: Path) -> None:
    dice = random.Random(4)
    items_table(dice).write_csv(tmp_path / "items.csv")
    events = {
        "user_id": [f"u{dice.randint(1, 60)}" for _ in range(800)],
        "item_id": [f"i{dice.randint(0, 119):04d}" for _ in range(800)],
    }
    pl.DataFrame(events).write_csv(tmp_path / "events.csv")
    triples = {
        "head": [f"Q{number}" for number in range(120)] * 2,
        "relation": [dice.choice(["cast member", "director"]) for _ in range(240)],
        "tail": [f"Q{dice.randint(500, 540)}" for _ in range(240)],
    }
    pl.DataFrame(triples).write_csv(tmp_path / "graph.csv")
    entities = {
        "item": [f"i{number:04d}" for number in range(120)],
        "wikidata": [f"Q{number}" for number in range(120)],
    }
    pl.DataFrame(entities).write_csv(tmp_path / "entities.csv")
    settings = settings_of(guess_project([tmp_path]), tmp_path)
    knowledge = only(settings).knowledge
    assert knowledge is not None
    assert knowledge.entities is not None
    assert (knowledge.path, knowledge.head, knowledge.relation, knowledge.tail) == (
        "graph.csv",
        "head",
        "relation",
        "tail",
    )
    named = knowledge.entities
    assert (named.path, named.item, named.entity) == ("entities.csv", "item", "wikidata")
    graph = read_dataset(settings, tmp_path).knowledge[next(iter(settings.scenarios))]
    assert len(graph) == len(set(zip(*triples.values(), strict=True)))
    assert [graph.entities[code] for code in graph.of_item] == entities["wikidata"]


def invoices(dice: random.Random) -> pl.DataFrame:
    goods = [(f"{number}A", title(dice), round(dice.uniform(1, 30), 2)) for number in range(10_000, 10_060)]
    people = [(f"{number}.0", dice.choice(["France", "Spain", "Italy"])) for number in range(500, 560)]
    rows = []
    for invoice in range(300):
        who, country = dice.choice(people)
        for code, words, price in dice.sample(goods, dice.randint(1, 6)):
            day = START + timedelta(hours=5 * invoice)
            quantity = -1 if invoice % 50 == 7 else dice.randint(1, 12)
            person = None if invoice % 5 == 0 else who
            rows.append(
                (
                    str(536_000 + invoice),
                    code,
                    words,
                    quantity,
                    f"{day:%d/%m/%Y %H:%M}",
                    price,
                    person,
                    country,
                )
            )
    names = (
        "InvoiceNo",
        "StockCode",
        "Description",
        "Quantity",
        "InvoiceDate",
        "UnitPrice",
        "CustomerID",
        "Country",
    )
    return pl.DataFrame(rows, schema=list(names), orient="row")


def test_raw_invoices_hold_items_and_users_too(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "invoices.csv.gz", "wb") as file:
        file.write(invoices(random.Random(4)).write_csv().encode())
    draft = guess_project([tmp_path / "invoices.csv.gz"])
    text = draft.to_toml(tmp_path)
    scenario = only(settings_of(draft, tmp_path))
    assert scenario.items.path == scenario.events.path == "invoices.csv.gz"
    assert (scenario.items.id, scenario.items.text, scenario.items.numeric) == (
        "StockCode",
        ["Description"],
        ["UnitPrice"],
    )
    assert scenario.items.on_duplicate == "first"
    assert (scenario.events.user, scenario.events.item) == ("CustomerID", "StockCode")
    assert (scenario.events.value, scenario.events.time) == ("Quantity", "InvoiceDate")
    assert (scenario.events.time_format, scenario.events.on_bad_row) == ("%d/%m/%Y %H:%M", "drop")
    assert scenario.users is not None
    assert (scenario.users.id, scenario.users.categorical) == ("CustomerID", ["Country"])
    assert "# where = 'Quantity > 0'" in text


def test_a_scenario_column_makes_several_scenarios(tmp_path: Path) -> None:
    dice = random.Random(5)
    catalogue, log = [], []
    for place in ("Beauty", "Men's wear"):
        names = [f"{place[0]}{number:03d}" for number in range(50)]
        catalogue += [(name, title(dice), place) for name in names]
        for user in range(40):
            log += [
                (f"u{user}", item, step, place)
                for step, item in enumerate(dice.sample(names, dice.randint(3, 8)))
            ]
    pl.DataFrame(catalogue, schema=["item_id", "keywords", "scenario"], orient="row").write_parquet(
        tmp_path / "items.parquet"
    )
    pl.DataFrame(log, schema=["user_id", "item_id", "order", "scenario"], orient="row").write_parquet(
        tmp_path / "log.parquet"
    )
    settings = settings_of(guess_project([tmp_path]), tmp_path)
    assert set(settings.scenarios) == {"beauty", "men_s_wear"}
    assert settings.scenarios["men_s_wear"].items.where == "scenario = 'Men''s wear'"
    for scenario in settings.scenarios.values():
        assert scenario.items.where == scenario.events.where
        assert (scenario.events.time, scenario.events.time_format) == ("order", "sequence")
        assert (scenario.items.text, scenario.items.on_duplicate) == (["keywords"], "error")
    assert settings.evaluation.protocol == "leave_last_out"
    kept = pl.read_parquet(tmp_path / "items.parquet").filter(pl.sql_expr("scenario = 'Men''s wear'"))
    assert len(kept) == 50


@pytest.mark.parametrize("as_text", [False, True])
def test_sequences_are_lists_of_items(tmp_path: Path, as_text: bool) -> None:
    dice = random.Random(6)
    items = pl.DataFrame({"item_id": range(200), "title": [title(dice) for _ in range(200)]})
    items.write_parquet(tmp_path / "items.parquet")
    lists = [[dice.randrange(200) for _ in range(dice.randint(3, 9))] for _ in range(300)]
    rows = pl.DataFrame(
        {
            "user_id": [dice.randrange(90) for _ in range(300)],
            "item_ids": lists if not as_text else [" ".join(map(str, members)) for members in lists],
            "timestamp": [START + timedelta(days=number) for number in range(300)],
            "split": ["train"] * 250 + ["test"] * 50,
        }
    )
    rows.write_csv(tmp_path / "sequences.csv") if as_text else rows.write_parquet(
        tmp_path / "sequences.parquet"
    )
    settings = settings_of(guess_project([tmp_path]), tmp_path)
    events = only(settings).events
    assert (events.items, events.item, events.user) == ("item_ids", None, "user_id")
    assert (events.split, events.time) == ("split", "timestamp")
    assert settings.evaluation.protocol == "given"


def test_impressions_with_a_click_column_become_actions(tmp_path: Path) -> None:
    dice = random.Random(7)
    names = [f"news_{number}" for number in range(150)]
    news = {
        "item_id": names,
        "title": [dice.choice(["Ne", "GO", "What'", "Biden'"]) + str(number % 40) for number in range(150)],
        "abstract": [title(dice, 14) + f" {number}." for number in range(150)],
        "published": [START - timedelta(days=number) for number in range(150)],
    }
    pl.DataFrame(news).write_parquet(tmp_path / "items.parquet")
    shown = []
    for slate in range(200):
        user = f"U{slate % 60}"
        for place, item in enumerate(dice.sample(names, 5)):
            shown.append((slate, user, item, int(place == slate % 5), place))
    columns = ["impression_id", "user_id", "item_id", "clicked", "position"]
    pl.DataFrame(shown, schema=columns, orient="row").write_parquet(tmp_path / "impressions.parquet")
    history = [(f"U{user}", dice.choice(names)) for user in range(60) for _ in range(4)]
    pl.DataFrame(history, schema=["user_id", "item_id"], orient="row").write_parquet(
        tmp_path / "history.parquet"
    )
    scenario = only(settings_of(guess_project([tmp_path]), tmp_path))
    assert scenario.events.path == "impressions.parquet"
    assert (scenario.events.user, scenario.events.item, scenario.events.action) == (
        "user_id",
        "item_id",
        "clicked",
    )
    assert (scenario.events.time, scenario.events.value) == (None, None)
    assert scenario.items.text == ["title", "abstract"]
    assert scenario.items.time == "published"
    assert [objective.action for objective in scenario.objectives] == ["1"]
    assert scenario.actions == {"0": 0.0}


def test_json_lines_epochs_actions_and_a_table_of_users(tmp_path: Path) -> None:
    dice = random.Random(8)
    users = [
        {"id": f"c{number}", "country": dice.choice("AB"), "age": dice.randint(18, 80)}
        for number in range(80)
    ]
    goods = [
        {
            "sku": f"s-{number}",
            "name": title(dice),
            "tags": dice.sample(WORDS[:6], 2),
            "price": dice.random() * 9,
        }
        for number in range(90)
    ]
    events = [
        {
            "customer": f"c{dice.randrange(80)}",
            "product": f"s-{dice.randrange(90)}",
            "kind": dice.choice(["view", "click", "purchase", "skip"]),
            "at": 1_700_000_000_000 + dice.randrange(10**9),
        }
        for _ in range(800)
    ]
    for name, rows in (("people.jsonl", users), ("goods.jsonl", goods), ("events.ndjson", events)):
        (tmp_path / name).write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    scenario = only(settings_of(guess_project([tmp_path]), tmp_path))
    assert (scenario.items.path, scenario.items.id) == ("goods.jsonl", "sku")
    assert (scenario.items.text, scenario.items.numeric) == (["name", "tags"], ["price"])
    assert (scenario.events.path, scenario.events.format) == ("events.ndjson", None)
    assert (scenario.events.user, scenario.events.item, scenario.events.action) == (
        "customer",
        "product",
        "kind",
    )
    assert (scenario.events.time, scenario.events.time_format) == ("at", "ms")
    assert scenario.users is not None
    assert (scenario.users.path, scenario.users.id) == ("people.jsonl", "id")
    assert (scenario.users.categorical, scenario.users.numeric) == (["country"], ["age"])
    assert {objective.action for objective in scenario.objectives} == {"click", "purchase"}
    assert scenario.actions == {"skip": 0.0}


def test_one_folder_per_scenario_with_shared_users(tmp_path: Path) -> None:
    dice = random.Random(9)
    pl.DataFrame({"user_id": range(1, 61), "city": [dice.choice("xyz") for _ in range(60)]}).write_csv(
        tmp_path / "users.csv"
    )
    for name in ("shop", "news"):
        folder = tmp_path / name
        folder.mkdir()
        items = items_table(dice)
        items.write_csv(folder / "items.csv", separator=";")
        ratings_table(dice, items).write_csv(folder / "events.tsv", separator="\t")
    settings = settings_of(guess_project([tmp_path]), tmp_path)
    assert set(settings.scenarios) == {"shop", "news"}
    for name, scenario in settings.scenarios.items():
        assert (scenario.items.path, scenario.items.separator) == (f"{name}/items.csv", ";")
        assert scenario.events.path == f"{name}/events.tsv"
        assert scenario.users is not None
        assert scenario.users.path == "users.csv"


def test_prefixes_of_file_names_part_scenarios(tmp_path: Path) -> None:
    dice = random.Random(10)
    for name in ("shop", "video"):
        items = items_table(dice).with_columns(pl.format(f"{name}{{}}", "item_id").alias("item_id"))
        items.write_csv(tmp_path / f"{name}_items.csv")
        ratings_table(dice, items).write_csv(tmp_path / f"{name}_events.csv")
    settings = settings_of(guess_project([tmp_path]), tmp_path)
    assert set(settings.scenarios) == {"shop", "video"}
    assert (tmp_path / "polyscene.toml").read_text(encoding="utf-8").count("# users_are_local = true") == 2
    assert settings.scenarios["video"].events.path == "video_events.csv"


def test_parts_of_a_table_are_read_as_one(tmp_path: Path) -> None:
    dice = random.Random(11)
    items = items_table(dice)
    items.write_parquet(tmp_path / "items.parquet")
    events = ratings_table(dice, items)
    for part in range(12):
        events.slice(part * 75, 75).write_parquet(tmp_path / f"events-{part:03d}.parquet")
    scenario = only(settings_of(guess_project([tmp_path]), tmp_path))
    assert isinstance(scenario.events.path, str)
    assert len(sorted(tmp_path.glob(scenario.events.path))) == 12


def test_unknown_items_and_stray_texts_are_mended(tmp_path: Path) -> None:
    dice = random.Random(12)
    items = items_table(dice, 200)
    years = [str(dice.randint(1950, 2020)) for _ in range(199)] + ["V"]
    items.with_columns(pl.Series("year", years)).write_csv(tmp_path / "movies.csv")
    extra = pl.concat([items, items.head(10).with_columns(pl.lit("gone").alias("item_id"))])
    ratings_table(dice, extra).write_csv(tmp_path / "ratings.csv")
    scenario = only(settings_of(guess_project([tmp_path]), tmp_path))
    assert scenario.events.on_unknown_item == "drop"
    assert scenario.items.numeric == ["year"]
    assert scenario.items.null_values == ["V"]


def test_a_log_without_people_is_marked(tmp_path: Path) -> None:
    dice = random.Random(13)
    rows = {
        "timestamp": [f"2019-11-24 00:{number % 60:02d}:16.004101+00:00" for number in range(400)],
        "item_id": [dice.randrange(30) for _ in range(400)],
        "click": [dice.randrange(2) for _ in range(400)],
        "propensity_score": [dice.random() for _ in range(400)],
        "user_feature_0": [dice.choice(["aa81", "bb92"]) for _ in range(400)],
    }
    pl.DataFrame(rows).write_csv(tmp_path / "log.csv")
    prices = {"item_id": range(30), "price": [dice.random() for _ in range(30)]}
    pl.DataFrame(prices).write_csv(tmp_path / "items.csv")
    draft = guess_project([tmp_path], "bandit")
    scenario_name = next(iter(settings_of(draft, tmp_path).scenarios))
    assert f"scenarios.{scenario_name}.events.user" in draft.decisions
    assert f"scenarios.{scenario_name}.items.text" in draft.decisions
    assert "DECIDE" in draft.to_toml(tmp_path)
    events = only(settings_of(draft, tmp_path)).events
    assert (events.item, events.action, events.value, events.time) == ("item_id", "click", None, "timestamp")


def test_the_language_model_follows_from_what_the_texts_are_written_in(tmp_path: Path) -> None:
    dice = random.Random(15)
    goods = ["红茶", "围巾", "钢笔", "耳机", "背包"]
    titles = [f"{dice.choice(goods)}{dice.choice(goods)} {number}" for number in range(120)]
    items = items_table(dice)
    ratings_table(dice, items).write_parquet(tmp_path / "events.parquet")
    for count, model in ((120, "multilingual"), (0, "minilm")):
        mixed = [*titles[:count], *items["title"].to_list()[count:]]
        items.with_columns(title=pl.Series(mixed)).write_parquet(tmp_path / "items.parquet")
        draft = guess_project([tmp_path])
        assert settings_of(draft, tmp_path).language.model == model
        assert ("Han" in draft.language.why) is (count > 0)
        assert ('pip install "polyscene[languages]"' in draft.to_toml(tmp_path)) is (
            count > 0 or bool(draft.language.instead)
        )


def test_hostile_names_and_values_stay_inside_their_quotes(tmp_path: Path) -> None:
    dice = random.Random(14)
    nasty = 'ti"tle\n[language]\nmodel = "x" # '
    items = items_table(dice).rename({"title": nasty})
    items.write_parquet(tmp_path / "items.parquet")
    events = ratings_table(dice, items)
    evil = ["buy\n[runtime]", 'vi"ew', "click\x7f", "sk\u2028ip"]
    events.with_columns(pl.Series("action", [evil[row % 4] for row in range(len(events))])).write_parquet(
        tmp_path / "events.parquet"
    )
    settings = settings_of(guess_project([tmp_path], 'a"]\nb'), tmp_path)
    scenario = only(settings)
    assert settings.language.model == "minilm"
    assert scenario.items.text == [nasty]
    assert scenario.template is None
    assert scenario.events.action == "action"


def test_latin1_text_is_noticed(tmp_path: Path) -> None:
    dice = random.Random(15)
    items = items_table(dice).with_columns(pl.col("title") + " é")
    (tmp_path / "items.csv").write_bytes(items.write_csv().encode("latin-1"))
    ratings_table(dice, items).write_csv(tmp_path / "events.csv")
    assert only(settings_of(guess_project([tmp_path]), tmp_path)).items.encoding == "latin1"


def test_each_guess_says_why_and_how_sure(tmp_path: Path) -> None:
    dice = random.Random(16)
    items = items_table(dice)
    items.write_csv(tmp_path / "items.csv")
    ratings_table(dice, items).write_csv(tmp_path / "events.csv")
    draft = guess_project([tmp_path])
    lines = draft.to_toml(tmp_path).splitlines()
    commented = [line for line in lines if line.startswith(("user ", "item ", "id ", "value "))]
    assert len(commented) == 4
    assert all("sure (" in line or "likely (" in line or "DECIDE (" in line for line in commented)
    for scenario in draft.scenarios:
        assert all(0 <= guess.sure <= 1 for guess in scenario.events.guesses.values())


def test_where_paths_start_is_the_folder_of_the_file(tmp_path: Path) -> None:
    dice = random.Random(17)
    (tmp_path / "data").mkdir()
    (tmp_path / "conf").mkdir()
    items = items_table(dice)
    items.write_csv(tmp_path / "data" / "items.csv")
    ratings_table(dice, items).write_csv(tmp_path / "data" / "events.csv")
    draft = guess_project([tmp_path / "data" / "items.csv", tmp_path / "data" / "events.csv"])
    assert only(settings_of(draft, tmp_path / "conf")).items.path == "../data/items.csv"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, "there is nothing to look at"),
        ("a,b\n", "no table looks like events"),
        ("x,y\n1.5,2.5\n2.5,9.5\n", "no table"),
    ],
)
def test_nothing_usable_is_said_plainly(tmp_path: Path, content: str | None, what: str) -> None:
    path = tmp_path / "table.csv"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        guess_project([path])
    assert what in str(caught.value)


def test_an_unreadable_file_beside_good_ones_is_a_note(tmp_path: Path) -> None:
    dice = random.Random(18)
    items = items_table(dice)
    items.write_csv(tmp_path / "items.csv")
    ratings_table(dice, items).write_csv(tmp_path / "events.csv")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 nothing")
    draft = guess_project([tmp_path])
    assert any("broken.parquet" in note for note in draft.notes)
    assert only(settings_of(draft, tmp_path)).events.path == "events.csv"


def test_columns_of_every_type_are_survived(tmp_path: Path) -> None:
    dice = random.Random(20)
    items = items_table(dice)
    items.write_parquet(tmp_path / "items.parquet")
    events = ratings_table(dice, items)
    count = len(events)
    events.with_columns(
        pl.Series("span", [timedelta(seconds=number) for number in range(count)]),
        pl.Series("clock", [time(number % 24) for number in range(count)]),
        pl.Series("exact", [Decimal(number) for number in range(count)]),
        pl.Series("raw", [b"\x00\xff"] * count),
        pl.Series("deep", [[[1]]] * count),
        pl.Series("record", [{"a": 1}] * count),
        pl.Series("pair", [[1, 2]] * count, dtype=pl.Array(pl.Int64, 2)),
        pl.Series("none", [None] * count),
        pl.Series("bare", [[]] * count, dtype=pl.List(pl.String)),
        pl.Series("odd", [float("inf"), float("nan"), 0.5] * (count // 3)),
        pl.Series("kind", ["x"] * count).cast(pl.Categorical),
    ).write_parquet(tmp_path / "events.parquet")
    events_settings = only(settings_of(guess_project([tmp_path]), tmp_path)).events
    assert (events_settings.user, events_settings.item) == ("user_id", "item_id")
    assert (events_settings.value, events_settings.time) == ("rating", "timestamp")


def test_guesses_do_not_depend_on_the_order_of_columns(tmp_path: Path) -> None:
    dice = random.Random(19)
    items = items_table(dice)
    events = ratings_table(dice, items)
    guesses = []
    for number, columns in enumerate((events.columns, events.columns[::-1])):
        folder = tmp_path / string.ascii_lowercase[number]
        folder.mkdir()
        items.write_csv(folder / "items.csv")
        events.select(columns).write_csv(folder / "events.csv")
        guesses.append(only(settings_of(guess_project([folder], "x"), folder)).events)
    assert guesses[0] == guesses[1]
