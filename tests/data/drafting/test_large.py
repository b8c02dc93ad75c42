"""Of a table that is larger than the look into it, the draft says what was looked at."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from polyscene.core.settings.project import Settings
from polyscene.data.drafting import dialects, tables
from polyscene.data.drafting.project import guess_project

ROWS = 4_000


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tables, "SAMPLE_ROWS", 1_000)
    place = pl.int_range(ROWS, eager=True)
    log = pl.DataFrame(
        {
            "user_id": "u" + (place * 7 % 230).cast(pl.String),
            "item_id": "i" + (place * 5 % 17).cast(pl.String),
            "time": 1_650_000_000 + place * 60,
        }
    )
    log.write_csv(tmp_path / "events.csv")
    log.write_parquet(tmp_path / "events.parquet")
    return tmp_path


def test_the_draft_says_what_was_looked_at_and_marks_what_rests_on_it(shop: Path) -> None:
    draft = guess_project([shop / "events.csv"])
    about = draft.scenarios[0].events.table.rows_about
    assert about is not None
    assert abs(about - ROWS) < 0.02 * ROWS
    text = draft.to_toml(shop)
    assert f"# looked at: the first 1,000 of about {about:,} rows" in text
    marked = [line for line in text.splitlines() if ", so far)" in line]
    assert [line.split()[0] for line in marked] == [
        "id",
        "text",
        "on_duplicate",
        "user",
        "item",
        "time",
        "time_format",
    ]
    (shop / "polyscene.toml").write_text(text, encoding="utf-8")
    Settings.load(shop / "polyscene.toml")
    assert not [note for note in draft.notes if "read to its end" in note]


def test_of_parquet_the_rows_are_counted(shop: Path) -> None:
    (scenario,) = guess_project([shop / "events.parquet"]).scenarios
    assert scenario.events.table.looked_at == f"the first 1,000 of about {ROWS:,} rows"


def test_what_was_looked_at_as_a_whole_is_not_marked(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "SAMPLE_ROWS", ROWS)
    draft = guess_project([shop / "events.csv"])
    assert draft.scenarios[0].events.table.rows_about == ROWS
    assert "looked at" not in draft.to_toml(shop)
    assert "so far" not in draft.to_toml(shop)


def test_a_file_that_is_not_read_to_its_end_is_told(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialects, "CHECKED_BYTES", 2**10)
    draft = guess_project([shop / "events.csv"])
    (note,) = draft.notes
    assert note.startswith("'events.csv' is larger than 0 MB and was not read to its end")
    assert "`polyscene check` finds" in note
