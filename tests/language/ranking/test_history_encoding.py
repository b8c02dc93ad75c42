from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from polyscene.core.types import FloatArray
from polyscene.language.ranking.history_encoding import (
    FeatureScale,
    MemoisedEncoder,
    plain_title,
    read_texts,
    year,
)

Topics = Callable[[Sequence[str]], FloatArray]


@pytest.mark.parametrize(
    ("text", "title", "when"),
    [
        ("Silence of the Lambs, The (1991)", "The Silence of the Lambs", 1991.0),
        ("2001: A Space Odyssey (1968)", "2001: A Space Odyssey", 1968.0),
        ("Wrong Man, The [1956]", "The Wrong Man", 1956.0),
        ("City, The (La Ciudad) (1998)", "The City (La Ciudad)", 1998.0),
        ("Me, Myself and I", "Me, Myself and I", None),
        ("Summer of (42)", "Summer of (42)", None),
        ("", "", None),
    ],
)
def test_a_title_is_read_without_its_year(text: str, title: str, when: float | None) -> None:
    assert plain_title(text) == title
    parsed = year(text)
    assert np.isnan(parsed) if when is None else parsed == when


def test_each_text_is_read_once(topics: Topics) -> None:
    asked: list[str] = []

    def counting(texts: Sequence[str]) -> FloatArray:
        asked.extend(texts)
        return topics(texts)

    encoder = MemoisedEncoder(counting)
    first = read_texts(["river", "engine", "river"], encoder)
    again = read_texts(["engine"], encoder)
    assert asked == ["river", "engine"]
    np.testing.assert_array_equal(again.vectors[0], first.vectors[1])
    assert encoder([]).shape == (0, 6)


def test_the_ground_is_taken_off(topics: Topics) -> None:
    reading = read_texts(["river (1990)", "engine (2000)", ""], topics)
    ground = FeatureScale.of(reading)
    np.testing.assert_allclose(ground.vector, reading.vectors[:2].mean(axis=0))
    meanings = ground.unit_vectors(reading.vectors)
    np.testing.assert_allclose(np.linalg.norm(meanings, axis=1), [1, 1, 0])
    np.testing.assert_allclose(meanings[0], -meanings[1], atol=1e-9)
    np.testing.assert_allclose(ground.decades(reading.years), [-0.5, 0.5, 0.0])
    assert ground.decades(np.array([1500.0]))[0] == -5.0


def test_where_all_say_the_same_nothing_is_said(topics: Topics) -> None:
    reading = read_texts(["river"], topics)
    assert not FeatureScale.of(reading).unit_vectors(reading.vectors).any()


def test_without_texts_the_ground_is_bare(topics: Topics) -> None:
    ground = FeatureScale.of(read_texts([], topics))
    assert not ground.vector.any()
    assert not ground.decades(np.array([1990.0, np.nan])).any()
