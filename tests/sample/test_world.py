from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from polyscene.core.errors import UnknownIdError
from polyscene.core.settings.project import Settings
from polyscene.data.reading.check import check_project
from polyscene.sample.behaviour import examination
from polyscene.sample.items import make_items
from polyscene.sample.words import KINDS, SCENARIOS, ScenarioName, vocabulary
from polyscene.sample.world import SampleWorld

APPEARED: dict[ScenarioName, str] = {"shop": "listed", "news": "published", "video": "released"}
STEPS: dict[ScenarioName, set[str]] = {
    "shop": {"click", "purchase", "rating"},
    "news": {"click", "dwell", "like"},
    "video": {"click", "dwell", "like"},
}


def codes(ids: pl.Series, table: pl.Series) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return ids.replace_strict(table, pl.Series(range(len(table))), return_dtype=pl.Int64).to_numpy()


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_seed_writes_the_same_bytes(small: SampleWorld, tmp_path: Path) -> None:
    again = SampleWorld.generate(seed=3, users=60, items_per_scenario=40, days=10)
    small.write(tmp_path / "a")
    again.write(tmp_path / "b")
    first = digests(tmp_path / "a")
    assert first == digests(tmp_path / "b")
    assert len(first) == 11


def test_another_seed_is_another_world(small: SampleWorld) -> None:
    other = SampleWorld.generate(seed=4, users=60, items_per_scenario=40, days=10)
    assert not other.users.equals(small.users)
    for name in SCENARIOS:
        assert other.items[name]["title"].to_list() != small.items[name]["title"].to_list()
        assert not other.events[name].equals(small.events[name])


def test_default_sizes(world: SampleWorld) -> None:
    assert len(world.users) == 2000
    assert 50_000 <= sum(len(world.events[name]) for name in SCENARIOS) <= 80_000
    for name in SCENARIOS:
        assert len(world.events[name]) > 12_000
        assert world.slates[name]["position"].max() == 8


def test_users_are_shared_between_scenarios(world: SampleWorld) -> None:
    active = {name: set(world.events[name]["user_id"]) for name in SCENARIOS}
    known = set(world.users["user_id"])
    assert all(users <= known for users in active.values())
    in_all = active["shop"] & active["news"] & active["video"]
    in_one = active["shop"] - active["news"] - active["video"]
    assert len(in_all) > 300
    assert len(in_one) > 100


@pytest.mark.parametrize("name", SCENARIOS)
def test_events_hold_only_what_people_did_once(world: SampleWorld, name: ScenarioName) -> None:
    events = world.events[name]
    assert set(events["action"].unique()) == STEPS[name]
    assert events["at"].is_sorted()
    assert events["at"].is_between(world.start, world.end, closed="left").all()
    visits = events.filter(pl.col("action") != "rating")
    assert visits.select("user_id", "item_id").is_unique().all()
    assert visits["action"].value_counts(normalize=True)["proportion"].min() > 0.02  # type: ignore[operator]


def test_values_measure_their_action(world: SampleWorld) -> None:
    shop = world.events["shop"].join(world.items["shop"].select("item_id", "price"), on="item_id")
    paid = shop.filter(pl.col("action") == "purchase")
    assert (paid["value"] == paid["price"]).all()
    assert set(shop.filter(pl.col("action") == "rating")["value"].unique()) == {1.0, 2.0, 3.0, 4.0, 5.0}
    for name in SCENARIOS:
        assert (
            world.events[name].filter(pl.col("action") == "click")["value"].null_count()
            == (world.events[name]["action"] == "click").sum()
        )
    for name in ("news", "video"):
        stays = world.events[name].filter(pl.col("action") != "click")["value"]
        assert stays.is_between(15.0, 7200.0).all()


def test_ratings_follow_purchases_of_the_same_person(world: SampleWorld) -> None:
    shop = world.events["shop"]
    bought = shop.filter(pl.col("action") == "purchase").select(
        "user_id", "item_id", pl.col("at").alias("then")
    )
    rated = shop.filter(pl.col("action") == "rating")
    pairs = rated.join(bought, on=["user_id", "item_id"])
    assert len(pairs) == len(rated) > 1000
    assert ((pairs["at"] - pairs["then"]).dt.total_hours() >= 48).all()


