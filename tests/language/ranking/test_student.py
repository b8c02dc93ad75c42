from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from polyscene.core.types import FloatArray
from polyscene.language.ranking.examples import Prompt
from polyscene.language.ranking.ranker import TextRanker
from polyscene.language.ranking.student import Profiles, Student, features, profiled

Topics = Callable[[Sequence[str]], FloatArray]
Drawn = Callable[..., list[Prompt]]


def test_a_teacher_of_the_students_form_is_learnt_exactly() -> None:
    draws = np.random.default_rng(0)
    profiles = Profiles(draws.normal(size=60), *draws.normal(size=(2, 60, 4)))
    vectors = draws.normal(size=(60, 4))
    teacher = Student(0.5, 1.0, 2.0, -1.5, np.array([0.3, -0.2, 0.0, 1.0]))
    logits = np.diag(teacher.score(profiles, vectors)).astype(float)
    student = Student.distil(logits, profiles, vectors, ridge=1e-8)
    np.testing.assert_allclose(student.state()["weights"], teacher.state()["weights"], atol=1e-4)
    np.testing.assert_allclose(features(profiles, vectors) @ student.state()["weights"], logits, atol=1e-4)


def test_the_student_of_a_text_ranker_orders_as_its_teacher(topics: Topics, drawn: Drawn) -> None:
    teacher = TextRanker(topics).fit(drawn(40, 1))
    logits = [np.log(p / (1 - p)) for p in (teacher.score(drawn(300, 2)), teacher.score(drawn(50, 3)))]
    student = Student.distil(logits[0], *profiled(drawn(300, 2), topics))
    profiles, vectors = profiled(drawn(50, 3), topics)
    scores = np.diag(student.score(profiles, vectors))
    assert np.corrcoef(scores, logits[1])[0, 1] > 0.95


def test_profiles_are_shrunk_means(topics: Topics) -> None:
    profiles, vectors = profiled([Prompt("river", ("river", "river"), ()), Prompt("engine")], topics)
    np.testing.assert_allclose(profiles.liked[0], 2 / 4 * vectors[0])
    assert not profiles.liked[1].any()
    assert not profiles.disliked.any()
    assert profiled([], topics)[1].shape == (0, 6)


def test_without_pairs_nothing_is_learnt() -> None:
    nobody = Profiles(np.zeros(0), np.zeros((0, 2)), np.zeros((0, 2)))
    student = Student.distil(np.zeros(0), nobody, np.zeros((0, 2)))
    assert not student.state()["weights"].any()


def test_what_is_restored_is_the_same() -> None:
    student = Student(0.1, 0.2, 0.3, -0.4, np.array([1.0, 2.0]))
    again = Student.restore(student.state())
    np.testing.assert_array_equal(again.item, student.item)
    assert (again.bias, again.base, again.liked, again.disliked) == (0.1, 0.2, 0.3, -0.4)
