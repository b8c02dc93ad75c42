"""Tests of texts in which one word decides, and how far it does is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from polyscene.core.errors import DataError, ModelError
from polyscene.core.types import FloatArray
from polyscene.language.ranking.rate_ranker import FILES, RateRanker
from polyscene.language.ranking.text_tests import TextTests, centred, means

LIFT, OWN = 0.4, 0.1
"""What the word adds to a log rate, and the spread of what no word tells."""


def planted(tests: int, seed: int, lift: float = LIFT, shown: float = 50_000.0) -> TextTests:
    draws = np.random.default_rng(seed)
    test = np.repeat(np.arange(tests), 4)
    marked = draws.integers(0, 2, len(test))
    level = draws.normal(-4.0, 0.5, tests)[test]
    rates = np.exp(level + lift * marked + OWN * draws.normal(size=len(test)))
    texts = tuple(f"{'secret' if one else 'report'} {row}" for row, one in enumerate(marked))
    return TextTests(test, texts, np.full(len(test), shown), draws.binomial(int(shown), rates).astype(float))


def read(texts: Sequence[str]) -> list[FloatArray]:
    """Return one block that knows the word, and one of noise."""
    word = np.array([["secret" in text, "report" in text] for text in texts], np.float32)
    noise = np.array([[hash_of(text, n) for n in range(3)] for text in texts], np.float32)
    return [word, noise]


def hash_of(text: str, number: int) -> float:
    return ((sum(map(ord, text)) * (37 + number)) % 101) / 101.0


@pytest.fixture(scope="module")
def ranker() -> RateRanker:
    return RateRanker(read).fit(planted(80, 1))


def test_the_word_that_decides_is_found_and_its_size(ranker: RateRanker) -> None:
    lead = ranker.lead(["a secret", "a report", "the report", "one secret"], np.array([0, 0, 1, 1]))
    assert lead[0] - lead[1] == pytest.approx(LIFT, abs=0.08)
    assert lead[3] - lead[2] == pytest.approx(LIFT, abs=0.08)
    np.testing.assert_allclose([lead[0] + lead[1], lead[2] + lead[3]], 0.0, atol=1e-12)


def test_the_prior_says_what_is_left_after_the_words(ranker: RateRanker) -> None:
    prior = ranker.prior
    assert prior is not None
    assert prior.left == pytest.approx(OWN, abs=0.03)
    assert prior.spread == pytest.approx(np.hypot(OWN, LIFT / 2), abs=0.04)
    assert prior.slope == pytest.approx(1.0, abs=0.1)
    assert prior.level == pytest.approx(-4.0 + LIFT / 2, abs=0.2)
    assert prior.level_spread == pytest.approx(0.5, abs=0.15)


def test_words_that_decide_nothing_foretell_nothing() -> None:
    tests = planted(80, 2, lift=0.0)
    ranker = RateRanker(read).fit(tests)
    assert ranker.prior is not None
    assert np.abs(ranker.held_out).max() < 0.05
    assert ranker.prior.left == pytest.approx(ranker.prior.spread, rel=0.05)


def test_held_out_guesses_have_not_seen_their_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polyscene.language.ranking.rate_ranker.RIDGES", (10.0,))
    monkeypatch.setattr(TextTests, "spread", lambda *arguments, **options: 0.2)  # else it moves a little
    tests = planted(40, 3)
    before = RateRanker(read).fit(tests)
    clicks = tests.clicks.copy()
    first = tests.test == 0
    clicks[first] = clicks[first][::-1]
    after = RateRanker(read).fit(TextTests(tests.test, tests.texts, tests.shown, clicks))
    assert before.prior is not None
    assert after.prior is not None
    pair, test = ["secret", "report"], np.zeros(2, np.int64)
    now, then = (one.held_out[first] / one.prior.slope for one in (after, before) if one.prior)
    np.testing.assert_allclose(np.diff(now), np.diff(then), atol=1e-9)
    assert not np.allclose(before.lead(pair, test), after.lead(pair, test), rtol=1e-6)


def test_a_saved_ranker_is_the_same(ranker: RateRanker, tmp_path: Path) -> None:
    ranker.save(tmp_path)
    again = RateRanker.load(tmp_path, read)
    texts, test = ["a secret", "a report"], np.array([0, 0])
    np.testing.assert_array_equal(again.lead(texts, test), ranker.lead(texts, test))
    assert again.prior == ranker.prior
    with pytest.raises(ModelError, match="expected 5 features of a text, found 2"):
        RateRanker.load(tmp_path, lambda texts: read(texts)[:1]).lead(texts, test)
    (tmp_path / FILES[0]).write_text("{", encoding="utf-8")
    with pytest.raises(ModelError, match="fit and save it again"):
        RateRanker.load(tmp_path, read)


def test_too_little_and_too_early_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least 4 tests"):
        RateRanker(read).fit(planted(3, 1))
    with pytest.raises(ModelError, match="call fit or load first"):
        RateRanker(read).lead(["a"], np.array([0]))
    with pytest.raises(ModelError, match="call fit first"):
        RateRanker(read).save(tmp_path)


@pytest.mark.parametrize(
    ("test", "shown", "clicks", "expected"),
    [
        ([0, 2], [9, 9], [1, 1], "numbered from 0"),
        ([1, 1], [9, 9], [1, 1], "numbered from 0"),
        ([1, 0], [9, 9], [1, 1], "numbered from 0"),
        ([0, 0], [9, 0], [1, 0], "shown > 0"),
        ([0, 0], [9, 9], [1, 10], "clicks <= shown"),
        ([0, 0], [9, 9], [-1, 1], "0 <= clicks"),
        ([0], [9, 9], [1, 1], "same length"),
    ],
)
def test_what_cannot_be_a_test_is_refused(
    test: list[int], shown: list[int], clicks: list[int], expected: str
) -> None:
    with pytest.raises(DataError, match=expected):
        TextTests(np.array(test), ("a", "b"), np.array(shown, float), np.array(clicks, float))


def test_counts_and_means_are_as_by_hand() -> None:
    tests = TextTests(
        np.array([0, 0, 1, 1, 1]), tuple("abcde"), np.full(5, 99.0), np.array([9.5, 19.5, 0.0, 1.0, 2.0])
    )
    np.testing.assert_allclose(tests.log_rates[:2], np.log([0.1, 0.2]))
    np.testing.assert_allclose(tests.counting_variance[:2], [0.1, 0.05])
    assert list(zip(*map(list, tests.pairs()), strict=True)) == [(0, 1), (2, 3), (2, 4), (3, 4)]
    values, weights = np.array([[1.0], [4.0], [2.0], [2.0], [8.0]]), np.array([2.0, 1.0, 1.0, 1.0, 2.0])
    np.testing.assert_allclose(means(values, tests.test, weights), [[2.0], [5.0]])
    np.testing.assert_allclose(centred(values, tests.test, weights)[:, 0], [-1, 2, -3, -3, 3])


def test_the_spread_is_the_texts_own_without_what_counting_adds() -> None:
    few, many = planted(300, 5, lift=0.0, shown=3000.0), planted(300, 5, lift=0.0)
    nothing = np.zeros(len(few.texts))
    assert many.spread(nothing) == pytest.approx(OWN, rel=0.1)
    assert few.spread(nothing) == pytest.approx(OWN, rel=0.3)
    assert few.spread(nothing, less_counting=False) > 1.3 * few.spread(nothing)