@pytest.mark.parametrize("name", SCENARIOS)
def test_clicks_in_slates_are_the_visits_in_events(world: SampleWorld, name: ScenarioName) -> None:
    clicked = world.slates[name].filter("clicked").select("user_id", "item_id").sort("user_id", "item_id")
    visits = world.events[name].filter(pl.col("action") != "rating").select("user_id", "item_id")
    assert_frame_equal(clicked, visits.sort("user_id", "item_id"))


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_is_shown_before_it_appears_nor_after_it_was_taken(
    world: SampleWorld, name: ScenarioName
) -> None:
    slates = world.slates[name].join(world.items[name], on="item_id")
    assert (slates["at"] >= slates[APPEARED[name]]).all()
    born_later = slates.filter(pl.col(APPEARED[name]) >= world.start)
    assert len(born_later) > 1000
    taken = slates.filter("clicked").select("user_id", "item_id", pl.col("at").alias("then"))
    again = slates.join(taken, on=["user_id", "item_id"]).filter(pl.col("at") > pl.col("then"))
    assert again.is_empty()
    assert slates.select("slate", "item_id").is_unique().all()


@pytest.mark.parametrize("name", SCENARIOS)
def test_logged_propensities_are_calibrated(world: SampleWorld, name: ScenarioName) -> None:
    slates = world.slates[name]
    assert slates["propensity"].is_between(0.0, 1.0, closed="right").all()
    for position in (1, 2, 5):
        rows = slates.filter(pl.col("position") == position)
        inverse = (1.0 / rows["propensity"]).to_numpy()
        expected = float((rows["candidates"] - (position - 1)).mean())  # type: ignore[arg-type]
        error = inverse.std() / np.sqrt(len(inverse))
        assert abs(inverse.mean() - expected) < 4 * error
        assert error < 0.05 * expected


@pytest.mark.parametrize("name", SCENARIOS)
def test_higher_places_are_clicked_more(world: SampleWorld, name: ScenarioName) -> None:
    rate = world.slates[name].group_by("position").agg(pl.col("clicked").mean()).sort("position")["clicked"]
    assert rate[0] > 2.5 * rate[7]
    assert rate.is_sorted(descending=True)


@pytest.mark.parametrize("name", SCENARIOS)
def test_first_slates_are_clicked_as_often_as_preference_times_position_says(
    world: SampleWorld, name: ScenarioName
) -> None:
    slates = world.slates[name]
    first = slates.filter(pl.col("at") == pl.col("at").min().over("user_id"))
    users = codes(first["user_id"], world.users["user_id"])
    items = codes(first["item_id"], world.items[name]["item_id"])
    liked = world.preference(users, name, items, first["at"].to_physical().to_numpy())
    chance = liked * examination(8)[first["position"].to_numpy() - 1]
    clicked = first["clicked"].to_numpy()
    error = np.sqrt((chance * (1 - chance)).sum()) / len(chance)
    assert abs(clicked.mean() - chance.mean()) < 5 * error
    assert error < 0.1 * chance.mean()
    assert np.corrcoef(chance, clicked)[0, 1] > 0.2


@pytest.mark.parametrize("name", SCENARIOS)
def test_preference_tells_what_will_be_clicked_among_the_shown(
    world: SampleWorld, name: ScenarioName
) -> None:
    slates = world.slates[name].filter(pl.col("position") == 1)
    users = codes(slates["user_id"], world.users["user_id"])
    items = codes(slates["item_id"], world.items[name]["item_id"])
    liked = world.preference(users, name, items, slates["at"].to_physical().to_numpy())
    clicked = slates["clicked"].to_numpy()
    assert liked.min() >= 0.0
    assert liked.max() <= 1.0
    assert liked[clicked].mean() > 1.5 * liked[~clicked].mean()


@pytest.mark.parametrize("name", SCENARIOS)
def test_transitions_carry_signal(world: SampleWorld, name: ScenarioName) -> None:
    hidden = make_items(vocabulary(), name, 300, world.days, world.seed)
    visits = world.events[name].filter(pl.col("action") != "rating")
    code = pl.Series("code", codes(visits["item_id"], world.items[name]["item_id"]))
    pairs = (
        visits.with_columns(code)
        .with_columns(pl.col("code").shift(1).over("user_id").alias("before"))
        .drop_nulls("before")
    )
    now, before = pairs["code"].to_numpy(), pairs["before"].to_numpy()
    same = hidden.topic[now] == hidden.topic[before]
    step = (hidden.kind[now] - hidden.kind[before])[same] % KINDS
    shares = np.bincount(step, minlength=KINDS) / len(step)
    assert same.mean() > 0.3
    assert shares[1] > 1.6 * np.delete(shares, 1).max()


