"""Raw public layouts: what `init` drafts of them can be checked as it is."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.data.drafting import layouts

from polyscene.core.settings.project import Settings
from polyscene.data.drafting.project import ProjectDraft, guess_project
from polyscene.data.reading.check import CheckReport, check_project
from polyscene.data.reading.dataset import read_dataset

Drafted = tuple[ProjectDraft, Settings, CheckReport]


def drafted(folder: Path, build: Callable[[Path, random.Random], None]) -> Drafted:
    build(folder, random.Random(7))
    draft = guess_project([folder], "raw")
    path = folder / "polyscene.toml"
    path.write_text(draft.to_toml(folder), encoding="utf-8")
    settings = Settings.load(path)
    report = check_project(settings, folder)
    assert report.ok, report.problems
    return draft, settings, report


def test_book_crossing(tmp_path: Path) -> None:
    draft, settings, report = drafted(tmp_path, layouts.book_crossing)
    (scenario,) = settings.scenarios.values()
    events, items, users = scenario.events, scenario.items, scenario.users
    assert (events.user, events.item, events.value) == ("User-ID", "ISBN", "Book-Rating")
    assert (items.id, items.text[0], items.categorical) == ("ISBN", "Book-Title", ["Book-Author"])
    assert users is not None
    assert (users.id, users.numeric, users.null_values) == ("User-ID", ["Age"], ["NULL"])
    assert scenario.template == "{Book-Title}. Book author: {Book-Author}."
    assert draft.decisions == ("scenarios.raw.events.liked_from",) or draft.decisions[0].endswith(
        "liked_from"
    )
    assert "# liked_from = 7" in draft.to_toml(tmp_path)
    (counts,) = report.counts.values()
    assert (counts.items, counts.users, counts.events) == (layouts.ITEMS, layouts.USERS, 819)


def test_retail_rocket(tmp_path: Path) -> None:
    draft, settings, report = drafted(tmp_path, layouts.retail_rocket)
    (scenario,) = settings.scenarios.values()
    events = scenario.events
    assert (events.user, events.item, events.action) == ("visitorid", "itemid", "event")
    assert (events.time, events.time_format) == ("timestamp", "ms")
    assert {objective.action for objective in scenario.objectives} == {"addtocart", "transaction"}
    assert settings.evaluation.protocol == "temporal"
    (counts,) = report.counts.values()
    assert (counts.items, counts.users) == (layouts.ITEMS, layouts.USERS)
    assert scenario.items.path == ["item_properties_part1.csv", "item_properties_part2.csv"]
    assert scenario.items.categorical == ["available", "categoryid"]
    (catalogue,) = read_dataset(settings, tmp_path).scenarios.values()
    later = catalogue.catalogue.attributes["available"].to_list()
    assert later == ["0" if item % 3 == 0 else "1" for item in range(layouts.ITEMS)], (
        "the latest value counts"
    )
    assert [note for note in draft.notes if "is not used" in note] == [
        "'category_tree.csv' is not used; its columns: 'categoryid', 'parentid'"
    ]


def test_goodreads(tmp_path: Path) -> None:
    draft, settings, _ = drafted(tmp_path, layouts.goodreads)
    (scenario,) = settings.scenarios.values()
    events = scenario.events
    assert (events.user, events.item, events.value) == ("user_id", "book_id", "rating")
    assert (events.time, events.time_format) == ("date_added", "%a %b %d %H:%M:%S %z %Y")
    assert scenario.items.text == ["title", "description"]  # title_without_series says the same as title
    text = draft.to_toml(tmp_path)
    for column in ("popular_shelves", "link", "work_id", "is_ebook", "started_at", "review_id"):
        assert f"'{column}'" in text


def test_instacart_joins_the_orders_for_their_users(tmp_path: Path) -> None:
    _, settings, report = drafted(tmp_path, layouts.instacart)
    (scenario,) = settings.scenarios.values()
    events, items = scenario.events, scenario.items
    assert (events.path, events.user, events.item) == ("order_products__prior.csv", "user_id", "product_id")
    assert [(join.path, join.on) for join in events.join] == [("orders.csv", "order_id")]
    assert (events.time, events.time_format) == ("order_number", "sequence")
    assert {join.path for join in items.join} == {"aisles.csv", "departments.csv"}
    assert scenario.template == "{product_name}. Aisle: {aisle}. Department: {department}."
    (counts,) = report.counts.values()
    assert (counts.items, counts.users, counts.events) == (layouts.ITEMS, layouts.USERS, 819)


def with_header(build: Callable[[Path, random.Random], None]) -> Callable[[Path, random.Random], None]:
    """Return a builder whose files have names that say nothing in their first line."""

    def named(folder: Path, dice: random.Random) -> None:
        build(folder, dice)
        for path in folder.iterdir():
            text = path.read_text(encoding="utf-8")
            sign = "\t" if path.suffix == ".tsv" else ","
            width = text.split("\n", 1)[0].count(sign) + 1
            header = sign.join(f"column_{number}" for number in range(1, width + 1))
            path.write_text(f"{header}\n{text}", encoding="utf-8")

    return named


@pytest.mark.parametrize("named", [True, False])
def test_lastfm_360k_without_names(tmp_path: Path, named: bool) -> None:
    build = layouts.lastfm_360k
    draft, settings, report = drafted(tmp_path, with_header(build) if named else build)
    (scenario,) = settings.scenarios.values()
    events = scenario.events
    assert events.path == "usersha1-artmbid-artname-plays.tsv"
    assert (events.user, events.item, events.value) == ("column_1", "column_3", "column_4")
    assert scenario.items.text == ["column_3"]
    assert scenario.users is not None
    assert scenario.users.path == "usersha1-profile.tsv"
    assert {decision.split(".")[-1] for decision in draft.decisions} >= {"user", "value"}
    (counts,) = report.counts.values()
    assert counts.users == layouts.USERS


@pytest.mark.parametrize("named", [True, False])
def test_steam_without_names(tmp_path: Path, named: bool) -> None:
    build = layouts.steam
    _, settings, report = drafted(tmp_path, with_header(build) if named else build)
    (scenario,) = settings.scenarios.values()
    events = scenario.events
    assert (events.user, events.item, events.action) == ("column_1", "column_2", "column_3")
    assert events.value == "column_4"
    assert (scenario.items.text, scenario.template) == (["column_2"], "{column_2}")
    assert settings.evaluation.protocol == "leave_last_out"
    (counts,) = report.counts.values()
    assert set(counts.actions or ()) == {"play", "purchase"}
