"""Templates: what is there is said, what is missing leaves no trace."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyscene.core.errors import DataError
from polyscene.data.reading.templates import Template, joined

DOCUMENTED = "{title}. {description} Brand: {brand}."


@pytest.mark.parametrize(
    ("template", "values", "text"),
    [
        (DOCUMENTED, {"title": "A", "description": "Good.", "brand": "B"}, "A. Good. Brand: B."),
        (DOCUMENTED, {"title": "A", "description": "Good."}, "A. Good."),
        (DOCUMENTED, {"title": "A", "brand": "B"}, "A. Brand: B."),
        (DOCUMENTED, {"brand": "B"}, "Brand: B."),
        (DOCUMENTED, {}, ""),
        ("{title}. Brand: {brand}.", {"title": "Really?", "brand": "Co."}, "Really? Brand: Co."),
        ("{a} ({b}) by {c}", {"a": "1", "c": "3"}, "1 by 3"),
        ("{a} ({b}) by {c}", {"a": "1", "b": "2"}, "1 (2)"),
        ("{a} ({b}, {c})", {"a": "1", "b": "2"}, "1 (2)"),
        ("{a} ({b}, {c})", {"a": "1", "c": "3"}, "1 (3)"),
        ("{a} - {b} - {c}", {"a": "1", "c": "3"}, "1 - 3"),
        ("{a} - {b} - {c}", {"b": "2"}, "2"),
        ("{a} | {b}", {"a": "1"}, "1"),
        ("{a}, {b}, {c}", {"a": "1", "c": "3"}, "1, 3"),
        ("{a}, {b}, {c}", {"a": "1"}, "1"),
        ("Title: {a}. Sold online. Price: {b} EUR. Buy!", {"a": "1"}, "Title: 1. Sold online. Buy!"),
        ("{a}\nGenres: {b}\nEnd", {"a": "1"}, "1\nEnd"),
        ("{a}\nGenres: {b}", {"a": "1", "b": "2"}, "1\nGenres: 2"),
        ("{{as is}} {a}", {"a": "1"}, "{as is} 1"),
        ("{Product Name}: {a_b-c}", {"Product Name": "x", "a_b-c": "y"}, "x: y"),
        ("{a}", {"a": "  many \n spaces  "}, "many spaces"),
        ("{a}. {b}", {"a": "{b}", "b": "x"}, "{b}. x"),
    ],
)
def test_filling(template: str, values: dict[str, str], text: str) -> None:
    assert Template.parse(template).fill(values) == text


@pytest.mark.parametrize(
    "template", ["{a.b}", "{a[0]}", "{a!r}", "{a:>9}", "{a:{b}}", "{}", "{0}", "no field", "{a", "a}"]
)
def test_only_plain_names_are_fields(template: str) -> None:
    with pytest.raises(DataError, match="the template cannot be used"):
        Template.parse(template)


def test_fields_are_listed_once() -> None:
    assert Template.parse("{b} {a} {b}").fields == ("b", "a")


words = st.text("abcXYZ ", min_size=1, max_size=8).filter(lambda text: text.strip() != "")


@given(st.lists(st.tuples(words, st.none() | words), min_size=1, max_size=6))
def test_labelled_sentences_follow_a_plain_rule(fields: list[tuple[str, str | None]]) -> None:
    template = " ".join(f"{label.strip()}: {{f{place}}}." for place, (label, _) in enumerate(fields))
    values = {f"f{place}": value for place, (_, value) in enumerate(fields)}
    sentences = [
        f"{label.strip()}: {' '.join(value.split())}." for label, value in fields if value is not None
    ]
    assert Template.parse(template).fill(values) == re.sub(" +", " ", " ".join(sentences))


literals = st.text("x ().,:|-\n", max_size=6)


@given(st.lists(st.tuples(literals, st.none() | words), min_size=1, max_size=5), literals)
def test_any_template_says_all_values_in_order_and_nothing_of_the_missing(
    fields: list[tuple[str, str | None]], ending: str
) -> None:
    template = "".join(f"{literal}{{f{place}}}" for place, (literal, _) in enumerate(fields)) + ending
    text = Template.parse(template).fill({f"f{place}": value for place, (_, value) in enumerate(fields)})
    values = ["".join(value.split()) for _, value in fields if value is not None]
    assert re.sub("[^abcXYZ]", "", text) == "".join(values)
    assert text == text.strip()
    assert "  " not in text


def test_joining_without_a_template() -> None:
    assert joined(["A", None, "B!", " ", "C"]) == "A. B! C"
    assert joined([None, ""]) == ""
