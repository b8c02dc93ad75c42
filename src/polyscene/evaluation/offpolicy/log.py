"""What off-policy evaluation reads: what was shown, with which probability, what it earned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polyscene.core.errors import DataError, Problem

Values = NDArray[np.float64]
Codes = NDArray[np.int64]

NO_ACTION = -1
TOLERANCE = 1e-4
"""How far a row of probabilities may be from one: they often come as 32-bit numbers."""


@dataclass(frozen=True, eq=False)
class LoggedDecisions:
    """n decisions of one logging policy, each with k places; `single` makes those with one place.

    Attributes:
        actions: (n, k) codes below `n_actions` of what was shown at each place, `NO_ACTION` where a slate
            ended.
        propensities: (n, k) in (0, 1], probability of the action at its place *given the places before it*.
        rewards: (n, k) finite; what each place earned.
        n_actions: A, how many actions have codes.
        positions: (n, k) where each place stood, from 0; by default 0 to k - 1. A log of single actions that
            stood at different positions names them here.
        clusters: (n,) whose decisions belong together (the user), so that they are drawn together; None: each
            decision stands alone.
        contexts: (n, d) features of the decisions, for reward models; None: none are known.
        marginals: (n, k) probability of the action at its place *whatever stands before it*
            (`Policy.marginal`); None: unknown, except where k = 1.
        distribution: (n, k, A) with which probability the logging policy puts each action at each place given
            the places before it; None: unknown. Only diagnostics read it.

    Raises:
        DataError: propensities are zero, missing or above 1, rewards are missing, codes are none of the
            actions, or shapes do not fit; all problems with their counts.
    """

    actions: Codes
    propensities: Values
    rewards: Values
    n_actions: int
    positions: Codes | None = None
    clusters: NDArray[Any] | None = None
    contexts: Values | None = None
    marginals: Values | None = None
    distribution: Values | None = None

    def __post_init__(self) -> None:
        problems = [*self._shape_problems()] or [*self._value_problems()]
        if problems:
            raise DataError(problems)

    @classmethod
    def single(
        cls,
        actions: ArrayLike,
        propensities: ArrayLike,
        rewards: ArrayLike,
        n_actions: int,
        *,
        positions: ArrayLike | None = None,
        clusters: ArrayLike | None = None,
        contexts: ArrayLike | None = None,
        distribution: ArrayLike | None = None,
    ) -> LoggedDecisions:
        """Return decisions of one place each; every array is (n,), contexts (n, d), distribution (n, A)."""
        return cls(
            actions=np.asarray(actions, np.int64)[:, None],
            propensities=np.asarray(propensities, np.float64)[:, None],
            rewards=np.asarray(rewards, np.float64)[:, None],
            n_actions=n_actions,
            positions=None if positions is None else np.asarray(positions, np.int64)[:, None],
            clusters=None if clusters is None else np.asarray(clusters),
            contexts=None if contexts is None else np.asarray(contexts, np.float64),
            distribution=None if distribution is None else np.asarray(distribution, np.float64)[:, None, :],
        )

    def __len__(self) -> int:
        return len(self.actions)

    @property
    def places(self) -> int:
        """k, how many places a decision has at most."""
        return int(self.actions.shape[1])

    @property
    def filled(self) -> NDArray[np.bool_]:
        """(n, k) which places hold an action."""
        return np.asarray(self.actions != NO_ACTION)

    @property
    def codes(self) -> Codes:
        """(n, k) the actions, 0 where there is none: to index with, behind `filled`."""
        return np.where(self.filled, self.actions, 0)

    @property
    def stands(self) -> Codes:
        """(n, k) the positions from 0, given or by place."""
        if self.positions is not None:
            return self.positions
        return np.broadcast_to(np.arange(self.places), self.actions.shape)

    @property
    def owners(self) -> Codes:
        """(n,) number of the cluster of each decision, from 0."""
        if self.clusters is None:
            return np.arange(len(self), dtype=np.int64)
        return np.unique(self.clusters, return_inverse=True)[1].astype(np.int64)

    @property
    def earned(self) -> Values:
        """(n, k) rewards, 0 where there is no action."""
        return np.where(self.filled, self.rewards, 0.0)

    def at_logged(self, table: Values) -> Values:
        """Return (n, k) the entries of a (n, k, A) table at what was logged, 1 where there is no action.

        What is (n, k) already is returned as it is.
        """
        if table.ndim == 2:
            return table
        entries = np.take_along_axis(table, self.codes[:, :, None], axis=2)[:, :, 0]
        return np.where(self.filled, entries, 1.0)

    def marginal_propensities(self) -> Values:
        """Return (n, k) marginal propensities.

        Raises:
            DataError: they were not given, and there is more than one place.
        """
        if self.marginals is not None:
            return self.marginals
        if self.places > 1:
            raise DataError(
                Problem(
                    "marginal propensities are unknown",
                    "the probability of each item at its place whatever stands before it",
                    "propensities given the places before alone",
                    "give `marginals` (Policy.marginal estimates them), or take an estimator that does "
                    "without",
                )
            )
        return self.propensities

    def target_table(self, target: ArrayLike) -> Values:
        """Return (n, k, A) the target policy's probabilities as 64-bit numbers.

        Args:
            target: (n, k, A), or (n, A) where k = 1; each filled place's row sums to 1.

        Raises:
            DataError: the shape does not fit, or rows are no probabilities; with the count.
        """
        table = np.asarray(target, np.float64)
        table = table[:, None, :] if table.ndim == 2 and self.places == 1 else table
        shape = (len(self), self.places, self.n_actions)
        if table.shape != shape:
            raise DataError(_misfit("the target policy", shape, table.shape))
        sums = table.sum(axis=2)
        wrong = (np.abs(sums - 1.0) > TOLERANCE) | (table.min(axis=2, initial=0.0) < 0.0) | ~np.isfinite(sums)
        wrong &= self.filled
        if wrong.any():
            raise DataError(
                Problem(
                    "rows of the target policy are no probabilities",
                    "numbers from 0 that sum to 1 at each place",
                    f"a row that sums to {sums[wrong][0]:.6g}",
                    "give the probability of every action at every place",
                    count=int(wrong.sum()),
                )
            )
        return table

    def target_at_logged(self, target: Values) -> Values:
        """Return (n, k) the target policy's probabilities of what was logged, checked; 1 where nothing stood.

        Raises:
            DataError: they are no probabilities; with the count.
        """
        wrong = self.filled & ~((target >= 0.0) & (target <= 1.0 + TOLERANCE))
        if wrong.any():
            raise DataError(
                Problem(
                    "the target policy's numbers are no probabilities",
                    "from 0 to 1, of what was logged at each place",
                    f"{target[wrong][0]}",
                    "give the probability with which the target would have shown it",
                    count=int(wrong.sum()),
                )
            )
        return np.where(self.filled, target, 1.0)

    def _shape_problems(self) -> Iterator[Problem]:
        if self.actions.ndim != 2 or not self.actions.size:
            yield _misfit("actions", ("n", "k"), self.actions.shape)
            return
        n, k = self.actions.shape
        d = 0 if self.contexts is None else self.contexts.shape[-1]
        by_place = ("propensities", "rewards", "positions", "marginals")
        shapes: dict[str, tuple[int, ...]] = dict.fromkeys(by_place, (n, k))
        shapes |= {"clusters": (n,), "contexts": (n, d), "distribution": (n, k, self.n_actions)}
        for name, shape in shapes.items():
            array: NDArray[Any] | None = getattr(self, name)
            if array is not None and array.shape != shape:
                yield _misfit(name, shape, array.shape)

    def _value_problems(self) -> Iterator[Problem]:
        filled, codes = self.filled, self.actions
        outside = filled & ((codes < 0) | (codes >= self.n_actions))
        yield from _refused("actions without a code", f"codes from 0 to {self.n_actions - 1}", codes, outside)
        for name, chances in (("propensities", self.propensities), ("marginals", self.marginals)):
            if chances is not None:
                for what, wrong in _wrong_chances(chances):
                    yield from _refused(
                        f"{name} that are {what}", "probabilities above 0, up to 1", chances, wrong & filled
                    )
        missing = ~np.isfinite(self.rewards)
        yield from _refused("rewards that are missing", "a finite number", self.rewards, missing & filled)
        if self.contexts is not None and not np.isfinite(self.contexts).all():
            wrong = ~np.isfinite(self.contexts)
            yield from _refused("contexts that are missing", "finite numbers", self.contexts, wrong)


def _wrong_chances(chances: Values) -> tuple[tuple[str, NDArray[np.bool_]], ...]:
    return (
        ("missing", np.asarray(np.isnan(chances))),
        ("zero or negative", np.asarray(chances <= 0.0)),
        ("above 1", np.asarray(chances > 1.0 + TOLERANCE)),
    )


def _refused(what: str, expected: str, values: NDArray[Any], wrong: NDArray[np.bool_]) -> Iterator[Problem]:
    if wrong.any():
        rows = int(wrong.any(axis=1).sum())
        yield Problem(
            f"the log holds {what}",
            expected,
            f"{values[wrong][0]} in the first of {rows:,} such rows of {len(values):,}",
            "find out why the log holds them; leave these decisions out only if that does not depend on what "
            "was earned",
            row=int(np.flatnonzero(wrong.any(axis=1))[0]) + 1,
            count=int(wrong.sum()),
        )


def _misfit(name: str, expected: tuple[object, ...], shape: tuple[int, ...]) -> Problem:
    return Problem(
        f"the shape of {name} does not fit the log",
        f"({', '.join(map(str, expected))})",
        f"({', '.join(map(str, shape))})",
        "give one row per decision and one column per place",
    )
