"""A policy of scores learned from the log of a service on some users, to be judged on the others.

Each place of a slate is one decision among what was left: its features are those of `policies.learned`, its
reward that of the place, its reward model the mean by rank among the scores. That a place also changes what
is left for those after it is not seen while learning; the judgement on the other users sees it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from polyscene.core.errors import ArgumentError
from polyscene.core.seeds import generator
from polyscene.evaluation.offpolicy.comparison import MAX_TABLE
from polyscene.evaluation.offpolicy.learning import LearningSettings, Open, fitted
from polyscene.evaluation.offpolicy.log import LoggedDecisions, Values
from polyscene.evaluation.offpolicy.shown import Joined, ShownSlate
from polyscene.policies.learned import Learned, LearnedSettings, score_features

FEATURES = 3
LEARNED_SHARE = 0.5
"""Of the users, who teach; the others judge."""


def parted(joined: Joined, seed: int) -> tuple[Joined, Joined]:
    """Return the decisions of the users who teach a policy, and of those who judge it.

    Raises:
        ArgumentError: there are too few users.
    """
    users = sorted({one.user for one in joined.slates})
    if len(users) < 20:
        raise ArgumentError(
            f"expected decisions for at least 20 users to learn a policy and to judge it, found "
            f"{len(users)}; let the service decide for more of them"
        )
    drawn = generator(seed, "users who teach").permutation(users)
    teachers = set(drawn[: round(LEARNED_SHARE * len(users))].tolist())
    rows = [one.user in teachers for one in joined.slates]
    return _kept(joined, rows), _kept(joined, [not teaches for teaches in rows])


def learned_policy(joined: Joined, settings: LearningSettings | None = None) -> Learned:
    """Return the policy that decisions with their rewards teach.

    Args:
        joined: of some users.
        settings: None: the defaults.

    Raises:
        ArgumentError: there are fewer than 10 users, or no decision without limits.
    """
    chosen = settings or LearningSettings()
    log, features, open_ = _places(joined, chosen.seed)
    weights = fitted(log, features, open_, chosen)
    score, rank, first = (round(float(one), 4) for one in weights)
    return Learned(LearnedSettings(score=score, rank=rank, first=first))


def _kept(joined: Joined, rows: Sequence[bool]) -> Joined:
    slates = tuple(one for one, wanted in zip(joined.slates, rows, strict=True) if wanted)
    rewards = tuple(one for one, wanted in zip(joined.rewards, rows, strict=True) if wanted)
    return replace(joined, slates=slates, rewards=rewards)


def _places(joined: Joined, seed: int) -> tuple[LoggedDecisions, Values, Open]:
    """Return every place as a decision of its own, (m, A, 3) its features, and (m, A) what was left.

    Actions are ranks by score among what was left. Slates with limits are passed over: what could stand at
    their places was not chosen by score alone.
    """
    pairs = [
        (one, earned) for one, earned in zip(joined.slates, joined.rewards, strict=True) if not one.limits
    ]
    if not pairs:
        raise ArgumentError("expected decisions without rules' limits to learn from, found none")
    width = max(int((one.scores > -np.inf).sum()) for one, _ in pairs)
    most = max(MAX_TABLE // (width * FEATURES * len(pairs[0][0].items)), 10)
    if len(pairs) > most:
        drawn = np.sort(generator(seed, "decisions").choice(len(pairs), most, replace=False))
        pairs = [pairs[row] for row in drawn.tolist()]
    m = sum(len(one.items) for one, _ in pairs)
    features, open_ = np.zeros((m, width, FEATURES)), np.zeros((m, width), np.bool_)
    actions, row = np.zeros(m, np.int64), 0
    for one, _ in pairs:
        for rank, ranked in _left(one):
            features[row, : len(ranked)], open_[row, : len(ranked)], actions[row] = ranked, True, rank
            row += 1
    log = LoggedDecisions.single(
        actions,
        np.concatenate([one.propensities for one, _ in pairs]),
        np.concatenate([earned for _, earned in pairs]),
        width,
        positions=np.concatenate([np.arange(len(one.items)) for one, _ in pairs]),
        clusters=np.repeat([one.user for one, _ in pairs], [len(one.items) for one, _ in pairs]),
    )
    return log, features, open_


def _left(one: ShownSlate) -> list[tuple[int, Values]]:
    """Return, by place, the rank of what stood there among what was left, and (A, 3) features by rank."""
    scores, rows = one.scores.copy(), []
    for place in one.places.tolist():
        left = np.flatnonzero(scores > -np.inf)
        order = left[np.argsort(-scores[left], kind="stable")]
        rows.append((int(np.flatnonzero(order == place)[0]), score_features(scores[order])))
        scores[place] = -np.inf
    return rows
