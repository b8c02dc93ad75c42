"""Deviations of signals become deviations of fused scores, and reach the policy, the log and its replay."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from polyscene.core.errors import DataError
from polyscene.core.settings.policies import PolicyChoice
from polyscene.core.types import FloatArray
from polyscene.engine.decision import Decision, Request
from polyscene.engine.pipeline import decide
from polyscene.engine.state import System
from polyscene.policies.registry import policy_of
from polyscene.recommenders.abilities import Uncertain
from polyscene.serving.decisions import record_of
from polyscene.serving.replay import redrawn

THOMPSON = policy_of(PolicyChoice(name="thompson"))
REQUEST = Request("u3", "shop", 4, policy=THOMPSON, seed=11, moment=datetime(2026, 1, 1, tzinfo=UTC))


def _uncertain(monkeypatch: pytest.MonkeyPatch, system: System, name: str, deviation: float) -> None:
    signal = system.scenarios["shop"].fusion.present()[name]

    def known(self: object, queries: object, candidates: np.ndarray) -> FloatArray:
        return np.full(candidates.shape, deviation, np.float32)

    for ability in ("deviation", "draw"):
        monkeypatch.setattr(type(signal), ability, known, raising=False)
    assert isinstance(signal, Uncertain)


def _logged(decision: Decision) -> None:
    record = record_of(decision, REQUEST, "run", "id")
    record = replace(record, details=json.loads(json.dumps(record.details)))
    places, propensities = redrawn(record)
    assert places.tolist() == decision.places.tolist()
    assert propensities.tobytes() == decision.propensities.tobytes()


def test_without_a_signal_that_knows_the_policy_refuses_and_a_setting_helps(system: System) -> None:
    with pytest.raises(DataError, match="no signal that knows how uncertain it is"):
        decide(system, REQUEST)
    policy = policy_of(PolicyChoice(name="thompson", deviation=2.0))
    decision = decide(system, replace(REQUEST, policy=policy))
    assert decision.deviations is None
    assert (decision.propensities < 1).any()
    _logged(decision)


def test_a_signals_deviation_goes_through_the_fusion(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    _uncertain(monkeypatch, system, "popularity", 0.5)
    decision = decide(system, REQUEST)
    fusion, block = system.scenarios["shop"].fusion, decision.features
    place = fusion.names.index("popularity")
    moved = block.signals.copy()
    moved[0, place] += 0.5 / fusion.features.scales[place]
    expected = abs(fusion.combined(replace(block, signals=moved)) - fusion.combined(block))[0]
    assert decision.deviations is not None
    np.testing.assert_allclose(decision.deviations, expected, rtol=1e-5)
    assert expected.max() > 0
    np.testing.assert_array_equal(
        decision.propensities,
        THOMPSON.knowing(decision.deviations).probability(decision.scores, decision.places),
    )
    _logged(decision)


def test_what_nobody_asks_for_is_not_computed(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    _uncertain(monkeypatch, system, "popularity", 0.5)
    assert decide(system, replace(REQUEST, policy=None)).deviations is None
    assert decide(system, replace(REQUEST, explore=False)).deviations is None


def test_a_policy_in_the_shadow_is_logged_and_shows_nothing(system: System) -> None:
    plain = replace(REQUEST, policy=None)
    before = decide(system, plain)
    assert "shadow" not in record_of(before, plain, "run", "id").details
    state = system.scenarios["shop"]
    state.shadow = policy_of(PolicyChoice(name="plackett_luce", temperature=3.0))
    decision = decide(system, plain)
    assert decision.places.tolist() == before.places.tolist()
    shadow = record_of(decision, plain, "run", "id").details["shadow"]
    assert shadow["policy"] == {"name": "plackett_luce", "temperature": 3.0}
    expected = state.shadow.probability(decision.scores, decision.places)
    np.testing.assert_allclose(shadow["of_shown"], expected)
    assert len(shadow["places"]) == 4
    assert decide(system, replace(plain, explore=False)).shadowed is None
    unseeded = replace(plain, seed=None)
    seeds = {decide(system, unseeded).seed for _ in range(4)}
    assert len(seeds) == 4, "the shadow draws anew for each request"
    state.shadow = policy_of(PolicyChoice(name="greedy"))
    assert decide(system, unseeded).seed == 0
