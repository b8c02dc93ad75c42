from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from polyscene.core.errors import ModelError
from polyscene.core.types import FloatArray
from polyscene.language.ranking.examples import Prompt, base_logits
from polyscene.language.ranking.gp_posterior import GpPosterior, Observations, PromptBatch
from polyscene.language.ranking.kernel import Kernel, KernelInputs
from polyscene.language.ranking.ranker import FILES, TRUST_LEVELS, TextRanker
from polyscene.metrics.probability import auc

Topics = Callable[[Sequence[str]], FloatArray]
Drawn = Callable[..., list[Prompt]]


def labels(prompts: Sequence[Prompt]) -> np.ndarray:
    return np.array([prompt.label for prompt in prompts], float)


def test_few_examples_teach_what_all_people_like(topics: Topics, drawn: Drawn) -> None:
    test = [Prompt(p.candidate, label=p.label) for p in drawn(80, 1)]  # without any history
    ranker = TextRanker(topics)
    assert auc(labels(test), ranker.score(test)) == pytest.approx(0.5, abs=0.1)
    assert auc(labels(test), ranker.fit(drawn(16, 2)).score(test)) > 0.85
    assert ranker.trust[1.0] > ranker.trust[0.0]


def test_the_prompts_own_history_teaches_without_any_label(topics: Topics) -> None:
    contrary = Prompt("an engine 1", ("engine 2", "engine 3", "engine 4"), ("river 1", "river 2", "river 3"))
    other = replace(contrary, candidate="a river 4")
    probability, text = (
        getattr(TextRanker(topics).score_parts([contrary, other]), part) for part in ("probability", "text")
    )
    assert probability[0] > probability[1]
    assert text[0] > 0 > text[1]


def test_without_texts_that_say_anything_the_ranker_is_the_base_rate(drawn: Drawn) -> None:
    def silent(texts: Sequence[str]) -> FloatArray:
        return np.zeros((len(texts), 4), np.float32)

    prompts = drawn(40, 3)
    ranker = TextRanker(silent)
    parts = ranker.score_parts(prompts)
    np.testing.assert_allclose(parts.text, 0.0, atol=1e-9)
    order = np.argsort(base_logits(prompts), kind="stable")
    assert np.all(np.diff(parts.base_rate[order]) > -1e-9)


def test_texts_that_explain_nothing_are_not_trusted(topics: Topics, drawn: Drawn) -> None:
    ranker = TextRanker(topics).fit(drawn(60, 4, hit=0.5))
    assert ranker.trust[1.0] < 0.5 < ranker.trust[0.0] + ranker.trust[0.25]
    assert TextRanker(topics).fit(drawn(60, 4)).trust[1.0] > 0.9
    assert sum(ranker.trust.values()) == pytest.approx(1.0)


def test_prompts_do_not_see_each_other(topics: Topics, drawn: Drawn) -> None:
    ranker, prompts = TextRanker(topics).fit(drawn(12, 5)), drawn(150, 6)
    together = ranker.score(prompts)
    alone = np.concatenate([ranker.score([prompt]) for prompt in prompts[::15]])
    np.testing.assert_allclose(together[::15], alone, atol=1e-7)
    hidden = [replace(prompt, label=None) for prompt in prompts]
    np.testing.assert_array_equal(ranker.score(hidden), together)


def test_the_two_steps_are_the_joint_posterior_where_all_is_linear(topics: Topics, drawn: Drawn) -> None:
    """With tiny variances Laplace is linear: learning examples, then a history, is learning both at once."""
    prior = Kernel(**{name: 1e-4 * value for name, value in Kernel(mean=0.0).to_json().items()})
    examples, (prompt,) = drawn(10, 7), drawn(1, 8)
    observations = Observations.of(examples)
    texts = list(dict.fromkeys([*observations.text, *(text for text, _ in prompt.history), prompt.candidate]))
    zeros = np.zeros(len(texts))
    inputs = KernelInputs(topics(texts).astype(float), zeros, zeros, np.arange(len(texts)), zeros)
    place = {text: row for row, text in enumerate(texts)}
    known = inputs.take(np.array([place[text] for text in observations.text]))
    predictions = GpPosterior.fit(prior, known, observations).predict(inputs, PromptBatch.of([prompt], place))
    own = Observations(
        np.full(len(prompt.history), 99), tuple(t for t, _ in prompt.history), labels_of(prompt)
    )
    rows = np.array([place[text] for text in (*observations.text, *own.text)])
    person = np.concatenate([observations.person, own.person])
    joint = GpPosterior.fit(
        prior,
        inputs.take(rows),
        Observations(person, observations.text + own.text, np.r_[observations.label, own.label]),
    )
    candidate = inputs.take(np.array([place[prompt.candidate]]))
    cross = prior.shared(candidate, joint.inputs) + (person == 99) * prior.personal(candidate, joint.inputs)
    expected = (cross @ joint.posterior.gradient[0])[0]
    assert predictions.mean[0] == pytest.approx(expected, rel=1e-3)


