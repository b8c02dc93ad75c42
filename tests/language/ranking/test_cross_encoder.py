from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from polyscene.core.errors import ModelError
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.ranking.calibration import CalibratedRanker
from polyscene.language.ranking.cross_encoder import CrossEncoder
from polyscene.language.ranking.cross_encoder_tuning import CrossEncoderTuning, rate_share
from polyscene.language.ranking.examples import Prompt, base_logits


def shoes_against_phones(count: int) -> list[Prompt]:
    """Who likes shoes wants shoes, who likes phones wants phones: only the pair tells."""
    prompts = []
    for n in range(count):
        liked, shown = ("red shoes", "phone case")[n % 2], ("blue shoes", "soft phone")[n // 2 % 2]
        prompts.append(Prompt(shown, (liked,), (), label=(n % 2) == (n // 2 % 2)))
    return prompts


def labels(prompts: list[Prompt]) -> np.ndarray:
    return np.array([prompt.label for prompt in prompts], float)


def test_nothing_learnt_is_nothing_said(prompted: LanguageModel) -> None:
    reader = CrossEncoder(prompted)
    prompts = shoes_against_phones(4)
    assert not reader(prompts).any()
    assert (reader.probability(prompts) == 0.5).all()
    assert not reader.fit([Prompt("red shoes")])(prompts).any(), "a prompt without a label teaches nothing"


def test_a_frozen_encoder_with_a_head_learns_what_is_plain(prompted: LanguageModel) -> None:
    prompts = [replace(prompt, label="shoes" in prompt.candidate) for prompt in shoes_against_phones(4)]
    fitted = CrossEncoder(prompted).fit(prompts * 200)
    assert ((fitted(prompts) > 0) == (labels(prompts) > 0)).all()
    assert fitted.model is prompted


def test_tuning_changes_a_copy_and_sharpens_the_answers(prompted: LanguageModel) -> None:
    prompts = shoes_against_phones(4)
    before = {name: weight.clone() for name, weight in prompted.module.state_dict().items()}
    frozen = CrossEncoder(prompted).fit(prompts * 4)
    tuning = CrossEncoderTuning(steps=40, rate=3e-3, seed=1)
    full = CrossEncoder(prompted).fit(prompts * 4, tuning)
    for name, weight in prompted.module.state_dict().items():
        torch.testing.assert_close(weight, before[name], rtol=0, atol=0)
    signs = 2 * labels(prompts) - 1
    assert (signs * full(prompts)).min() > (signs * frozen(prompts)).min()
    np.testing.assert_array_equal(CrossEncoder(prompted).fit(prompts * 4, tuning)(prompts), full(prompts))


def test_tuning_leaves_the_random_stream_alone(prompted: LanguageModel) -> None:
    torch.manual_seed(5)
    wanted = torch.rand(1)
    torch.manual_seed(5)
    CrossEncoder(prompted).fit(shoes_against_phones(4), CrossEncoderTuning(steps=2))
    assert torch.rand(1) == wanted


def test_there_must_be_words_to_tune_on(prompted: LanguageModel) -> None:
    with pytest.raises(ModelError, match="none with a word"):
        CrossEncoder(prompted).fit([Prompt("", label=True)], CrossEncoderTuning(steps=1))


def test_the_rate_warms_up_and_decays() -> None:
    shares = [rate_share(step, 100) for step in range(101)]
    assert shares[0] == pytest.approx(0.1)
    assert max(shares) == shares[9] == 1.0
    assert shares[100] == 0.0
    assert all(one > other for one, other in pairwise(shares[10:]))


def test_a_silent_reader_leaves_the_base_rate() -> None:
    prompts = [Prompt("a", ("b",) * n, ("c",) * (5 - n)) for n in range(6)]
    ranker = CalibratedRanker(lambda asked: np.zeros(len(asked)))
    parts = ranker.score_parts(prompts)
    assert not parts.text.any()
    np.testing.assert_allclose(parts.probability, parts.base_rate)
    assert np.all(np.diff(parts.probability) > 0)
    assert len(ranker.score([])) == 0


def test_labels_move_the_trust_in_a_reader() -> None:
    draws = np.random.default_rng(0)
    signal = draws.normal(size=600)
    probability = 1 / (1 + np.exp(-2 * signal))
    prompts = [Prompt(str(n), ("a",), ("b",), bool(draws.random() < probability[n])) for n in range(600)]
    right = CalibratedRanker(lambda asked: signal[[int(p.candidate) for p in asked]])
    wrong = CalibratedRanker(lambda asked: signal[::-1][[int(p.candidate) for p in asked]])
    assert right.fit(prompts).weights.mean[2] == pytest.approx(2.0, abs=0.4)
    assert abs(wrong.fit(prompts).weights.mean[2]) < 0.2
    few = CalibratedRanker(right.reader).fit(prompts[:8])
    assert 0.0 < few.weights.mean[2] < 1.0
    np.testing.assert_allclose(right.contribution(prompts), right.weights.mean[2] * signal)
    assert not base_logits(prompts).any()
