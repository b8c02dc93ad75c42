from __future__ import annotations

import numpy as np
import pytest

from polyscene.language.ranking.examples import Prompt, base_logits, people


def test_the_base_rate_is_the_mean_of_a_beta_posterior_in_odds() -> None:
    prompts = [Prompt("x", ("a", "b", "c"), ("d",)), Prompt("x"), Prompt("x", (), ("a", "b"))]
    np.testing.assert_allclose(base_logits(prompts), np.log([4 / 2, 1, 1 / 3]))
    assert base_logits(prompts, rate=0.75, strength=4.0)[1] == pytest.approx(np.log(3))


def test_the_answered_are_the_history_and_a_candidate_with_its_label() -> None:
    prompt = Prompt("x", ("a",), ("b",), label=False)
    assert prompt.answered == [("a", True), ("b", False), ("x", False)]
    assert Prompt("x", ("a",)).answered == [("a", True)]


def test_overlapping_histories_are_one_persons_along_the_chain() -> None:
    rows = [("a", "b", "c", "d"), ("c", "d", "e", "f"), ("e", "f", "g", "h"), ("x", "y", "z", "a")]
    numbers = people([Prompt("?", row) for row in rows])
    assert numbers[0] == numbers[1] == numbers[2] != numbers[3]


def test_the_same_titles_with_other_answers_are_another_person() -> None:
    one, other = people([Prompt("?", ("a", "b")), Prompt("?", (), ("a", "b"))])
    assert one != other


def test_named_users_are_who_they_say() -> None:
    names = ["u", "v", "u", None, None]
    numbers = people([Prompt("?", ("a", "b"), user=name) for name in names])
    assert numbers[0] == numbers[2] != numbers[1]
    assert numbers[3] == numbers[4]
    assert numbers[3] not in numbers[:3]


def test_nobody_knows_who_asks_without_a_history() -> None:
    assert len(set(people([Prompt("a"), Prompt("b")]).tolist())) == 2
    assert len(people([])) == 0
