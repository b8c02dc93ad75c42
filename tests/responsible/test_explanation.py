from __future__ import annotations

import pytest

from polyscene.core.settings.signals import ALL_SIGNALS
from polyscene.responsible.explanation import TITLE_LENGTH, reason, shortened

NOTHING_SPECIAL = "It is among the best of what can be shown here."


def test_the_reason_follows_from_the_largest_share() -> None:
    shares = {"popularity": 0.2, "recency": 0.7, "content": -3.0}
    assert reason(shares, None) == "It is new."
    assert reason({**shares, "popularity": 0.8}, None) == "Many people chose it lately."


def test_the_past_item_is_named_where_the_signal_looks_at_the_past() -> None:
    shares = {"content": 0.5, "popularity": 0.1}
    assert reason(shares, "Blue Tea") == "It reads much like “Blue Tea”, which you chose."
    assert reason(shares, None) == "It reads much like what you chose."


@pytest.mark.parametrize("name", ["popularity", "recency", "elsewhere"])
def test_signals_that_do_not_look_at_the_past_here_never_name_it(name: str) -> None:
    assert reason({name: 1.0}, "Blue Tea") == reason({name: 1.0}, None)


@pytest.mark.parametrize("past", [None, "Blue Tea"])
def test_every_signal_has_a_sentence_of_its_own(past: str | None) -> None:
    sentences = [reason({name: 1.0}, past) for name in ALL_SIGNALS]
    assert len(set(sentences)) == len(ALL_SIGNALS)
    assert NOTHING_SPECIAL not in sentences
    assert all(sentence.endswith(".") and sentence.count(".") == 1 for sentence in sentences)


@pytest.mark.parametrize("shares", [{}, {"popularity": 0.0}, {"content": -1.0, "linear": -0.1}])
def test_without_a_positive_share_nothing_is_claimed(shares: dict[str, float]) -> None:
    assert reason(shares, "Blue Tea") == NOTHING_SPECIAL


def test_an_unknown_signal_claims_nothing() -> None:
    assert reason({"oracle": 1.0}, "Blue Tea") == NOTHING_SPECIAL


def test_titles_are_data_not_templates() -> None:
    assert "“{past} {0!r} %s”" in reason({"linear": 1.0}, "{past} {0!r} %s")


def test_titles_are_bounded() -> None:
    assert shortened("x" * TITLE_LENGTH) == "x" * TITLE_LENGTH
    cut = shortened("word " * 100)
    assert len(cut) <= TITLE_LENGTH
    assert cut.endswith("word…")
    assert len(reason({"linear": 1.0}, "\n" * 10**6 + "x" * 10**6)) < 200


def test_titles_stay_on_one_line_and_visible() -> None:
    assert shortened("Tea\r\n\x1b[31m  for\u202e two\x00\ud800 茶 ") == "Tea [31m for two 茶"
