"""Python's notation is read within limits, and nothing is ever run."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyscene.data.tables.lists import id_lists, label_texts
from polyscene.data.tables.literals import literal

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(PLAIN)
def test_what_python_prints_is_read_back(value: Any) -> None:
    assert literal(repr(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{'a': u'b', 'n': -1.5e3}", {"a": "b", "n": -1500.0}),
        ("{u'a': [1, (2, 3)], 'b': None}", {"a": [1, [2, 3]], "b": None}),
        ('{"it\'s": "a \\"b\\""}', {"it's": 'a "b"'}),
        ("{'a': b'c'}", {"a": "c"}),
        ("{1: 1e999}", {"1": None}),
        ("[]", []),
    ],
)
def test_plain_values(text: str, value: Any) -> None:
    assert literal(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('x')",
        "{'a': open('f')}",
        "[x for x in ()]",
        "lambda: 0",
        "[" * 200_000,
        "[" * 100 + "]" * 100,
        "-" * 100_000 + "1",
        "1" + "+1j" * 50_000,
        "'" * 99_999,
        "['a' 'b' if 1 else 'c']",
        "f'{1}'",
        "{'a': 1",
        "(" * 3_000_000,
        "9" * 5_000,
        "\0",
        "",
        "{[]: 1}",
        "1_0",
        "0x10",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        literal(text)


def test_lists_of_ids() -> None:
    texts = pl.Series(
        ["['B001', 'B002']", '["B001", "B002"]', "[1, 2.0]", "B1 B2", "[{'id': 1}]", "['a', None]", "[bad"]
    )
    assert id_lists(texts).to_list() == [
        ["B001", "B002"], ["B001", "B002"], ["1", "2"], ["B1", "B2"], None, ["a", None], None,
    ]  # fmt: skip


def test_lists_of_labels() -> None:
    texts = pl.Series(
        [
            "[{'id': 16, 'name': 'Animation'}, {'id': 35, 'name': \"Kid's\"}]",
            '["a", "b"]',
            "['a', None, 'b']",
            "[]",
            "[REC]",
            "[1, 2]",
            "[{'id': 1}]",
            "plain",
            None,
        ]
    )
    assert label_texts(texts).to_list() == [
        "Animation, Kid's", "a, b", "a, b", None, "[REC]", "[1, 2]", "[{'id': 1}]", "plain", None,
    ]  # fmt: skip
