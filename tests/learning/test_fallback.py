"""One signal is used alone where the fusion does not reach it; on few choices of its own, more are asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from tests.learning.planted import lessons, planted

from polyscene.data.queries import Choices, Histories, Queries
from polyscene.evaluation.results import SYSTEM
from polyscene.learning.fallback import (
    TRUSTED,
    Comparison,
    better_signal,
    compared,
    held_out_gains,
    mean_gains,
    used_alone_note,
)
from polyscene.learning.fusion import ENOUGH_HELD_OUT, MIN_CHOICES, FusionData
from polyscene.recommenders.fusion.features import Features
from polyscene.recommenders.fusion.fusion import Fusion
from polyscene.recommenders.fusion.network import FusionNetwork
from polyscene.recommenders.popularity import Popularity
from polyscene.recommenders.signal import Evidence

TAUGHT = lessons(0, 60, 1)


def shown(gains: dict[str, list[float]]) -> Comparison:
    """Return gains on choices of one person each."""
    means = mean_gains(gains)
    signals = {model: means[model] for model in means if model != SYSTEM}
    return Comparison(gains, np.arange(len(gains[SYSTEM]), dtype=np.int32), signals)


def judged_on(own: FusionData, n: int) -> FusionData:
    """Return the same with n of the split's own choices held out, one per person."""
    queries = Queries(np.arange(n, dtype=np.int32), np.zeros(n, np.int64), Histories.of([[]] * n))
    return replace(own, judged=Choices(queries, np.zeros(n, np.int32)))


def of_judged(n: int) -> dict[str, list[float]]:
    """Return gains by which the second signal looks best."""
    return {SYSTEM: [0.5] * n, "right": [0.1] * n, "wrong": [0.9] * n}


def test_many_choices_of_the_splits_own_decide_alone() -> None:
    n = ENOUGH_HELD_OUT
    learned = judged_on(lessons(0, 60, 1), n)
    comparison = compared(learned, FusionNetwork(2, 1, 2), 0, (0.0, 0.0), ["right", "wrong"], of_judged(n))
    assert comparison.best == "wrong"
    assert comparison.gains == of_judged(n)
    np.testing.assert_array_equal(comparison.users, np.arange(n))


def test_where_few_are_held_out_every_choice_tells_which_signal_is_best() -> None:
    """Those held out go against all others, but are fewer."""
    n = ENOUGH_HELD_OUT - 1
    own = lessons(0, 60, 1)
    learned = judged_on(replace(own, held_out=planted(1, 40, 3), earlier=planted(0, 20, 2)), n)
    comparison = compared(learned, FusionNetwork(2, 1, 2), 0, (0.0, 0.0), ["right", "wrong"], of_judged(n))
    assert comparison.best == "right"
    assert len(comparison.users) == len(comparison.gains["right"]) == 40
    assert np.mean(comparison.gains["wrong"]) == 1.0
    counted = 80 * 1.0 + 40 * np.mean(comparison.gains["right"])
    assert comparison.signals["right"] == pytest.approx(counted / 120)


def test_a_lift_counts_for_new_items() -> None:
    """The network says nothing, so only the lift tells the chosen new item from five others."""
    new = planted(0, 40, 1)
    for example in new:
        example.facts[0, 1] = 1.0
    learned = judged_on(replace(lessons(0, 60, 1), held_out=new), 1)
    network = FusionNetwork(2, 1, 2)
    plain, lifted = (
        compared(learned, network, 0, (lift, 0.0), ["right", "wrong"], of_judged(1)).gains[SYSTEM]
        for lift in (0, 9)
    )
    assert min(plain) < 1.0
    assert min(lifted) == 1.0


