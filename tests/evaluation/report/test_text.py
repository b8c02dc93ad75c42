from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from polyscene.evaluation.report.text import clean, columns

ANY_TEXT = st.text(st.characters(), max_size=80)


@given(ANY_TEXT, st.integers(1, 40))
def test_clean_text_is_printable_on_one_line_and_bounded(text: str, limit: int) -> None:
    line = clean(text, limit)
    assert line.isprintable()
    assert columns(line) <= limit
    line.encode("utf-8")


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=20))
def test_harmless_text_stays_as_it_is(text: str) -> None:
    assert clean(text, 40) == text


def test_wide_characters_take_two_columns() -> None:
    assert columns("新闻") == 4
    assert clean("新闻推荐", 5) == "新闻…"


def test_direction_overrides_and_line_breaks_go() -> None:
    assert clean("a\u202eb\r\n\tc\x00") == "a b c"
