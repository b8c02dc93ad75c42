"""Prompts whose answer is known by construction, and an encoder that knows two topics."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from polyscene.core.types import FloatArray
from polyscene.language.ranking.examples import Prompt

TOPICS = {"river": 0, "engine": 1}


def by_topic(texts: Sequence[str]) -> FloatArray:
    """One axis per topic, and a little of the text's own; a text without words is zero."""
    vectors = np.zeros((len(texts), 6), np.float32)
    for row, text in enumerate(texts):
        if not text:
            continue
        for word, axis in TOPICS.items():
            vectors[row, axis] = float(word in text)
        vectors[row, 2:] = 0.1 * np.random.default_rng(sum(text.encode())).normal(size=4)
        vectors[row] /= np.linalg.norm(vectors[row])
    return vectors


def draw_prompts(count: int, seed: int, hit: float = 0.95) -> list[Prompt]:
    """Everybody likes rivers and dislikes engines; answers are flipped with probability 1 - hit."""
    draws = np.random.default_rng(seed)

    def thing() -> tuple[str, bool]:
        topic = "river" if draws.random() < 0.5 else "engine"
        liked = (topic == "river") == (draws.random() < hit)
        return f"the {topic} {draws.integers(10_000)}", bool(liked)

    prompts = []
    for _ in range(count):
        past, (candidate, label) = [thing() for _ in range(6)], thing()
        liked, disliked = (tuple(text for text, yes in past if yes is wanted) for wanted in (True, False))
        prompts.append(Prompt(candidate, liked, disliked, label))
    return prompts


@pytest.fixture(scope="session")
def topics() -> Callable[[Sequence[str]], FloatArray]:
    return by_topic


@pytest.fixture(scope="session")
def drawn() -> Callable[..., list[Prompt]]:
    return draw_prompts