@pytest.mark.parametrize(
    ("count", "fusion", "expected"),
    [
        (MIN_CHOICES, 0.3, None),
        (MIN_CHOICES, 0.2, None),  # as good as the best signal: the fusion is kept
        (MIN_CHOICES, 0.1, "good"),
        (MIN_CHOICES - 1, 0.3, "good"),
    ],
)
def test_the_best_signal_is_used_alone_where_the_fusion_does_not_reach_it(
    count: int, fusion: float, expected: str | None
) -> None:
    gains = {"polyscene": [fusion] * 4, "bad": [0.05] * 4, "good": [0.2] * 4}
    judged = lessons(0, count, 1)
    assert better_signal(judged, shown(gains)) == expected


@pytest.mark.parametrize(
    ("earlier", "behind", "expected"),
    [
        (TRUSTED - MIN_CHOICES, [-0.3, 0.2, -0.3, 0.2, -0.1], None),
        (TRUSTED - MIN_CHOICES, [-0.3, -0.2, -0.3, -0.2, -0.1], "good"),
        (TRUSTED - MIN_CHOICES - 1, [-0.3, 0.2, -0.3, 0.2, -0.1], "good"),
    ],
)
def test_a_fusion_that_learned_from_many_is_given_up_only_on_evidence(
    earlier: int, behind: list[float], expected: str | None
) -> None:
    gains = {"polyscene": [0.5 + one for one in behind], "bad": [0.0] * 5, "good": [0.5] * 5}
    some = planted(0, 1, 1) * earlier
    judged = replace(lessons(0, MIN_CHOICES, 1), earlier=some)
    assert better_signal(judged, shown(gains)) == expected


@pytest.mark.parametrize(("hide_seen", "rank"), [(False, 3), (True, 2)])
def test_validation_ranks_the_open_catalogue(
    make_evidence: Callable[..., Evidence], asked: Callable[..., Queries], hide_seen: bool, rank: int
) -> None:
    """Item 2 is chosen: 0 and 1 stand before it, and 0 was had before."""
    evidence = make_evidence([(0, 0, 0)], 4, clock="sequence")
    features = Features.of(evidence)
    counted = make_evidence([(0, item, 0) for item in range(4) for _ in range(4 - item)], 4, clock="sequence")
    signals = [Popularity().fit(counted), None]
    features.measure(signals, asked([[0]]))
    fusion = Fusion(
        ["popularity", "linear"], signals, features, FusionNetwork(2, 1, 2).fitted(), 0, hide_seen
    )
    gains = mean_gains(held_out_gains(fusion, Choices(asked([[0], [0]]), np.array([2, 2], np.int32)), 16))
    assert set(gains) == {"polyscene", "popularity"}
    assert gains["popularity"] == pytest.approx(1 / np.log2(1 + rank))


@pytest.mark.parametrize("n", [1, 8, MIN_CHOICES - 1])
def test_a_handful_of_choices_is_said_to_tell_nothing(n: int) -> None:
    gains = {"polyscene": [0.0] * n, "linear": [1.0] * n}
    note = used_alone_note("shop", "linear", TAUGHT, shown(gains))
    assert f"on {n} held-out choices of {n} users it reached NDCG@10 1.0000, the fusion 0.0000" in note
    assert note.endswith(f": {n} choices are too few to tell anything")


def test_without_held_out_choices_nothing_is_told() -> None:
    note = used_alone_note("shop", "popularity", TAUGHT, shown({"polyscene": [], "popularity": []}))
    assert note.endswith("no choice was held out, so nothing can be told; the fusion learned from 60")


def test_many_choices_tell_only_what_their_interval_does() -> None:
    draws = np.random.default_rng(0)
    ahead, noise = draws.uniform(0.2, 1.0, 200), draws.normal(0, 0.3, 200)
    clear = {"polyscene": (ahead - 0.2).tolist(), "linear": ahead.tolist()}
    assert used_alone_note("a", "linear", TAUGHT, shown(clear)).endswith(
        "difference -0.2000 [-0.2000 to -0.2000]"
    )
    open_ = {"polyscene": (ahead + noise).tolist(), "linear": ahead.tolist()}
    note = used_alone_note("a", "linear", TAUGHT, shown(open_))
    assert note.endswith("which of them is better is not told by these choices")
