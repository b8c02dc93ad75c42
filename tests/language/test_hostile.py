from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyscene.language.hostile import normalise


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
