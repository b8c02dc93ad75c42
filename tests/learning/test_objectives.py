"""Every objective's loss against what a few lines of numpy say of the same vectors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from polyscene.core.settings.language import LanguageSettings
from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.core.settings.tuning import OBJECTIVES, OptimiserSettings, TuningDetails
from polyscene.core.types import FloatArray
from polyscene.data.queries import Choices, Histories, Queries, Timeline
from polyscene.data.schema import EventLog
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.model.loading import load_model
from polyscene.language.tuning.cached_encoder import CachedEncoder
from polyscene.language.tuning.methods import dressed, frozen_layers
from polyscene.learning.objectives.co_engagement import CoEngagement
from polyscene.learning.objectives.feedback import Feedback
from polyscene.learning.objectives.learner import TextLearner, objectives_of
from polyscene.learning.objectives.order import Order
from polyscene.learning.objectives.pretraining import Pretraining
from polyscene.learning.tuning_data import TuningData
from polyscene.training.stepping import Stepper

TEXTS = ("red shoe", "blue shoe", "a novel", "a very long novel of the sea", "", "tea pot", "tea", "coffee")
ACTIONS = ("view", "buy", "rate")
EVENTS = [  # user, item, time, action, value
    (0, 0, 1, 0, math.nan),
    (0, 1, 2, 1, math.nan),
    (0, 3, 2, 0, math.nan),
    (0, 2, 3, 2, 4.0),
    (1, 2, 1, 1, math.nan),
    (1, 3, 4, 0, math.nan),
    (1, 7, 5, 2, 1.0),
    (2, 5, 1, 0, math.nan),
    (2, 6, 2, 1, math.nan),
    (2, 7, 3, 0, math.nan),
    (2, 4, 4, 0, math.nan),
    (2, 0, 5, 2, 5.0),
]
DECAY = 0.8


def log_of(weight: dict[int, float] | None = None) -> EventLog:
    user, item, time, action, value = (np.array(column) for column in zip(*EVENTS, strict=True))
    n = len(EVENTS)
    weights = np.ones(n, np.float32)
    for row, much in (weight or {}).items():
        weights[row] = much
    log = EventLog(
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        action=action.astype(np.int8),
        value=value.astype(np.float32),
        weight=weights,
        time=time.astype(np.int64),
        part=np.zeros(n, np.int8),
        choice=np.ones(n, bool),
        actions=ACTIONS,
    )
    return log.take(np.argsort(time, kind="stable"))


def tuning_data(log: EventLog, length: int = 3) -> TuningData:
    history = Timeline(log, 4).before(log.user, log.time, length)
    return TuningData(Choices(Queries(log.user, log.time, history), log.item), log, 4, 0.8, None)


def details(**changes: object) -> TuningDetails:
    return TuningDetails.model_validate({"dropout": 0.0, "history": 3, "batch": 8, "layers": 2} | changes)


def scenario(*objectives: dict[str, object]) -> ScenarioSettings:
    return ScenarioSettings.model_validate(
        {
            "items": {"path": "i", "id": "i"},
            "events": {"path": "e", "user": "u", "item": "i"},
            "objectives": list(objectives),
        }
    )


@pytest.fixture(scope="module")
def model(small_encoder: Path) -> LanguageModel:
    language_model = load_model(LanguageSettings(model=str(small_encoder), precision="float32", device="cpu"))
    for part in language_model.module.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    return language_model


def read(model: LanguageModel, **changes: object) -> CachedEncoder:
    settings = details(**changes)
    worn = dressed(model, "top", settings)
    return CachedEncoder(worn, TEXTS, frozen_layers(worn, "top", settings))


@pytest.fixture
def reader(model: LanguageModel) -> CachedEncoder:
    return read(model)


def unit(rows: FloatArray) -> FloatArray:
    vectors: FloatArray = rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)
    return vectors


def profile(past: list[int], vectors: FloatArray) -> FloatArray:
    """Return (d,) the unit decayed sum of what somebody did, oldest first."""
    weights = DECAY ** np.arange(len(past))[::-1]
    return unit((vectors[past] * weights[:, None]).sum(axis=0))


def pasts(histories: Histories) -> list[list[int]]:
    ends = histories.offsets
    return [histories.items[a:b].tolist() for a, b in pairwise(ends)]


def one_batch(learner: TextLearner, seed: int = 0) -> Any:
    return next(iter(learner.batches(np.random.default_rng(seed))))


def test_co_engagement_is_the_corrected_contrast_of_the_batch(reader: CachedEncoder) -> None:
    log = log_of()
    learner = CoEngagement(reader, tuning_data(log), details(temperature=0.2))
    batch = one_batch(learner)
    assert isinstance(batch, Choices)
    vectors = reader.all()
    counts = np.bincount(log.item, minlength=len(TEXTS)) + 1.0
    log_q = np.log(counts / counts.sum())
    chosen = {user: set(log.item[log.user == user].tolist()) for user in range(4)}
    histories = pasts(batch.queries.history)
    there = sorted({item for past in histories for item in past} | set(batch.target.tolist()))
    losses = []
    for user, past, target in zip(batch.queries.user, histories, batch.target, strict=True):
        kept = [item for item in there if item == target or item not in chosen[int(user)]]
        anchor = profile(past, vectors)
        logits = np.array([unit(vectors[item]) @ anchor / 0.2 - log_q[item] for item in kept])
        losses.append(np.log(np.exp(logits).sum()) - logits[kept.index(int(target))])
    assert len(losses) == 8
    assert float(learner.loss(batch).detach()) == pytest.approx(np.mean(losses), abs=2e-3)


def test_only_choices_with_a_past_are_learned_from(reader: CachedEncoder) -> None:
    learner = CoEngagement(reader, tuning_data(log_of()), details())
    assert len(learner) == len(EVENTS) - 3  # everybody's first
    batch = one_batch(learner)
    assert isinstance(batch, Choices)
    assert batch.queries.history.lengths.min() > 0


def test_popularity_counts_what_may_be_learned_from(reader: CachedEncoder) -> None:
    """With every item alike popular, the correction is the same for all and cancels."""
    learner = CoEngagement(reader, tuning_data(log_of()), details())
    batch = one_batch(learner)
    corrected = float(learner.loss(batch).detach())
    learner._log_popularity = torch.full((len(TEXTS),), -2.0)
    level = float(learner.loss(batch).detach())
    learner._log_popularity = torch.zeros(len(TEXTS))
    assert level == pytest.approx(float(learner.loss(batch).detach()), abs=1e-5)
    assert corrected != pytest.approx(level, abs=1e-3)


@pytest.mark.parametrize("share", [0.5, 0.99])
def test_resampled_histories_keep_the_last_event(reader: CachedEncoder, share: float) -> None:
    learner = CoEngagement(reader, tuning_data(log_of()), details(history_dropout=share))
    whole = tuning_data(log_of()).choices.queries.history
    lost = 0
    for seed in range(20):
        sample = learner._resampled(whole, np.random.default_rng(seed))
        for before, after in zip(pasts(whole), pasts(sample), strict=True):
            assert after[-1:] == before[-1:]
            assert [item for item in before if item in after] == after  # in order
            lost += len(before) - len(after)
    older = 20 * sum(max(len(past) - 1, 0) for past in pasts(whole))
    assert lost / older == pytest.approx(share, abs=0.12)


def test_nothing_is_resampled_unless_it_is_asked_for(reader: CachedEncoder) -> None:
    whole = tuning_data(log_of()).choices.queries.history
    learner = CoEngagement(reader, tuning_data(log_of()), details())
    assert learner._resampled(whole, np.random.default_rng(0)) is whole


def learners_of(
    reader: CachedEncoder, shares: dict[str, float], log: EventLog, *objectives: dict[str, object]
) -> dict[str, tuple[float, TextLearner]]:
    settings = details(objectives={"co_engagement": 0.0} | shares)
    learners: Iterator[tuple[str, float, TextLearner]] = objectives_of(
        reader, tuning_data(log), scenario(*objectives), settings
    )
    return {name: (share, learner) for name, share, learner in learners}


def test_a_click_is_told_from_profile_and_text(reader: CachedEncoder) -> None:
    learners = learners_of(reader, {"feedback": 0.5}, log_of(), {"action": "buy", "weight": 2.0})
    ((name, (share, learner)),) = learners.items()
    assert name == "buy by bce"
    assert share == 1.0
    assert isinstance(learner, Feedback)
    assert len(learner) == 9
    rows = np.arange(9)
    vectors = reader.all()
    losses = []
    for past, target, label in zip(
        pasts(learner._cases.queries.history), learner._cases.target, learner._labels, strict=True
    ):
        logit = profile(past, vectors) @ vectors[target] / 0.07
        losses.append(np.log1p(np.exp(-logit if label else logit)))
    assert learner._labels.sum() == 2  # the third purchase was its user's first event
    assert float(learner.loss(rows).detach()) == pytest.approx(np.mean(losses), rel=2e-2)


def test_a_value_is_standardised_and_its_error_squared(reader: CachedEncoder) -> None:
    learners = learners_of(reader, {"feedback": 1.0}, log_of(), {"action": "rate", "loss": "mse"})
    ((_, learner),) = learners.values()
    assert isinstance(learner, Feedback)
    values = np.array([4.0, 1.0, 5.0])
    wanted = (values - values.mean()) / values.std()
    by_item = dict(zip(learner._cases.target.tolist(), learner._labels.tolist(), strict=True))
    assert by_item == pytest.approx({2: wanted[0], 7: wanted[1], 0: wanted[2]})
    vectors = reader.all()
    scores = [
        profile(past, vectors) @ vectors[target]
        for past, target in zip(pasts(learner._cases.queries.history), learner._cases.target, strict=True)
    ]
    labels = learner._labels.numpy()
    assert float(learner.loss(np.arange(3)).detach()) == pytest.approx(
        np.mean((np.array(scores) - labels) ** 2), abs=5e-3
    )


def test_the_last_layer_of_feedback_learns_with_the_text(reader: CachedEncoder) -> None:
    ((_, learner),) = learners_of(reader, {"feedback": 1.0}, log_of(), {"action": "buy"}).values()
    names = [name for name, _ in learner.named_parameters()]
    assert names[-2:] == ["head.weight", "head.bias"]
    assert dict(learner.named_parameters())["head.weight"].item() == pytest.approx(1 / 0.07)


def test_one_action_may_have_two_losses(reader: CachedEncoder) -> None:
    learners = learners_of(
        reader,
        {"feedback": 1.0, "order": 1.0},
        log_of({1: 0.0}),
        {"action": "rate", "loss": "mse"},
        {"action": "rate", "loss": "bce", "weight": 3.0},
        {"action": "view"},
    )
    assert {name: share for name, (share, _) in learners.items()} == {
        "rate by mse": 1.0,
        "rate by bce": 3.0,
        "view by bce": 1.0,
        "order": 1.0,
    }


@pytest.mark.parametrize("action", ["unheard", "view"])
def test_what_never_or_always_happens_teaches_nothing(reader: CachedEncoder, action: str) -> None:
    log = log_of()
    log = replace(log, action=np.zeros_like(log.action))
    assert not learners_of(reader, {"feedback": 1.0}, log, {"action": action})
    silent = replace(log, value=np.full_like(log.value, np.nan))
    assert not learners_of(reader, {"feedback": 1.0}, silent, {"action": action, "loss": "mse"})


def test_the_chosen_stands_above_what_was_shown_beside_it(reader: CachedEncoder) -> None:
    """At one moment user 0 bought item 1 and passed item 3 by."""
    learners = learners_of(reader, {"order": 2.0}, log_of({2: 0.0}))
    ((name, (share, learner)),) = learners.items()
    assert (name, share) == ("order", 2.0)
    assert isinstance(learner, Order)
    assert len(learner) == 1
    assert sorted(learner._items[0][:2].tolist()) == [1, 3]
    assert set(learner._items[0][2:].tolist()) == {-1}
    vectors = reader.all()
    anchor = profile([0], vectors)
    scores = np.array([anchor @ vectors[1], anchor @ vectors[3]]) / 0.07
    wanted = np.log(np.exp(scores).sum()) - scores[0]
    assert float(learner.loss(np.array([0])).detach()) == pytest.approx(wanted, abs=2e-2)


def test_slates_need_a_past_a_choice_and_something_passed_by(reader: CachedEncoder) -> None:
    assert not learners_of(reader, {"order": 1.0}, log_of())  # everything shown was chosen
    assert not learners_of(reader, {"order": 1.0}, log_of({1: 0.0, 2: 0.0}))  # nothing was
    assert not learners_of(reader, {"order": 1.0}, log_of({0: 0.0, 2: 0.0}))  # of no one known


def test_pretraining_takes_texts_with_something_to_find(reader: CachedEncoder) -> None:
    ((_, learner),) = learners_of(reader, {"pretraining": 1.0}, log_of()).values()
    assert isinstance(learner, Pretraining)
    assert len(learner) == len([text for text in TEXTS if text])
    batch = one_batch(learner)
    loss = learner.loss(batch)
    assert torch.equal(loss.detach(), learner.loss(batch).detach())
    assert float(loss.detach()) == pytest.approx(math.log(300), rel=0.2)  # it knows nothing yet


def test_pretraining_needs_weights_of_the_model(reader: CachedEncoder) -> None:
    reader.resting = True
    assert not learners_of(reader, {"pretraining": 1.0}, log_of())


@pytest.mark.parametrize("kind", ["co_engagement", "feedback", "order", "pretraining"])
@pytest.mark.parametrize("layers", [1, 2])
def test_every_objective_can_be_perturbed(model: LanguageModel, kind: str, layers: int) -> None:
    reader = read(model, layers=layers)
    ((_, learner),) = learners_of(reader, {kind: 1.0}, log_of({2: 0.0}), {"action": "buy"}).values()
    batch = one_batch(learner)

    def gradients(epsilon: float) -> dict[str, Tensor]:
        stepper = Stepper({"a": learner}, OptimiserSettings(perturbation=epsilon))
        stepper.gather("a", learner, batch, 1.0)
        return {name: p.grad.clone() for name, p in learner.named_parameters() if p.grad is not None}

    plain, pushed = gradients(0.0), gradients(0.3)
    assert plain.keys() == pushed.keys()
    twice = max(float((pushed[name] - 2 * plain[name]).abs().max()) for name in plain)
    assert twice > 1e-6  # the second pass stood elsewhere


def test_a_plug_ins_objective_is_weighed_by_its_name(
    reader: CachedEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Same(Order):
        """The same as another under a name of its own."""

    with pytest.raises(ValidationError, match="not same"):
        details(objectives={"same": 0.5})
    monkeypatch.setattr(OBJECTIVES, "_added", {"same": Same})
    learners = learners_of(reader, {"same": 0.5}, log_of({2: 0.0}))
    ((share, learner),) = learners.values()
    assert share == 0.5
    assert isinstance(learner, Same)
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        details(objectives={"same": -0.5})


def test_the_sum_of_objectives_is_the_sum_over_learners(reader: CachedEncoder) -> None:
    shares = {"co_engagement": 0.7, "feedback": 0.2, "pretraining": 0.1}
    learners = learners_of(reader, shares, log_of(), {"action": "buy", "weight": 2.0})
    assert {name: share for name, (share, _) in learners.items()} == {
        "co_engagement": 0.7,
        "buy by bce": 0.4,
        "pretraining": 0.1,
    }
    batches = {name: one_batch(learner) for name, (_, learner) in learners.items()}
    joint = sum(share * learner.loss(batches[name]) for name, (share, learner) in learners.items())
    assert isinstance(joint, Tensor)
    joint.backward()  # type: ignore[no-untyped-call]
    named = dict(reader.named_parameters())
    wanted = {name: p.grad.clone() for name, p in named.items() if p.grad is not None}
    stepper = Stepper({name: learner for name, (_, learner) in learners.items()}, OptimiserSettings())
    for name, (share, learner) in learners.items():
        stepper.gather(name, learner, batches[name], share)
    assert len(wanted) > 10
    for name, gradient in wanted.items():
        found_grad = named[name].grad
        assert found_grad is not None
        torch.testing.assert_close(found_grad, gradient, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize(
    ("cases", "most", "wanted"), [(40, 256, 32), (2000, 256, 100), (10_000, 256, 256), (10_000, 16, 16)]
)
def test_batches_are_small_where_there_is_little(
    reader: CachedEncoder, monkeypatch: pytest.MonkeyPatch, cases: int, most: int, wanted: int
) -> None:
    learner = CoEngagement(reader, tuning_data(log_of()), details(batch=most, projection_batch=512))
    monkeypatch.setattr(CoEngagement, "__len__", lambda self: cases)
    assert learner.batch_size == wanted
    rows = list(learner._rows(cases, np.random.default_rng(0)))
    assert all(2 * len(some) >= learner.batch_size for some in rows)
    flat = np.concatenate(rows)
    assert len(flat) == len(set(flat.tolist())) > cases - wanted
    reader.resting = True
    assert learner.batch_size == min(512, max(32, cases // 20))


def test_validation_is_minus_the_judges_word(reader: CachedEncoder) -> None:
    heard: list[FloatArray] = []

    def judge(vectors: FloatArray) -> float:
        heard.append(vectors)
        return 0.25

    data = tuning_data(log_of())
    assert math.isnan(CoEngagement(reader, data, details()).validate())
    assert CoEngagement(reader, replace(data, judge=judge), details()).validate() == -0.25
    np.testing.assert_array_equal(heard[0], reader.all())


@pytest.mark.parametrize("method", ["top", "adalora"])
def test_weights_go_out_and_in(model: LanguageModel, method: str) -> None:
    settings = details(rank=2)
    worn = dressed(model, method, settings, 8)
    reader = CachedEncoder(worn, TEXTS, frozen_layers(worn, method, settings))
    learner = CoEngagement(reader, tuning_data(log_of()), settings)
    stepper = Stepper({"a": learner}, OptimiserSettings(learning_rate=0.05))

    def step(seed: int) -> float:
        value = stepper.gather("a", learner, one_batch(learner, seed), 1.0)
        stepper.step()
        return value

    for seed in range(3):
        step(seed)
    before = reader.all()
    kept = learner.weights()
    for seed in range(3):
        step(seed)
    assert np.abs(reader.all() - before).max() > 1e-3
    learner.load(kept)
    np.testing.assert_array_equal(reader.all(), before)
    again = learner.weights()
    assert all(torch.equal(tensor, kept[name]) for name, tensor in again.items())
    assert any("rank_budget" in name for name in kept) == (method == "adalora")
