"""Raw public layouts, from their files to a slate: `init`, `check` and `train` without an edit.

Only the tuning of the language model is off, which is a setting: it takes time and no layout needs it.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.data.drafting import layouts

from polyscene.data.drafting.project import guess_project
from polyscene.project import Project
from polyscene.runs.run import Run

PEOPLE = range(0, 24)
SIZE = 5


def by_title(run: Run, item: str) -> int:
    state = run.system.scenario(None)
    text = state.catalogue.titles[state.catalogue.code(item)].lower()
    return next(place for place, theme in enumerate(layouts.THEMES) if theme in text)


def by_number(run: Run, item: str) -> int:
    return int(re.findall(r"\d+$", item)[0]) % len(layouts.THEMES)


def by_category(run: Run, item: str) -> int:
    catalogue = run.system.scenario(None).catalogue
    return int(str(catalogue.items([catalogue.code(item)])[0].attributes["categoryid"])) - 1000


LAYOUTS: dict[str, tuple[Callable[[int], str], Callable[[Run, str], int]]] = {
    "book_crossing": (lambda user: str(276_000 + user), by_title),
    "retail_rocket": (lambda user: str(257_000 + user), by_category),
    "goodreads": (lambda user: hashlib.md5(f"u{user}".encode()).hexdigest(), by_title),
    "lastfm_360k": (lambda user: hashlib.sha1(f"u{user}".encode()).hexdigest(), by_number),
    "steam": (lambda user: str(151_603_712 + user), by_title),
    "instacart": (lambda user: str(1 + user), by_title),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_slate_of_the_users_theme_comes_from_the_raw_files(tmp_path: Path, layout: str) -> None:
    getattr(layouts, layout)(tmp_path, random.Random(7))
    drafted = guess_project([tmp_path], "raw").to_toml(tmp_path)
    quick = drafted.replace("[language]\n", '[language]\ntuning = "none"\n')
    quick += '\n[runtime]\nthreads = 1\ncache = "cache"\n'
    (tmp_path / "polyscene.toml").write_text(quick, encoding="utf-8")
    project = Project.open(tmp_path / "polyscene.toml")
    assert project.check().ok
    project.train()
    run = project.run()
    name, theme = LAYOUTS[layout]
    hits = 0
    for user in PEOPLE:
        slate = run.recommend(name(user), k=SIZE)
        assert len(set(slate.ids)) == SIZE
        assert slate.user_known
        assert all(place.reason for place in slate)
        hits += sum(theme(run, item) == user % len(layouts.THEMES) for item in slate.ids)
    assert hits >= 0.6 * SIZE * len(PEOPLE), "chance would be a quarter"


def test_low_grades_are_not_recommended_and_their_items_stay_away(tmp_path: Path) -> None:
    """Everybody grades some of one theme with 1 and some of another with 5."""
    dice, rows, low = random.Random(3), [], {}
    for user in range(60):
        good, bad = user % 4, (user + 1) % 4
        liked = dice.sample([item for item in range(80) if item % 4 == good], 7)
        low[user] = dice.sample([item for item in range(80) if item % 4 == bad], 9)
        grades = [(item, 5) for item in liked] + [(item, 1) for item in low[user]]
        dice.shuffle(grades)
        rows += [
            f"u{user},i{item},{grade},{1_600_000_000 + n * 3600}" for n, (item, grade) in enumerate(grades)
        ]
    (tmp_path / "ratings.csv").write_text("user_id,item_id,rating,time\n" + "\n".join(rows), encoding="utf-8")
    items = "".join(f"i{item},{layouts.title(item)} {item}\n" for item in range(80))
    (tmp_path / "items.csv").write_text("item_id,title\n" + items, encoding="utf-8")
    drafted = guess_project([tmp_path], "raw").to_toml(tmp_path)
    assert "liked_from  = 4" in drafted
    quick = drafted.replace("[language]\n", '[language]\ntuning = "none"\n')
    quick += '\n[runtime]\nthreads = 1\ncache = "cache"\n'
    (tmp_path / "polyscene.toml").write_text(quick, encoding="utf-8")
    project = Project.open(tmp_path / "polyscene.toml")
    project.train()
    run = project.run()
    places = hits = 0
    for user in range(60):
        ids = run.recommend(f"u{user}", k=5).ids
        assert not {f"i{item}" for item in low[user]} & set(ids), "what was graded low was had"
        places, hits = places + 5, hits + sum(int(item[1:]) % 4 == user % 4 for item in ids)
    assert hits > 0.9 * places
    explanation = run.explain("u0", f"i{low[0][0]}")
    assert (explanation.rank, explanation.times_had) == (None, 1)
