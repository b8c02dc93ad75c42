"""Logs written by a generator: the draft guesses right or says DECIDE, and no row is lost without a word."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyscene.core.settings.project import Settings
from polyscene.data.drafting.project import ProjectDraft, guess_project
from polyscene.data.reading.check import check_project
from polyscene.data.tables.times import IMPOSSIBLE, rule_for, to_micros

FEW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NAMES = (
    ("user_id", "item_id"),
    ("visitorid", "itemid"),
    ("user_id:token", "item_id:token"),
    ("CustomerNo", "sku"),
)
WORDS = ("whole milk", "brown bread", "rolls", "soda", "tropical fruit", "yogurt", "root vegetables", "beer")
WRITINGS = (
    "%Y-%m-%d %H:%M:%S", "%d-%m-%Y %H:%M", "%m-%d-%Y %H:%M", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%d.%m.%Y",
    "%Y%m%d", "%a %b %d %H:%M:%S +0000 %Y", "%d-%b-%Y", "%d/%m/%y", "%m/%d/%y %H:%M", "%b %d, %Y",
    "s", "ms", "us", "ns", "excel",
)  # fmt: skip


def written(when: datetime, writing: str) -> str:
    micros = int(when.timestamp()) * 1_000_000
    units = {"s": 1_000_000, "ms": 1_000, "us": 1}
    if writing in units:
        return str(micros // units[writing])
    if writing == "ns":
        return str(micros * 1_000)
    if writing == "excel":
        return f"{25_569 + when.timestamp() / 86_400:.5f}"
    return when.strftime(writing)


def drafted(folder: Path, rows: list[dict[str, str]]) -> ProjectDraft:
    pl.DataFrame(rows).write_csv(folder / "log.csv")
    draft = guess_project([folder / "log.csv"], "log")
    (folder / "polyscene.toml").write_text(draft.to_toml(folder), encoding="utf-8")
    return draft


@FEW
@given(
    names=st.sampled_from(NAMES),
    words=st.booleans(),
    writing=st.sampled_from(WRITINGS),
    days=st.integers(2, 400),
    gaps=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_times_are_guessed_right_or_asked_about_and_no_row_is_lost(
    names: tuple[str, str], words: bool, writing: str, days: int, gaps: bool, seed: int
) -> None:
    dice = random.Random(seed)
    user, item = names
    start = datetime(2019, dice.randint(1, 12), dice.randint(1, 28), 12, tzinfo=UTC)
    moments = [start + timedelta(minutes=dice.randint(0, days * 1_440)) for _ in range(200)]
    moments = [when.replace(second=0) for when in moments]
    rows = [
        {
            user: "" if gaps and dice.random() < 0.05 else f"u{dice.randint(1, 30)}",
            item: f"{dice.choice(WORDS)} {dice.randint(1, 5)}" if words else f"i{dice.randint(1, 40)}",
            "date": written(when, writing),
        }
        for when in moments
    ]
    with TemporaryDirectory() as name:
        folder = Path(name)
        draft = drafted(folder, rows)
        (scenario,) = draft.scenarios
        guesses = scenario.events.guesses
        assert (guesses["user"].value, guesses["item"].value) == names
        asked = {path.split(".")[-1] for path in draft.decisions}
        guess = guesses.get("time_format")
        if "time" not in guesses:
            assert "time" in asked
        elif not asked & {"time", "time_format"}:
            assert all(_is_read_as(rows, moments, writing, None if guess is None else str(guess.value)))
        report = check_project(Settings.load(folder / "polyscene.toml"), folder)
        assert report.ok, report.problems
        (counts,) = report.counts.values()
        left_out = sum(
            p.count for p in report.problems if (p.mended or p.severity == "repaired") and "no user" in p.what
        )
        assert counts.events is not None
        assert counts.events + left_out == len(rows)


def _is_read_as(
    rows: list[dict[str, str]], moments: list[datetime], writing: str, time_format: str | None
) -> list[bool]:
    series = pl.Series("date", [row["date"] for row in rows])
    micros = to_micros(series, rule_for(series, time_format, "UTC", "date")).to_list()
    tolerance = 1_000_000 if writing == "excel" else 0
    wanted = [
        int(when.timestamp()) * 1_000_000
        if writing in ("s", "ms", "us", "ns", "excel")
        else int(datetime.strptime(when.strftime(writing), writing).replace(tzinfo=UTC).timestamp())
        * 1_000_000
        for when in moments
    ]
    return [abs(one - other) <= tolerance for one, other in zip(micros, wanted, strict=True)]


@FEW
@given(
    st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=20, max_size=60, unique=True),
    st.randoms(),
)
def test_days_and_months_that_nothing_tells_apart_are_asked_about(
    days: list[tuple[int, int]], dice: random.Random
) -> None:
    dice.shuffle(days)
    rows = [
        {"user_id": f"u{place % 7}", "item_id": f"i{place % 9}", "date": f"{one:02d}/{other:02d}/2020"}
        for place, (one, other) in enumerate(days)
    ]
    with TemporaryDirectory() as name:
        draft = drafted(Path(name), rows)
        guess = draft.scenarios[0].events.guesses["time_format"]
        assert guess.to_decide or "in order" in guess.why
        assert {str(guess.value), *guess.instead} == {"%d/%m/%Y", "%m/%d/%Y"}


@pytest.mark.parametrize("word", ["soon", "week 3", "Q4", "13:99", "99/99/9999"])
def test_a_column_named_like_a_time_is_never_left_out_without_a_word(tmp_path: Path, word: str) -> None:
    rows = [
        {
            "user_id": f"u{n % 9}",
            "item_id": f"i{n % 11}",
            "event_time": f"{word}{'' if n % 2 else ' '}x{n % 5}",
        }
        for n in range(90)
    ]
    draft = drafted(tmp_path, rows)
    assert any(decision.endswith(".events.time") for decision in draft.decisions)
    assert "DECIDE: 'event_time' is named like a time" in draft.to_toml(tmp_path)


@FEW
@given(st.integers(0, 1_000), st.sampled_from(["3,5", "1.234,5", "-2,25", "7"]))
def test_decimal_commas_are_read_as_numbers(seed: int, odd: str) -> None:
    dice = random.Random(seed)
    rows = [
        {
            "user_id": f"u{n % 9}",
            "item_id": f"i{n % 11}",
            "quantity": f"{dice.randint(1, 9)},{dice.randint(0, 9)}",
        }
        for n in range(90)
    ]
    rows[dice.randint(0, 89)]["quantity"] = odd
    with TemporaryDirectory() as name:
        folder = Path(name)
        drafted(folder, rows)
        loaded = Settings.load(folder / "polyscene.toml")
        (scenario,) = loaded.scenarios.values()
        events = scenario.events
        assert (events.value, events.decimal) == ("quantity", ",")
        report = check_project(loaded, folder)
        assert report.ok, report.problems
        (counts,) = report.counts.values()
        assert counts.events == len(rows)


@given(st.sampled_from(["20230230", "20231301"]), st.integers(0, 3))
def test_digits_that_are_no_day_are_impossible_once_days_were_said(bad: str, place: int) -> None:
    values = ["20230101", "20230102", "20230103", "20230104"]
    values[place] = bad
    series = pl.Series("day", values)
    micros = to_micros(series, rule_for(series, "%Y%m%d", "UTC", "day")).to_list()
    assert [value == IMPOSSIBLE for value in micros] == [n == place for n in range(4)]
