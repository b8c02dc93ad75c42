"""Answers in notebooks and data frames: short, escaped, and with the right values."""

from __future__ import annotations

import sys
from html.parser import HTMLParser

import pytest

from polyscene.core.display import MAX_CELL_COLUMNS, MAX_HTML_ROWS, data_frame, html_table, listed
from polyscene.core.errors import MissingExtraError
from polyscene.core.types import Item, Recommendation, Slate

HOSTILE = "<script>alert('x')</script>\u202e & \"quoted\"\n" + "w" * 500


def _place(item: str, text: str, score: float = 1.5) -> Recommendation:
    return Recommendation(Item(item, "shop", text), score, 1.0, "It is new.", {"recency": 1.0})


@pytest.fixture
def slate() -> Slate:
    return Slate("u1", "shop", (_place("a", "Pan"), _place("b", HOSTILE, 0.25)), "run-1")


STYLE_LETTERS = set("abcdefghijklmnopqrstuvwxyz0123456789:;-., ()")


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        assert [name for name, _ in attrs] in ([], ["style"])
        assert all(value and set(value) <= STYLE_LETTERS for _, value in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_text_of_any_origin_becomes_text(slate: Slate) -> None:
    page = _Tags()
    page.feed(slate._repr_html_())
    assert page.names == {"table", "caption", "bdi", "thead", "tbody", "tr", "th", "td"}
    assert "<script>alert('x')</script> & \"quoted\"" in page.text
    assert "\u202e" not in page.text
    assert len(page.text) < 400 + MAX_CELL_COLUMNS // 4


def test_titles_and_headings_are_escaped_too() -> None:
    assert "<b>" not in html_table("<b>", ("<b>",), [("<b>",)])


def test_long_tables_say_what_is_left_out() -> None:
    page = html_table("t", ("n",), [(n,) for n in range(MAX_HTML_ROWS + 7)])
    assert page.count("<tr>") == MAX_HTML_ROWS + 1
    assert "and 7 more rows" in page


def test_a_slate_is_a_short_sequence(slate: Slate) -> None:
    assert repr(slate) == "Slate('u1', 'shop', 2 items: a, b)"
    assert slate[0] is slate.items[0]
    assert slate[-1].item.id == "b"
    assert slate[:1] == slate.items[:1]
    assert [place.item.id for place in slate] == slate.ids == ["a", "b"]
    assert len(repr(slate[1])) < 120


def test_a_slate_is_a_frame(slate: Slate) -> None:
    frame = slate.to_frame()
    assert frame.rows()[0] == (1, "a", "Pan", 1.5, 1.0, "It is new.")
    empty = Slate("u1", "shop", (), "run-1").to_frame()
    assert empty.schema == frame.schema
    assert len(empty) == 0


def test_pandas_is_asked_for_where_it_is_missing(slate: Slate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match="pip install pandas"):
        slate.to_frame("pandas")
    with pytest.raises(ValueError, match="polars"):
        data_frame({"a": [1]}, {}, "dask")  # type: ignore[arg-type]


def test_few_names_stand_for_many() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed([str(n) for n in range(1000)]) == "0, 1, 2, … (1,000)"


def test_numbers_stand_to_the_right_and_texts_to_the_left() -> None:
    page = html_table("t", ("name", "ndcg"), [("a", 0.25), ("b", "–")])
    assert [cell.count("text-align:right") for cell in page.split("</td>")[:4]] == [0 + 1, 1, 0, 1]
    assert "0.2500" in page


def test_a_table_of_facts_has_no_line_of_headings() -> None:
    assert "<thead>" not in html_table("t", ("", ""), [("project", "shop")])
    assert "<thead>" in html_table("t", ("fact", ""), [("project", "shop")])


def test_notes_stand_below_the_table_and_are_escaped() -> None:
    page = html_table("t", ("n",), [(1,)], ("nobody called <b> is known",))
    assert page.endswith("<p><bdi>nobody called &lt;b&gt; is known</bdi></p>")
    slate = Slate("u", "shop", (), "run", False, ("nobody called 'u' is known",))
    assert "nobody called &#x27;u&#x27; is known" in slate._repr_html_()
