"""Sentences are taken apart again: what is false, repeated or common is counted as such."""

from collections.abc import Callable
from types import ModuleType

import numpy as np
import polars as pl
import pytest

from polyscene.data.schema import Catalogue, Ids
from polyscene.engine.catalogue import LiveCatalogue

Script = Callable[[str], ModuleType]
TITLES = ["red kettle", "blue kettle", "plain pan", "deep pan", *(f"thing{n} film" for n in range(6))]


@pytest.fixture
def catalogue() -> LiveCatalogue:
    ids = Ids(pl.Series("id", [f"i{n}" for n in range(len(TITLES))]))
    attributes = pl.DataFrame({"maker": ["Acme", "Acme", *([None] * 8)]}, {"maker": pl.String})
    since = np.zeros(len(TITLES), np.int64)
    return LiveCatalogue(Catalogue(ids, tuple(TITLES), tuple(TITLES), attributes, since), "shop")


@pytest.mark.parametrize(
    ("sentence", "false"),
    [
        ("It shares “kettle” with “blue kettle”, which you chose.", False),
        ("It shares maker “Acme” with “blue kettle”, which you chose.", False),
        ("It shares “pan” with “blue kettle”, which you chose.", True),
        ("It shares “kettle” with “deep pan”, which you chose.", True),  # which was not had
        ("It shares “ket” with “blue kettle”, which you chose.", True),  # which is no word
        ("Nothing is chosen more often.", False),
    ],
)
def test_what_is_false_is_counted(
    script: Script, catalogue: LiveCatalogue, sentence: str, false: bool
) -> None:
    reasons = script("reasons")
    tally = reasons.Tally()
    reasons.tally_slate(tally, reasons.Reader(catalogue), [(0, sentence)], [1, 2])
    assert (tally.places, tally.false) == (1, int(false))


def test_an_item_is_no_reason_for_itself(script: Script, catalogue: LiveCatalogue) -> None:
    reasons = script("reasons")
    tally = reasons.Tally()
    place = (1, "People who chose “blue kettle” also chose this.")
    reasons.tally_slate(tally, reasons.Reader(catalogue), [place], [1])
    assert tally.false == 1


def test_repeated_sentences_and_common_traits_are_counted(script: Script, catalogue: LiveCatalogue) -> None:
    reasons = script("reasons")
    tally = reasons.Tally()
    common = "It shares “film” with “thing0 film”, which you chose."
    rare = "It shares “kettle” with “blue kettle”, which you chose."
    slate = [(5, common), (6, common), (0, rare), (3, "It is new.")]
    reasons.tally_slate(tally, reasons.Reader(catalogue), slate, [1, 4])
    assert tally.to_json() == {
        "slates": 1,
        "places": 4,
        "false": 0,
        "repeated": 0.25,
        "naming_past": 0.75,
        "naming_trait": 0.75,
        "common_traits": pytest.approx(2 / 3),
        "places_of_the_past_item_named_most": 2.0,
    }
