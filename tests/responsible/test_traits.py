"""Two items share what both have and few others do; nothing else is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyscene.core.types import Attribute
from polyscene.responsible.traits import Traits, words_of

FILLER = [f"number{n} gadget" for n in range(30)]


def traits_of(texts: Sequence[str], attributes: Sequence[Mapping[str, Attribute]] = ()) -> Traits:
    rows = [*attributes, *({} for _ in range(len(texts) + len(FILLER) - len(attributes)))]
    return Traits([*texts, *FILLER], [*texts, *FILLER], lambda item: rows[item])


def test_titles_without_a_common_word_share_nothing() -> None:
    assert traits_of(["Dota 2", "The Elder Scrolls V Skyrim"]).shared(0, 1) == ()


def test_shared_words_are_named_as_they_are_written() -> None:
    assert traits_of(["Sturdy RAKE for garden", "Light rake"]).shared(0, 1) == ("“RAKE”",)


def test_small_words_and_numbers_are_no_trait() -> None:
    assert traits_of(["Left 4 Dead 2 and the 12", "Dota 2 and the 12"]).shared(0, 1) == ()


def test_what_many_items_have_is_no_trait() -> None:
    texts = ["blue film", "blue film", *("film" for _ in range(20))]
    assert traits_of(texts).shared(0, 1) == ("“blue”",)


def test_the_rarest_stands_first_and_two_are_enough() -> None:
    texts = [
        "rare odd usual",
        "rare odd usual",
        *("usual gadget" for _ in range(3)),
        *("odd" for _ in range(2)),
    ]
    assert traits_of(texts).shared(0, 1) == ("“rare”", "“odd”")


def test_values_are_named_with_their_column_part_by_part() -> None:
    attributes: list[dict[str, Attribute]] = [
        {"genres": "Action|Sci-Fi", "price": 3.0},
        {"genres": "Sci-Fi|Drama", "price": 3.0},
    ]
    assert traits_of(["a Sci-Fi", "b Sci-Fi"], attributes).shared(0, 1) == ("genres “Sci-Fi”",)


def test_numbers_are_named_only_where_nothing_else_is() -> None:
    years = [{"year": "1996", "genre": "Horror"}, {"year": "1996", "genre": "Horror"}, {"year": "1996"}]
    traits = traits_of(["x", "y", "z"], years)
    assert traits.shared(0, 1) == ("genre “Horror”",)
    assert traits.shared(0, 2) == ("year “1996”",)


def test_writing_without_spaces_is_compared_in_pairs() -> None:
    assert words_of("ab abc 茶叶罐") == ["abc", "茶叶", "叶罐"]
    assert traits_of(["绿茶叶", "茶叶罐"]).shared(0, 1) == ("“茶叶”",)


def test_an_edited_text_is_read_anew() -> None:
    texts = ["red kite", "blue kite", *FILLER]
    traits = Traits(texts, texts, lambda _: {})
    assert traits.shared(0, 1) == ("“kite”",)
    texts[1] = "blue balloon"
    texts.append("red kite")
    assert traits.shared(0, 1) == ()
    assert traits.shared(0, len(texts) - 1) == ("“red”", "“kite”")


def test_words_of_titles_stand_before_values_and_those_before_words_of_texts() -> None:
    texts = [
        "steel kettle sturdily hammered",
        "iron kettle sturdily hammered",
        "copper pan sturdily hammered",
        "x",
    ]
    titles = ["steel kettle", "iron kettle", "copper pan", "x"]
    rows: list[dict[str, Attribute]] = [{"brand": "Acme"}, {"brand": "Acme"}, {"brand": "Acme"}, {}]
    rows += [{} for _ in FILLER]
    traits = Traits([*texts, *FILLER], [*titles, *FILLER], lambda item: rows[item])
    assert traits.shared(0, 1) == ("“kettle”", "brand “Acme”")
    assert traits.shared(0, 2) == ("brand “Acme”",)
    rows[2] = {}
    again = Traits([*texts, *FILLER], [*titles, *FILLER], lambda item: rows[item])
    assert set(again.shared(0, 2)) == {"“sturdily”", "“hammered”"}


def test_filler_words_of_texts_are_no_trait() -> None:
    texts = ["enough should just through feel mild", "enough should just through feel mild", *FILLER]
    assert Traits(texts, ["a b", "c d", *FILLER], lambda _: {}).shared(0, 1) == ()


@given(first=st.text(max_size=40), second=st.text(max_size=40))
def test_what_is_named_is_in_both(first: str, second: str) -> None:
    for trait in traits_of([first, second]).shared(0, 1):
        word = trait.strip("“”").casefold()
        assert word in {one.casefold() for one in words_of(first)} & {
            one.casefold() for one in words_of(second)
        }


@pytest.mark.parametrize("text", ["", "\x00" * 100, "x" * 10**6, "a|b" * 1000])
def test_any_text_is_read(text: str) -> None:
    assert len(traits_of([text, text], [{"a": text}, {"a": text}]).shared(0, 1)) <= 2


def test_a_value_of_common_words_is_no_trait() -> None:
    """Few items have this very value; that its words are common tells nothing all the same."""
    rows: list[dict[str, Attribute]] = [{"genre": "Drama"}, {"genre": "Drama"}, {"genre": "Drama Western"}]
    rows.append({"genre": "Drama Western"})
    rows.extend({"genre": f"Drama Kind{n}"} for n in range(20))
    texts = [f"title{n} of {row['genre']}" for n, row in enumerate(rows)]
    titles = [f"title{n}" for n in range(len(rows))]
    traits = Traits(texts, titles, lambda item: rows[item])
    assert traits.shared(0, 1) == ()
    assert traits.shared(2, 3) == ("genre “Drama Western”",)


def test_what_a_quarter_of_the_items_has_is_no_trait_as_a_word_or_a_value() -> None:
    rows: list[dict[str, Attribute]] = [{"maker": "Acme"} if n % 4 == 0 else {} for n in range(40)]
    titles = [f"kettle x{n}" if n % 4 == 0 else f"thing y{n}" for n in range(40)]
    assert Traits(titles, titles, lambda item: rows[item]).shared(0, 4) == ()


def test_measures_and_counts_are_no_trait() -> None:
    texts = ["soap 12 ounce count pack of 2 extra large", "brush 3 ounce count pack of 4 extra large"]
    assert traits_of(texts).shared(0, 1) == ()


def test_words_are_named_in_the_order_in_which_they_are_written_and_more_of_them_follow() -> None:
    texts = ["water bottle hot red", "red hot water bottle", "water bottle", "red bottle", "red gadget"]
    traits = traits_of(texts)
    assert traits.all_shared(0, 1) == ("“water”", "“hot”", "“bottle”", "“red”")
    assert traits.shared(0, 1) == ("“water”", "“hot”")
