"""Hints that names give."""

from __future__ import annotations

import pytest

from polyscene.data.drafting.names import Hint, has_id_word, hint, likeness, slug, tokens


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("CustomerID", ("customer", "id")),
        ("customer_id", ("customer", "id")),
        ("movieId", ("movie", "id")),
        ("Stock Code", ("stock", "code")),
        ("categories", ("category",)),
        ("movies", ("movie",)),
        ("news", ("news",)),
        ("", ()),
    ],
)
def test_tokens(name: str, words: tuple[str, ...]) -> None:
    assert tokens(name) == words


@pytest.mark.parametrize(
    ("name", "kind"),
    [("reviewerID", "user"), ("parent_asin", "item"), ("created_at", "time"), ("is_clicked", "flag")],
)
def test_a_name_speaks_for_its_kind(name: str, kind: Hint) -> None:
    assert hint(name, kind) > 0.5


def test_a_whole_name_says_more_than_a_part() -> None:
    assert hint("user_id", "user") == 1.0
    assert hint("user_feature_0", "user") < 0.8
    assert hint("zebra", "user") == 0.0


def test_likeness_takes_the_file_into_account() -> None:
    assert likeness("item_id", "item_id") == 1.0
    assert likeness("movieId", "id", ("movie",)) > 0.8
    assert likeness("movieId", "id", ("user",)) == 0.0


def test_id_words_and_slugs() -> None:
    assert has_id_word("StockCode")
    assert not has_id_word("rating")
    assert slug("Men's wear!") == "men_s_wear"
    assert slug("***") == "main"
    assert len(slug("x" * 99)) == 40
