"""Two policies on the log of a third: what each would have earned, and the difference with its interval."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any, Literal

import numpy as np
from scipy.stats import t as student

from polyscene.core.errors import ArgumentError, PolysceneError
from polyscene.core.types import FloatArray
from polyscene.evaluation.offpolicy.diagnostics import overlap_warnings, weight_warnings
from polyscene.evaluation.offpolicy.estimator import ESTIMATORS, Estimator
from polyscene.evaluation.offpolicy.interval import Contributions, Interval, effective_sample_size
from polyscene.evaluation.offpolicy.log import NO_ACTION, TOLERANCE, Codes, LoggedDecisions, Values
from polyscene.evaluation.offpolicy.shown import Joined, ShownSlate
from polyscene.evaluation.significance import resampled_sums
from polyscene.policies.policy import Policy, Probabilities

OF_PLACES = ("doubly_robust", "snips", "ips")
OF_SLATES = ("cascade_dr", "reward_interaction_ips", "slate_ips")
"""What is asked unless others are named; the first that can answer is the answer."""
MAX_TABLE = 20_000_000
"""Probabilities (decisions, places, candidates) up to which estimators that read all of them are asked."""
MAX_WRONG = 0.01


@dataclass(frozen=True, slots=True)
class Difference:
    """What one policy earns more than the other, from the same decisions.

    Attributes:
        value: of the first minus that of the second, in rewards per decision.
        low, high: bounds; NaN below two clusters.
        level: of the bounds.
    """

    value: float
    low: float
    high: float
    level: float

    @property
    def verdict(self) -> Literal["better", "worse", "undecided"]:
        """What it says of the first policy."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "undecided"


@dataclass(frozen=True)
class PolicyOnLog:
    """How far a log can speak of a policy.

    Attributes:
        untried: share of what the policy does that the policy of the log never does.
        effective_sample_size: Kish's, of the weights of whole slates.
        largest_weight: of one slate.
        warnings: sentences.
    """

    untried: float
    effective_sample_size: float
    largest_weight: float
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Estimate:
    """Both policies by one estimator."""

    estimator: str
    policy: Interval
    against: Interval
    difference: Difference


@dataclass(frozen=True)
class Comparison:
    """What would have happened.

    Attributes:
        decisions, users, places: that were read; places at most.
        earned: rewards per decision that the log itself earned.
        support: by policy, "policy" and "against".
        estimates: by estimator, in the order in which they are to be believed.
        left_out: by estimator, why it was not asked.
        warnings: about the log.
    """

    decisions: int
    users: int
    places: int
    earned: float
    support: Mapping[str, PolicyOnLog]
    estimates: tuple[Estimate, ...]
    left_out: Mapping[str, str]
    warnings: tuple[str, ...]

    @property
    def answer(self) -> Estimate:
        """The estimate to be believed first."""
        return self.estimates[0]

    @property
    def supported(self) -> bool:
        """Whether neither policy is without support in the log."""
        return not any(one.warnings for one in self.support.values())

    def plain(self) -> dict[str, Any]:
        """Return it as JSON can say it; what is no number is null."""
        plain: dict[str, Any] = without_nan(
            asdict(self)
            | {
                "supported": self.supported,
                "verdict": self.answer.difference.verdict if self.supported else "unsupported",
            }
        )
        return plain


@dataclass(frozen=True)
class _Read:
    """A log with the chances of both policies."""

    log: LoggedDecisions
    chances: tuple[Values, Values]
    tables: tuple[Values, Values] | None
    untried: tuple[float, float]
    wrong: float


