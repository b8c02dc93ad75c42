from __future__ import annotations

import unicodedata
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyscene.language.text.normalisation import (
    MAX_CHARS,
    MAX_REPEATS,
    in_one_script,
    normalise,
    without_repeats,
)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("  red \t\n shoe\r\n", "red shoe"),
        ("sh\u200boe\u00ads", "shoes"),
        ("\u202edlrow\u202c", "dlrow"),
        ("a\x00b\x1b[31mc", "ab[31mc"),
        ("ﬁne １２ Ａ", "fine 12 A"),
        ("e\u0301te\u0301", "été"),
        ("a\u200d\u0301", "á"),
        ("tag\U000e0041\U000e007f", "tag"),
        ("lone \ud83d surrogate", "lone surrogate"),
        ("red\u2028blue\u00a0green\u3000", "red blue green"),
        ("我喜欢红色", "我喜欢红色"),
        ("👍🏽 ok", "👍🏽 ok"),
        ("", ""),
        ("\u200b\ufeff \u3164", ""),
    ],
)
def test_text_becomes_one_visible_line(raw: str, clean: str) -> None:
    assert normalise(raw) == clean


def test_length_is_bounded() -> None:
    assert normalise("ab " * 50_000, max_chars=7) == "ab ab a"
    assert normalise("ab " * 50_000, max_chars=6) == "ab ab"
    assert len(normalise("\ufdfa" * 20_000)) <= 20_000  # each becomes 18 characters


def test_stacked_marks_are_cut_before_they_cost_quadratic_time() -> None:
    assert len(normalise("a" + "\u0301\u0327" * 40_000 + "b")) <= 1 + 32 + 1
    assert normalise("-" * 1_000 + " red") == "-" * 32 + " red"


@given(st.text(alphabet=st.characters(), max_size=120))
def test_result_is_stable_printable_and_encodable(raw: str) -> None:
    clean = normalise(raw)
    assert normalise(clean) == clean
    assert clean == clean.strip()
    assert "  " not in clean
    assert unicodedata.is_normalized("NFKC", clean)
    assert not any(unicodedata.category(char) in ("Cc", "Cs", "Co") for char in clean)
    clean.encode()


LETTERS = "ABHKXaceopxylѕԁАВСНахеорсуижлΑΒΗΚΧαορχλΩ"


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("pаypаl", "paypal"),  # Cyrillic a, twice
        ("Αpple", "Apple"),  # Greek Alpha
        ("Paniс At The Disco", "Panic At The Disco"),  # Cyrillic es
        ("ВFI", "BFI"),
        ("ѕhoeѕ", "shoes"),
        ("Flёur", "Flëur"),  # with its accent
        ("сосa", "соса"),  # one Latin letter among Cyrillic ones
        ("молoко", "молоко"),
        ("χρόνoς", "χρόνος"),
        ("аа aa αα", "аа aa αα"),  # every word in one script
        ("раураl", "paypal"),  # the last letter has no double and decides
        ("Москва Paris Αθήνα", "Москва Paris Αθήνα"),
        ("iPhoneчик μm 5-мегапиксельный", "iPhoneчик μm 5-мегапиксельный"),
        ("аутside", "аутside"),  # letters of its own in both
        ("日本aа", "日本aa"),
    ],
)
def test_letters_that_only_look_alike_become_the_words_own(raw: str, clean: str) -> None:
    assert normalise(raw) == clean


@given(st.text(alphabet=LETTERS, max_size=10))
def test_look_alikes_never_change_a_word_of_one_script(word: str) -> None:
    scripts = {unicodedata.name(letter).split()[0] for letter in word}
    folded = in_one_script(word)
    assert in_one_script(folded) == folded
    assert len(folded) == len(word)
    assert folded == word or len(scripts) > 1


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("buy " * 100, "buy buy buy buy"),
        ("Cheap! cheap, CHEAP cheap cheap shoe", "Cheap! cheap, CHEAP cheap shoe"),
        ("red shoe " * 20 + "red boot", "red shoe red shoe red shoe red shoe red boot"),
        ("best one of all " * 9, ("best one of all " * 4).strip()),
        ("It's a Mad Mad Mad Mad World", "It's a Mad Mad Mad Mad World"),
        ("new york new york", "new york new york"),
        ("- - - - - -", "- - - -"),
    ],
)
def test_a_phrase_that_drums_is_kept_a_few_times(raw: str, clean: str) -> None:
    assert normalise(raw) == clean


@given(
    st.lists(
        st.tuples(st.lists(st.sampled_from("abc"), min_size=1, max_size=9), st.integers(1, 7)), max_size=8
    )
)
def test_no_short_phrase_follows_itself_too_often(parts: list[tuple[list[str], int]]) -> None:
    words = [word for phrase, times in parts for word in phrase * times]
    kept = without_repeats(words)
    assert without_repeats(kept) == kept
    assert [word for word, _ in groupby(kept)][:1] == words[:1]
    assert set(kept) == set(words)
    copies = MAX_REPEATS + 1
    for size in range(1, 9):
        for start in range(len(kept) - copies * size + 1):
            assert kept[start : start + copies * size] != kept[start : start + size] * copies


@pytest.mark.parametrize("piece", ["a ", "аb ", "ab\u0301", "\u200b", "-", "a b a c ", "\U0001f44d\u200d"])
def test_a_megabyte_of_text_costs_no_more_than_its_beginning(piece: str) -> None:
    megabyte = piece * (1_000_000 // len(piece))
    assert normalise(megabyte) == normalise(megabyte[: 4 * MAX_CHARS])
    assert len(normalise(megabyte)) <= MAX_CHARS
