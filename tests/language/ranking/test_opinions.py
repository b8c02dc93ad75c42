"""Histories in which one word is liked by all, and what a ranker makes of them without any answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from polyscene.core.errors import ModelError
from polyscene.core.types import FloatArray
from polyscene.language.ranking.examples import Prompt
from polyscene.language.ranking.history_encoding import read_texts
from polyscene.language.ranking.opinions import Opinions
from polyscene.language.ranking.ranker import TextRanker

GOOD = 0.8
"""How many like what bears the good word; of the others as many do not."""


def read(texts: Sequence[str]) -> FloatArray:
    return np.array([["good" in text, "bad" in text] for text in texts], np.float32).reshape(len(texts), 2)


def histories(people: int, seed: int, hit: float = GOOD) -> list[Prompt]:
    draws = np.random.default_rng(seed)
    prompts = []
    for person in range(people):
        names = draws.choice(60, 12, replace=False)
        words = [("good" if name % 2 else "bad") + f" film {name}" for name in names]
        liked = [bool(draws.random() < (hit if "good" in word else 1 - hit)) for word in words]
        yes, no = (
            tuple(w for w, one in zip(words, liked, strict=True) if one is want) for want in (True, False)
        )
        prompts.append(Prompt("anything", yes, no, user=f"u{person}"))
    return prompts


@pytest.fixture(scope="module")
def opinions() -> Opinions:
    return Opinions.of(histories(150, 1), read)


def about(opinions: Opinions, *texts: str) -> np.ndarray:
    return opinions.about(read_texts(texts, read))


def test_a_new_text_is_judged_by_its_words(opinions: Opinions) -> None:
    good, bad, silent = about(opinions, "a good new one", "a bad new one", "")
    assert good - bad == pytest.approx(2 * (GOOD - 0.5) / 0.25, abs=0.5)  # one step from the habit
    assert bad < silent < good


def test_labels_and_candidates_teach_nothing(opinions: Opinions) -> None:
    shown = [Prompt("good film 99", p.liked, p.disliked, False, p.user) for p in histories(150, 1)]
    assert about(Opinions.of(shown, read), "good x") == pytest.approx(about(opinions, "good x"))
    assert about(Opinions.of([Prompt("good film 1", label=True)], read), "good film 1") == [0.0]


def test_what_is_true_of_one_text_alone_is_learned_as_far_as_it_is_known() -> None:
    some = histories(150, 2)
    loved = [Prompt("x", (*p.liked, "bad classic"), p.disliked, user=p.user) for p in some]
    once = [Prompt("x", (*some[0].liked, "bad classic"), some[0].disliked, user=some[0].user), *some[1:]]
    plain, classic = about(Opinions.of(loved, read), "bad other", "bad classic")
    rare, met_once = about(Opinions.of(once, read), "bad other", "bad classic")
    assert classic > plain + 1.5
    assert 0 <= met_once - rare < 0.6 * (classic - plain)


def test_words_that_tell_nothing_are_hardly_believed() -> None:
    noise = about(Opinions.of(histories(150, 3, hit=0.5), read), "good x", "bad x")
    assert np.abs(noise).max() < 0.25


def test_a_ranker_with_opinions_orders_new_things_and_says_that_texts_did(
    opinions: Opinions, tmp_path: Path
) -> None:
    asked = [Prompt("a good new one"), Prompt("a bad new one")]
    plain = TextRanker(read).score_parts(asked)
    assert plain.probability[0] == pytest.approx(plain.probability[1])
    ranker = TextRanker(read, opinions=opinions)
    parts = ranker.score_parts(asked)
    assert parts.probability[0] > parts.probability[1] + 0.15
    assert parts.text[0] > 0 > parts.text[1]
    np.testing.assert_allclose(parts.base_rate, plain.base_rate)
    ranker.save(tmp_path)
    again = TextRanker.load(tmp_path, read).score_parts(asked)
    np.testing.assert_array_equal(again.probability, parts.probability)


def test_answers_that_contradict_the_opinions_are_believed(opinions: Opinions) -> None:
    contrary = [Prompt(f"bad thing {n}", label=True, user=f"a{n}") for n in range(30)]
    contrary += [Prompt(f"good thing {n}", label=False, user=f"b{n}") for n in range(30)]
    asked = [Prompt("a good new one"), Prompt("a bad new one")]
    good, bad = TextRanker(read, opinions=opinions).fit(contrary).score(asked)
    assert bad > good


def test_another_language_model_is_refused(opinions: Opinions) -> None:
    with pytest.raises(ModelError, match="expected vectors of 2 numbers, found 1"):
        opinions.about(read_texts(["a"], lambda texts: np.ones((len(texts), 1), np.float32)))