def compare(
    joined: Joined,
    policy: Policy | None,
    against: Policy | None = None,
    *,
    estimators: Sequence[str] = (),
    interval: Literal["normal", "percentile"] = "normal",
    level: float = 0.95,
    seed: int = 0,
    rescored: Sequence[FloatArray] | None = None,
) -> Comparison:
    """Return what two policies would have earned on the decisions of a log, choosing by its scores.

    Args:
        joined: decisions with rewards; users are the clusters of every interval.
        policy: the one in question; None: the policy of the log itself.
        against: the other one; None: as above.
        estimators: by name, the one to be believed first; none: the usual ones, for places or for slates.
        interval: how bounds are made, of values and of their difference.
        level: of the bounds.
        seed: of the bootstrap and of the folds of reward models.
        rescored: by slate, (C,) scores by which the first policy chooses in place of the logged ones, such as
            another model's; then it may not be None.

    Raises:
        ArgumentError: there are no decisions, or no estimator can answer.
        UnknownIdError: there is no such estimator.
    """
    if not joined.slates:
        raise ArgumentError(
            "expected decisions with their rewards, found none; let the service decide, and wait until the "
            "window is over"
        )
    places = max(len(one.items) for one in joined.slates)
    names = tuple(estimators) or (OF_SLATES if places > 1 else OF_PLACES)
    wants_tables = any(ESTIMATORS[name].reads_all for name in names)
    read = _read(joined, (policy, against), wants_tables, rescored)
    estimates, left_out = list[Estimate](), dict[str, str]()
    for name in names:
        kind = ESTIMATORS[name]
        estimator = kind(kind.Settings(interval=interval, level=level, seed=seed))
        try:
            estimates.append(_estimate(estimator, read))
        except PolysceneError as error:
            left_out[name] = str(error)
    if not estimates:
        raise ArgumentError(
            "expected an estimator that can answer, found none: "
            + "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        )
    owners = read.log.owners
    return Comparison(
        len(read.log),
        int(owners.max()) + 1,
        places,
        float(read.log.earned.sum(axis=1).mean()),
        {
            word: _support(read.log, chances, untried)
            for word, chances, untried in zip(("policy", "against"), read.chances, read.untried, strict=True)
        },
        tuple(estimates),
        left_out,
        _log_warnings(read),
    )


def difference_of(
    first: Contributions,
    second: Contributions,
    owners: Codes,
    level: float = 0.95,
    interval: str = "normal",
    seed: int = 0,
    resamples: int = 1000,
) -> Difference:
    """Return the difference of two values from the same decisions, in pairs.

    With N_g, D_g the sums of cluster g and v = ΣN / ΣD of each policy, the delta method's influence of a
    cluster is `(N_g - v D_g) / ΣD` of the first minus that of the second (see `interval.normal_bounds`). The
    percentile bootstrap draws clusters, each with both its sums.
    """
    one, other = first.cluster_sums(owners), second.cluster_sums(owners)
    groups, values, influence = len(one), [], np.zeros(len(one))
    for sign, sums in ((1.0, one), (-1.0, other)):
        above, below = sums.sum(axis=0)
        value = float(above / below) if below else float("nan")
        values.append(sign * value)
        if below:
            influence += sign * (sums[:, 0] - value * sums[:, 1]) / below
    value = sum(values)
    if groups < 2 or not np.isfinite(value):
        return Difference(value, float("nan"), float("nan"), level)
    if interval == "percentile":
        drawn = resampled_sums(np.column_stack([one, other]), resamples, seed)
        drawn = drawn[(drawn[:, 1] != 0) & (drawn[:, 3] != 0)]
        tails = [(1 - level) / 2, (1 + level) / 2]
        low, high = np.quantile(drawn[:, 0] / drawn[:, 1] - drawn[:, 2] / drawn[:, 3], tails)
        return Difference(value, float(low), float(high), level)
    spread = sqrt(groups / (groups - 1) * float(np.square(influence).sum()))
    reach = float(student.ppf((1 + level) / 2, groups - 1)) * spread
    return Difference(value, value - reach, value + reach, level)


def _estimate(estimator: Estimator, read: _Read) -> Estimate:
    log = read.log
    if estimator.reads == "marginal":
        raise ArgumentError("it reads marginal propensities, which a log of decisions does not hold")
    targets = read.tables if estimator.reads_all else read.chances
    if targets is None:
        raise ArgumentError(
            f"it reads the chance of every candidate, more than {MAX_TABLE:,} numbers in this log; "
            "judge a shorter part of it"
        )
    intervals = [estimator(log, target) for target in targets]
    if not estimator.reads_all:
        targets = (log.target_at_logged(targets[0]), log.target_at_logged(targets[1]))
    first, second = (estimator.contributions(log, target) for target in targets)
    settings = estimator.settings
    apart = difference_of(first, second, log.owners, settings.level, settings.interval, settings.seed)
    return Estimate(estimator.name, intervals[0], intervals[1], apart)


def _support(log: LoggedDecisions, chances: Values, untried: float) -> PolicyOnLog:
    weights = (chances / np.where(log.filled, log.propensities, 1.0)).prod(axis=1)[:, None]
    sentences = (*overlap_warnings(untried, 0.0), *weight_warnings(weights, log.owners))
    return PolicyOnLog(untried, effective_sample_size(weights), float(weights.max()), sentences)


def _log_warnings(read: _Read) -> tuple[str, ...]:
    if read.wrong <= MAX_WRONG:
        return ()
    return (
        f"{read.wrong:.1%} of the logged propensities are not those that the logged policy has at the logged "
        "scores: they were drawn in another way, or by an earlier version.",
    )


def _read(
    joined: Joined,
    policies: Sequence[Policy | None],
    wants_tables: bool,
    rescored: Sequence[FloatArray] | None,
) -> _Read:
    slates = joined.slates
    n, k = len(slates), max(len(one.items) for one in slates)
    width = max(len(one.scores) for one in slates)
    actions = np.full((n, k), NO_ACTION, np.int64)
    propensities, rewards = np.ones((n, k)), np.zeros((n, k))
    chances = (np.ones((n, k)), np.ones((n, k)))
    fits = wants_tables and n * k * width <= MAX_TABLE
    tables = (np.zeros((n, k, width)), np.zeros((n, k, width))) if fits else None
    missed, wrong, filled = [0.0, 0.0], 0, 0
    for row, (one, earned) in enumerate(zip(slates, joined.rewards, strict=True)):
        length = len(one.items)
        ranks = np.empty(len(one.scores), np.int64)
        ranks[np.argsort(-one.scores, kind="stable")] = np.arange(len(one.scores))
        actions[row, :length] = ranks[one.places]
        propensities[row, :length], rewards[row, :length] = one.propensities, earned
        logged = one.policy.distributions(one.scores, one.places, one.limits)
        own = logged[np.arange(length), one.places]
        wrong += int((np.abs(own - one.propensities) > TOLERANCE).sum())
        filled += length
        for number, policy in enumerate(policies):
            scores = one.scores if rescored is None or number else rescored[row]
            table = logged if policy is None else policy.distributions(scores, one.places, one.limits)
            at_logged = table[np.arange(length), one.places]
            chances[number][row, :length] = one.propensities if policy is None else at_logged
            reached = _reached(table, one)
            missed[number] += float((table * (logged <= 0))[:reached].sum())
            if tables is not None:
                tables[number][row, :length, ranks] = table.T
    log = LoggedDecisions(
        actions, propensities, rewards, width, clusters=np.array([one.user for one in slates])
    )
    return _Read(log, chances, tables, (missed[0] / filled, missed[1] / filled), wrong / filled)


def _reached(table: Probabilities, one: ShownSlate) -> int:
    """Return how many places the policy gets to along the logged slate, its first other choice too."""
    possible = table[np.arange(len(one.places)), one.places] > 0
    return len(possible) if possible.all() else int(np.argmin(possible)) + 1


def without_nan(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can say
    """Return a value of numbers, mappings and lists with None for every number that is none."""
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): without_nan(one) for key, one in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [without_nan(one) for one in value]
    return value