def test_taste_in_one_scenario_tells_of_taste_in_another(world: SampleWorld) -> None:
    profiles = {}
    for name in ("video", "shop"):
        hidden = make_items(vocabulary(), name, 300, world.days, world.seed)
        events = world.events[name]
        counts = np.zeros((2000, 16))
        rows = codes(events["user_id"], world.users["user_id"])
        columns = hidden.topic[codes(events["item_id"], world.items[name]["item_id"])]
        np.add.at(counts, (rows, columns), 1.0)
        profiles[name] = counts
    both = (profiles["video"].sum(axis=1) >= 5) & (profiles["shop"].sum(axis=1) >= 5)
    video, shop = (
        profiles[name][both] / profiles[name][both].sum(axis=1, keepdims=True) for name in profiles
    )
    own = (video * shop).sum(axis=1).mean()
    strangers = (video * np.roll(shop, 1, axis=0)).sum(axis=1).mean()
    assert both.sum() > 300
    assert own > 2 * strangers


def test_preference_broadcasts_and_takes_any_clock(world: SampleWorld) -> None:
    moment = datetime(2026, 4, 1, 12)
    matrix = world.preference(np.arange(5)[:, None], "shop", np.arange(7)[None, :], moment)
    assert matrix.shape == (5, 7)
    aware = moment.replace(tzinfo=UTC)
    pairs = world.preference([3], "shop", [4], aware)
    assert pairs[0] == matrix[3, 4]
    in_microseconds = world.preference([3], "shop", [4], int(aware.timestamp()) * 1_000_000)
    assert in_microseconds[0] == matrix[3, 4]
    assert world.preference([], "shop", [], moment).shape == (0,)


def test_live_items_are_those_that_have_appeared(world: SampleWorld) -> None:
    moment = datetime(2026, 4, 1, 12)
    expected = (world.items["news"]["published"] <= moment).to_numpy()
    np.testing.assert_array_equal(world.live("news", moment), expected)
    assert 0 < expected.sum() < 300


def test_unknown_names_and_codes_are_refused(small: SampleWorld) -> None:
    with pytest.raises(UnknownIdError, match="shop, news, video"):
        small.preference([0], "radio", [0], small.start)
    with pytest.raises(UnknownIdError, match="user codes from 0 to 59"):
        small.preference([60], "shop", [0], small.start)
    with pytest.raises(UnknownIdError, match="item codes from 0 to 39"):
        small.preference([0], "shop", [-1], small.start)
    with pytest.raises(UnknownIdError, match="radio"):
        small.live("radio", small.start)


@pytest.mark.parametrize("size", ["users", "items_per_scenario", "days"])
def test_sizes_must_be_positive(size: str) -> None:
    with pytest.raises(ValueError, match=f"{size} to be at least 1, found 0"):
        SampleWorld.generate(**{size: 0})


def test_the_smallest_world_can_be_made_and_written(tmp_path: Path) -> None:
    tiny = SampleWorld.generate(seed=1, users=1, items_per_scenario=1, days=1)
    tiny.write(tmp_path)
    assert all(len(tiny.items[name]) == 1 for name in SCENARIOS)
    read = pl.read_parquet(tmp_path / "shop" / "slates.parquet")
    assert_frame_equal(read, tiny.slates["shop"])


def test_the_configuration_loads_and_names_columns_that_exist(small: SampleWorld, tmp_path: Path) -> None:
    path = small.write(tmp_path / "company")
    settings = Settings.load(path)
    assert path.name == "polyscene.toml"
    assert settings.seed == 3
    assert settings.evaluation.protocol == "temporal"
    assert settings.evaluation.test_share == 0.1
    assert list(settings.scenarios) == list(SCENARIOS)
    for name in SCENARIOS:
        scenario = settings.scenarios[name]
        assert isinstance(scenario.items.path, str)
        assert isinstance(scenario.events.path, str)
        items = pl.read_parquet(path.parent / scenario.items.path)
        events = pl.read_parquet(path.parent / scenario.events.path)
        wanted = [*scenario.items.text, *scenario.items.categorical, *scenario.items.numeric]
        assert {scenario.items.id, scenario.items.time, *wanted} <= set(items.columns)
        assert {"user_id", "item_id", "action", "value", "at"} == set(events.columns)
        assert set(scenario.actions) == STEPS[name]
        assert {objective.action for objective in scenario.objectives} <= STEPS[name]


def test_the_tables_are_read_without_a_problem(small: SampleWorld, tmp_path: Path) -> None:
    report = check_project(Settings.load(small.write(tmp_path)), tmp_path)
    assert report.problems == ()
    assert {name: counts.events for name, counts in report.counts.items()} == {
        name: len(small.events[name]) for name in SCENARIOS
    }
