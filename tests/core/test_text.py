from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from polyscene.core.text import columns, one_line, printable, shown, shown_name

ANY_TEXT = st.text(st.characters(), max_size=80)


@given(ANY_TEXT, st.integers(1, 40))
def test_one_line_is_printable_on_one_line_and_bounded(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert line.isprintable()
    assert columns(line) <= limit
    line.encode("utf-8")


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=20))
def test_harmless_text_stays_as_it_is(text: str) -> None:
    assert one_line(text, 40) == text


def test_wide_characters_take_two_columns() -> None:
    assert columns("新闻") == 4
    assert one_line("新闻推荐", 5) == "新闻…"


def test_direction_overrides_and_line_breaks_go() -> None:
    assert one_line("a\u202eb\r\n\tc\x00") == "a b c"


def test_hostile_text_is_escaped_and_bounded() -> None:
    assert shown("tea") == "'tea'"
    assert shown("a\nb\x1b[31m\u202e\ud800") == r"'a\nb\x1b[31m\u202e\ud800'"
    assert shown("x" * 58) == "'" + "x" * 58 + "'"
    long = shown("x" * 59)
    assert len(long) == 60
    assert long.endswith("…")
    assert len(shown(["x" * 100] * 100, limit=10)) == 10


def test_a_harmless_name_stays_as_it_is() -> None:
    assert shown_name("brand 品牌") == "brand 品牌"
    assert [shown_name(name) for name in ("", "a\nb")] == ["''", r"'a\nb'"]
    assert len(shown_name("x" * 61)) == 60


def test_lines_stay_lines_where_they_may() -> None:
    assert printable("a\tb\nc\x1b") == "a b\nc "
    assert printable("a\nb\u202e", keep="", instead="?") == "a?b?"
