"""What prompts tell, and that nothing is read twice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from polyscene.core.settings.text_ranker import TextRankerSettings
from polyscene.data.queries import Histories
from polyscene.language.ranking.examples import Prompt
from polyscene.learning import prompts
from polyscene.learning.prompts import PromptBuilder, PromptScorer

TEXTS = ["aunt", "bee", "cat", "dog", "elephant"]


class Judge:
    """Prefers long texts and long histories, and remembers what it was asked."""

    def __init__(self) -> None:
        self.heard: list[list[Prompt]] = []

    def __call__(self, prompts: Sequence[Prompt]) -> np.ndarray:
        self.heard.append(list(prompts))
        return np.array([len(prompt.candidate) + 10.0 * len(prompt.liked) for prompt in prompts])


def prompter(latest_first: bool = True, history: int = 2) -> PromptBuilder:
    return PromptBuilder(TEXTS, history, 4, latest_first)


@pytest.mark.parametrize(("latest_first", "items"), [(True, (3, 1)), (False, (1, 3))])
def test_the_latest_different_items_are_told(latest_first: bool, items: tuple[int, ...]) -> None:
    pasts = prompter(latest_first).pasts(Histories.of([[0, 3, 1, 3, 3], [], [2]]))
    assert pasts == [items, (), (2,)]


def test_texts_are_cut() -> None:
    (prompt,) = prompter().prompts((4, 1), [4])
    assert prompt == Prompt("elep", ("elep", "bee"))


@pytest.mark.parametrize(("reader", "first"), [("pair", True), ("answers", False)])
def test_what_is_cut_off_a_long_prompt_is_the_oldest(reader: str, first: bool) -> None:
    settings = TextRankerSettings.model_validate({"reader": reader})
    assert PromptBuilder.of(TEXTS, settings).latest_first is first


def test_all_requests_are_one_question_and_none_is_asked_twice() -> None:
    judge = Judge()
    reader = PromptScorer(prompter(), lambda: judge)
    history = Histories.of([[0], [], [0]])
    candidates = np.array([[1, 2], [3, 4], [1, 2]], np.int32)
    odds = reader(history, candidates)
    np.testing.assert_array_equal(odds, [[13, 13], [3, 4], [13, 13]])
    assert odds.dtype == np.float32
    np.testing.assert_array_equal(reader(history, candidates), odds)
    assert [len(prompts) for prompts in judge.heard] == [4]


def test_changed_and_new_texts_are_read_anew() -> None:
    judge, texts = Judge(), list(TEXTS)
    reader = PromptScorer(PromptBuilder(texts, 2, 9, True), lambda: judge)
    history, candidates = Histories.of([[0]]), np.array([[1, 2]], np.int32)
    np.testing.assert_array_equal(reader(history, candidates), [[13, 13]])
    texts[2] = "lion"
    np.testing.assert_array_equal(reader(history, candidates), [[13, 14]])
    texts[0] = "uncle"
    reader(history, candidates)
    assert judge.heard[-1][0].liked == ("uncle",)
    texts.append("mouse")
    np.testing.assert_array_equal(reader(history, np.array([[5]], np.int32)), [[15]])
    assert len(judge.heard) == 4


def test_old_answers_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompts, "MAX_REMEMBERED_REQUESTS", 2)
    judge = Judge()
    reader = PromptScorer(prompter(), lambda: judge)
    candidates = np.array([[0, 1], [1, 2], [2, 3]], np.int32)
    nobody = Histories.of([[], [], []])
    reader(nobody, candidates)
    reader(nobody, candidates)
    assert [len(prompts) for prompts in judge.heard] == [6, 2]


def test_the_judge_is_called_for_at_the_first_question() -> None:
    calls: list[int] = []

    def late() -> Judge:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("not there yet")
        return Judge()

    reader = PromptScorer(prompter(), late)
    assert reader(Histories.of([]), np.zeros((0, 3), np.int32)).shape == (0, 3)
    assert not calls
    asked = Histories.of([[0]]), np.zeros((1, 1), np.int32)
    with pytest.raises(RuntimeError):
        reader(*asked)
    reader(*asked)
    reader(Histories.of([[1]]), np.zeros((1, 1), np.int32))
    assert len(calls) == 2
