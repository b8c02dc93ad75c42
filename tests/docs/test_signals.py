"""Every signal and every key of `[signals.NAME]` is documented with its default, and no other."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from polyscene.recommenders.fusion.candidates import PER_SIGNAL, SMALL_CATALOGUE
from polyscene.recommenders.fusion.training import BEST, SAMPLED
from polyscene.recommenders.registry import SIGNALS
from polyscene.representation.history_decay import DECAYS, MAX_CHOICES, MIN_CHOICES

PAGE = Path(__file__).parents[2] / "docs" / "signals-and-fusion.md"
NAMES = tuple(SIGNALS)
NO_DEFAULT = {"minutes": "unbounded"}
MEASURED = "measured"
"""What the page says of a default that is None; of most."""


def rows(head: str) -> list[list[str]]:
    """Return the cells of the table under a head, without backticks around the cells."""
    table = PAGE.read_text(encoding="utf-8").split(head + "\n")[1].split("\n\n")[0]
    lines = table.splitlines()[1:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


@pytest.mark.parametrize(
    "head", ["| signal | score |", "| signal | needs | a live event | a new item |"], ids=["scores", "live"]
)
def test_every_signal_has_a_row(head: str) -> None:
    assert [row[0].strip("`") for row in rows(head)] == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_keys_and_defaults_are_those_of_the_settings(name: str) -> None:
    documented = {
        row[1].strip("`"): row[2].strip("`")
        for row in rows("| signal | key | default | meaning |")
        if row[0] == f"`{name}`"
    }
    fields = SIGNALS[name].Settings.model_fields
    assert documented == {
        key: NO_DEFAULT.get(key, MEASURED) if field.default is None else json.dumps(field.default)
        for key, field in fields.items()
    }


@pytest.mark.parametrize("name", NAMES)
def test_signals_that_need_nothing_are_told_so(name: str) -> None:
    needs = {row[0].strip("`"): row[1] for row in rows("| signal | needs | a live event | a new item |")}
    assert (needs[name] == "–") == (not SIGNALS[name].needs)


@pytest.mark.parametrize("name", NAMES)
def test_class_and_page_agree_on_live_events(name: str) -> None:
    lives = {row[0].strip("`"): row[2] for row in rows("| signal | needs | a live event | a new item |")}
    docstrings = [" ".join((kind.__doc__ or "").split()) for kind in SIGNALS[name].__mro__]
    live = next(text.split("Live: ")[1] for text in docstrings if "Live: " in text)
    assert lives[name].startswith("equal") == live.startswith("equal")


def test_numbers_of_candidates_are_those_of_the_code() -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert f"Up to {SMALL_CATALOGUE:,} items" in text
    assert f"each signal puts its {PER_SIGNAL} best forward" in text
    assert f"signal's {BEST} best candidates and over a uniform sample of {SAMPLED} others" in text
    way = " ".join((PAGE.parent / "how-it-works.md").read_text(encoding="utf-8").split())
    assert f"Up to {SMALL_CATALOGUE:,} items" in way
    assert f"the {PER_SIGNAL} best of each signal" in way


def test_numbers_of_the_decay_are_those_of_the_code() -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert f"out of {', '.join(map(str, DECAYS[:-1]))} and {DECAYS[-1]}," in text
    assert f"up to {MAX_CHOICES:,} choices" in text
    assert f"where fewer than {MIN_CHOICES} can be asked" in text