def labels_of(prompt: Prompt) -> np.ndarray:
    return np.array([liked for _, liked in prompt.history], float)


def test_text_and_habit_add_up(topics: Topics, drawn: Drawn) -> None:
    """With a prior that knows no habit and no level, all that is predicted comes from the texts."""
    ranker = TextRanker(topics, Kernel(mean=0.0, level=0.0, habit=0.0)).fit(drawn(20, 9))
    prompts = drawn(10, 10)
    posterior = ranker.posteriors[TRUST_LEVELS.index(1.0)]
    for _, inputs, batch in ranker._blocks(prompts):
        predictions = posterior.predict(inputs, batch)
        np.testing.assert_allclose(predictions.text, predictions.mean, atol=1e-9)


def test_an_answer_of_one_person_counts_once(topics: Topics) -> None:
    prompt = Prompt("river 9", ("river 1", "river 2"), ("engine 1",), True)
    once, twice = Observations.of([prompt]), Observations.of([prompt, replace(prompt, candidate="river 1")])
    assert len(once.label) == len(twice.label) == 4
    assert once.people_per_text() == dict.fromkeys(("river 1", "river 2", "engine 1", "river 9"), 1)


def test_prompts_without_history_or_form_are_scored(topics: Topics, drawn: Drawn) -> None:
    ranker = TextRanker(topics).fit(drawn(30, 11))
    free = [Prompt("somebody asks about a river"), Prompt("somebody asks about an engine"), Prompt("")]
    scores = ranker.score(free)
    assert scores[0] > scores[1]
    assert np.isfinite(scores).all()
    assert len(ranker.score([])) == 0
    np.testing.assert_array_equal(ranker.zero_shot().score(free[:2]), ranker.score(free[1::-1])[::-1])


def test_long_histories_are_cut_to_the_latest(topics: Topics) -> None:
    long = Prompt("river 1", tuple(f"river {n}" for n in range(500)))
    short = replace(long, liked=long.liked[-50:])
    ranker = TextRanker(topics)
    np.testing.assert_allclose(ranker.score([long]), ranker.score([short]))


def test_what_is_saved_and_loaded_scores_the_same(topics: Topics, drawn: Drawn, tmp_path: Path) -> None:
    ranker, prompts = TextRanker(topics, Kernel(habit=2.0)).fit(drawn(10, 12)), drawn(10, 13)
    ranker.save(tmp_path / "ranker")
    again = TextRanker.load(tmp_path / "ranker", topics)
    np.testing.assert_array_equal(again.score(prompts), ranker.score(prompts))
    np.testing.assert_array_equal(again.contribution(prompts), ranker.contribution(prompts))
    assert again.prior == ranker.prior


def test_damaged_files_are_named(topics: Topics, drawn: Drawn, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="expected a text ranker"):
        TextRanker.load(tmp_path, topics)
    TextRanker(topics).fit(drawn(3, 14)).save(tmp_path)
    values = json.loads((tmp_path / FILES[0]).read_text(encoding="utf-8"))
    (tmp_path / FILES[0]).write_text(json.dumps(values | {"texts": ["one"]}), encoding="utf-8")
    with pytest.raises(ModelError, match="fit and save it again"):
        TextRanker.load(tmp_path, topics)
    (tmp_path / FILES[1]).write_bytes(b"no tensors")
    with pytest.raises(ModelError, match="expected a text ranker"):
        TextRanker.load(tmp_path, topics)
