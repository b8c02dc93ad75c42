"""What is held back for cold people and items, and entities joined by title and year."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

from polyscene.core.settings.project import Settings

Script = Callable[[str], ModuleType]
PEOPLE, EACH = 200, 12


@pytest.fixture(scope="module")
def events() -> pl.DataFrame:
    rows = [(user, 100 * user + place) for place in range(EACH) for user in range(PEOPLE)]
    return pl.DataFrame(rows, ["user_id", "item_id"], orient="row")


def test_a_fifth_is_judged_and_a_fifth_teaches_with_0_1_or_3_events(
    script: Script, events: pl.DataFrame
) -> None:
    module = script("held_back")
    split = module.HeldBack("user_id", 5, 0.1, in_order=True).split(events, seed=3)
    counts = {
        part: split.filter(pl.col("split") == part)["user_id"].value_counts() for part in ("test", "valid")
    }
    for rows in counts.values():
        cold = rows.filter(pl.col("count") == 5)
        assert PEOPLE // 5 - 1 <= cold.height <= PEOPLE // 5 + 15
    judged = counts["test"].filter(pl.col("count") == 5)["user_id"]
    both = set(judged) & set(split.filter(pl.col("split") == "valid")["user_id"])
    kept = split.filter(pl.col("user_id").is_in(judged.implode()) & ~pl.col("user_id").is_in(list(both)))
    per_person = kept.group_by("user_id").agg((pl.col("split") == "train").sum().alias("train"))
    assert set(per_person["train"]) <= set(module.KEPT)
    earliest = kept.filter(pl.col("split") == "train")
    assert (earliest["item_id"] % 100).max() == 2, "the earliest are kept, those of the place 0 to 2"
    assert split.equals(module.HeldBack("user_id", 5, 0.1, in_order=True).split(events, seed=3))
    assert not split.equals(module.HeldBack("user_id", 5, 0.1, in_order=True).split(events, seed=4))


def test_entities_are_joined_by_title_and_year_whatever_the_article(script: Script) -> None:
    items = pl.DataFrame(
        [(1, "Swan Princess, The", "1994"), (2, "Titanic", "1997"), (3, "Lost", None), (4, "Heat", "1995")],
        ["item_id", "title", "year"],
        orient="row",
    )
    entities = pl.DataFrame(
        [(313, "m.swan"), (1721, "m.titanic"), (6, "m.heat")], ["item_id", "entity"], orient="row"
    )
    movies = pl.DataFrame(
        [(313, "The Swan Princess (1994)"), (1721, "Titanic (1998)"), (6, "Heat (1972)"), (9, "Lost")],
        ["movieId", "title"],
        orient="row",
    )
    mended = script("links").entities_by_title(items, entities, movies)
    assert dict(mended.iter_rows()) == {1: "m.swan", 2: "m.titanic"}


@pytest.mark.parametrize(("name", "timed"), [("lastfm", False), ("movielens_100k", True)])
def test_the_configurations_are_valid(script: Script, tmp_path: Path, name: str, timed: bool) -> None:
    module = script("links")
    trial = module.TRIALS[name]
    config = tmp_path / "polyscene.toml"
    config.write_text(module._config(trial, name, timed, 1, tmp_path), encoding="utf-8")
    settings = Settings.load(config)
    scenario = settings.scenarios[trial.scenario]
    assert (scenario.links is not None) == (trial.signal == "social")
    assert (scenario.knowledge is not None) == (trial.signal == "knowledge")
    assert trial.signal in scenario.signals
    assert (
        trial.signal not in module._with_signals(settings, ["popularity"]).scenarios[trial.scenario].signals
    )


def test_what_places_are_worth_is_told_apart_from_what_stands_there(script: Script) -> None:
    """Of ten articles the even ones are liked and stand first; the first place doubles a chance besides."""
    module = script("positions")
    draws = np.random.default_rng(0)
    count, vectors = 6000, np.zeros((10, 1))
    liked = 2 * draws.integers(0, 5, count)
    other = 2 * draws.integers(0, 5, count) + 1
    first = draws.random(count) < 0.7
    items = np.where(first[:, None], np.stack([liked, other], axis=1), np.stack([other, liked], axis=1))
    strength = np.where(items % 2 == 0, 3.0, 1.0) * np.array([2.0, 1.0])
    place = (draws.random(count) > strength[:, 0] / strength.sum(axis=1)).astype(np.int32)
    slates = module.Slates(np.arange(count, dtype=np.int32), items, place, np.zeros((count, 2), np.float32))
    known = module.fitted(slates, vectors, (0.1, 1.0), True)
    blind = module.fitted(slates, vectors, (0.1, 1.0), False)
    assert np.exp(known.places[1]) == pytest.approx(0.5, abs=0.05)
    gap = known.appeal[::2].mean() - known.appeal[1::2].mean()
    assert np.exp(gap) == pytest.approx(3.0, rel=0.1)
    assert blind.appeal[::2].mean() - blind.appeal[1::2].mean() > gap + 0.1
    assert not blind.places.any()
    better = module.likelihood(known, slates, vectors).mean()
    assert better > module.likelihood(blind, slates, vectors).mean()


def test_ranks_within_a_slate_stand_in_the_middle_of_ties(script: Script) -> None:
    module = script("positions")
    scores = np.array([[3.0, 1.0, 2.0], [1.0, 1.0, -np.inf]])
    ranks = module.reciprocal_ranks(scores, np.array([1, 0]))
    assert ranks.tolist() == [1 / 3, 1 / 1.5]
