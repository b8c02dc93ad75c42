from __future__ import annotations

import pytest

from polyscene.recommenders.registry import SIGNALS
from polyscene.responsible.explanation import (
    OTHERWISE,
    TITLE_LENGTH,
    Sentences,
    alike_because,
    fact_and_trait,
    had_before,
    listed_traits,
    reason,
    shortened,
    strongest,
    why_closed,
)


def reason_of(name: str, past: str | None) -> str:
    return reason(SIGNALS[name].sentences, past)


def test_the_reason_follows_from_the_largest_share() -> None:
    shares = {"popularity": 0.2, "recency": 0.7, "content": -3.0}
    assert strongest(shares) == "recency"
    assert reason_of("recency", None) == "It is new."
    assert strongest({**shares, "popularity": 0.8}) == "popularity"
    assert reason_of("popularity", None) == "Many people chose it."


def test_the_past_item_and_what_is_shared_are_named() -> None:
    content = SIGNALS["content"].sentences
    assert reason(content, "Blue Tea", ("“blue”", "brand “Acme”")) == (
        "It shares “blue” and brand “Acme” with “Blue Tea”, which you chose."
    )
    assert reason(content, "Blue Tea") == (
        "It is close to “Blue Tea”, which you chose, by its text and by what people choose together."
    )
    assert reason(content) == "It is close to what you chose, by its text and by what people choose together."
    assert reason(SIGNALS["neighbours"].sentences, "Blue Tea", ("“blue”",)) == (
        "People who chose “Blue Tea” also chose this; both have “blue”."
    )


@pytest.mark.parametrize("name", list(SIGNALS))
@pytest.mark.parametrize("past", [None, "Dota 2"])
def test_no_words_are_said_to_be_alike_unless_they_are(name: str, past: str | None) -> None:
    sentence = reason_of(name, past)
    assert not any(claim in sentence for claim in ("reads much", "means much", "shares", "both"))


@pytest.mark.parametrize("name", ["popularity", "recency", "cross_scenario"])
def test_signals_that_do_not_look_at_the_past_here_never_name_it(name: str) -> None:
    assert reason_of(name, "Blue Tea") == reason_of(name, None)
    assert reason(SIGNALS[name].sentences, "Blue Tea", ("“blue”",)) == reason_of(name, None)


@pytest.mark.parametrize("past", [None, "Blue Tea"])
def test_every_signal_has_a_sentence_of_its_own(past: str | None) -> None:
    sentences = [reason_of(name, past) for name in SIGNALS]
    assert len(set(sentences)) == len(list(SIGNALS))
    assert OTHERWISE not in sentences
    assert all(sentence.endswith(".") and sentence.count(".") == 1 for sentence in sentences)


def test_what_was_had_is_said_with_when_and_how_often() -> None:
    assert had_before(1, "on 2011-11-07") == "You chose it before, on 2011-11-07."
    assert had_before(3, "on 2011-11-07") == "You chose it 3 times before, last on 2011-11-07."
    assert why_closed(1) == "You have had it already, once: what you had is not shown again."
    assert why_closed(2) == "You have had it already, twice: what you had is not shown again."
    assert why_closed(3) == "You have had it already, 3 times: what you had is not shown again."
    assert had_before(2, "just now", "It is new.") == "You chose it twice before, last just now; it is new."
    fact = fact_and_trait("It is new.", "Old\nrope", ["“rope”", "maker “Q”"])
    assert fact == "It is new; like “Old rope”, which you chose, it has “rope” and maker “Q”."
    assert why_closed(0) == "It is not there yet."
    assert why_closed(1, removed=True) == "It was taken out of the catalogue."


@pytest.mark.parametrize("shares", [{}, {"popularity": 0.0}, {"content": -1.0, "linear": -0.1}])
def test_without_a_positive_share_nothing_is_claimed(shares: dict[str, float]) -> None:
    assert strongest(shares) is None


@pytest.mark.parametrize("past", [None, "Blue Tea"])
def test_without_a_signal_nothing_is_claimed(past: str | None) -> None:
    assert reason(None, past) == "It is among the best of what can be shown here."


def test_a_signal_of_a_plug_in_brings_its_own_sentences() -> None:
    sentences = Sentences("The oracle says so.", "The oracle saw {past}.")
    assert reason(sentences, None) == "The oracle says so."
    assert reason(sentences, "Blue Tea") == "The oracle saw “Blue Tea”."


def test_titles_are_data_not_templates() -> None:
    assert "“{past} {0!r} %s”" in reason_of("linear", "{past} {0!r} %s")


def test_titles_are_bounded() -> None:
    assert "“" + "x" * TITLE_LENGTH + "”" in reason_of("linear", "x" * TITLE_LENGTH)
    assert "word…”" in reason_of("linear", "word " * 100)
    assert len(reason_of("linear", "word " * 100)) < len(reason_of("linear", "")) + TITLE_LENGTH + 1
    assert len(reason_of("linear", "\n" * 10**6 + "x" * 10**6)) < 200
    assert len(shortened("x" * 1000)) == TITLE_LENGTH


def test_titles_stay_on_one_line_and_visible() -> None:
    title = "Tea\r\n\x1b[31m  for\u202e two\x00\ud800 茶 "
    assert "“Tea [31m for two 茶”" in reason_of("linear", title)


@pytest.mark.parametrize(
    ("traits", "expected"),
    [
        ((), ""),
        (("“lace”",), "“lace”"),
        (("“lace”", "“heart”"), "“lace” and “heart”"),
        (("genres “Action”", "genres “Crime”"), "genres “Action” and “Crime”"),
        (("genres “Action”", "brand “Crime”"), "genres “Action” and brand “Crime”"),
        (("“lace”", "genres “Action”"), "“lace” and genres “Action”"),
    ],
)
def test_an_attribute_is_named_once(traits: tuple[str, ...], expected: str) -> None:
    assert listed_traits(traits) == expected


@pytest.mark.parametrize(
    ("by_choices", "chosen", "trait", "part", "sentence"),
    [
        (False, False, (), None, "To a language model its text is close."),
        (False, False, (), "image", "By image it is close."),
        (False, True, (), "image", "By image it is close; it also goes with this one in what people choose."),
        (False, True, (), None, "Its text is close; it also goes with this one in what people choose."),
        (False, False, ("brand b1",), "brand", "Both have brand b1."),
        (True, True, (), "image", "It goes with this one in what people choose."),
    ],
)
def test_likeness_is_told_by_what_makes_it(
    by_choices: bool, chosen: bool, trait: tuple[str, ...], part: str | None, sentence: str
) -> None:
    assert alike_because(by_choices, chosen, trait, part) == sentence


def test_the_name_of_a_part_is_fit_to_be_shown() -> None:
    assert "\n" not in alike_because(False, False, (), "a\nb")
