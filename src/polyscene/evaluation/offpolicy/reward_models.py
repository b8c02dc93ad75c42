"""Simple models of what an action earns; no decision is predicted by what learned from it."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, Self

import numpy as np
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import expit

from polyscene.core.errors import ArgumentError
from polyscene.core.seeds import generator
from polyscene.evaluation.offpolicy.log import Codes, LoggedDecisions, Values

FOLDS = 5


class RewardModel(Protocol):
    """Predicts what an action earns at a place."""

    def fit(self, log: LoggedDecisions, rows: Codes) -> Self:
        """Learn from the decisions `rows`."""
        ...

    def predict(self, log: LoggedDecisions, rows: Codes) -> Values:
        """Return (m, k, A) the expected reward of every action at every place of the decisions `rows`."""
        ...


def cross_fitted(model: RewardModel, log: LoggedDecisions, seed: int = 0, folds: int = FOLDS) -> Values:
    """Return (n, k, A) predictions, each decision's by a model that learned from other clusters alone.

    So predictions and the residuals that correct them are independent (Chernozhukov and others 2018,
    Double/debiased machine learning).

    Raises:
        ArgumentError: there are fewer than two clusters.
    """
    predictions = np.empty((len(log), log.places, log.n_actions))
    for outside, inside in fold_rows(log.owners, seed, folds):
        predictions[inside] = model.fit(log, outside).predict(log, inside)
    return predictions


def fold_rows(owners: Codes, seed: int, folds: int = FOLDS) -> list[tuple[Codes, Codes]]:
    """Return, by fold, the rows to learn from and the rows to predict; whole clusters in either.

    Raises:
        ArgumentError: there are fewer than two clusters.
    """
    groups = int(owners.max()) + 1
    folds = min(folds, groups)
    if folds < 2:
        raise ArgumentError(
            "expected at least 2 clusters to learn a reward model from, found 1; give predictions, or more "
            "decisions"
        )
    order = generator(seed, "folds").permutation(groups)
    fold = (order * folds // groups)[owners]
    return [(np.flatnonzero(fold != part), np.flatnonzero(fold == part)) for part in range(folds)]


class Tabular:
    """Mean rewards by position and action, drawn to the position's by `STRENGTH` decisions."""

    STRENGTH: ClassVar[float] = 20.0

    def fit(self, log: LoggedDecisions, rows: Codes) -> Self:
        """Count rewards."""
        places = log.filled[rows]
        stands, actions = log.stands[rows][places], log.actions[rows][places]
        rewards = log.rewards[rows][places]
        shape = (int(log.stands.max()) + 1, log.n_actions)
        cells = stands * log.n_actions + actions
        sums = np.bincount(cells, rewards, shape[0] * shape[1]).reshape(shape)
        counts = np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)
        shown = counts.sum(axis=1, keepdims=True)
        means = np.where(shown > 0, sums.sum(axis=1, keepdims=True) / np.maximum(shown, 1), rewards.mean())
        self._table: Values = (sums + self.STRENGTH * means) / (counts + self.STRENGTH)
        return self

    def predict(self, log: LoggedDecisions, rows: Codes) -> Values:
        """Look them up."""
        return np.asarray(self._table[log.stands[rows]])


class Ridge:
    """Ridge regression on context and position: a common one, and one on its residuals by action.

    `r = zᵀβ + zᵀb_a`, z = (1, position, context), contexts scaled by their spread in the log; penalty
    `PENALTY` on all coefficients but the first intercept.
    """

    PENALTY: ClassVar[float] = 20.0

    def fit(self, log: LoggedDecisions, rows: Codes) -> Self:
        """Solve the normal equations of every action at once."""
        z, actions, rewards = _design(log, rows)
        d = z.shape[1]
        penalty = self.PENALTY * np.eye(d)
        common = penalty.copy()
        common[0, 0] = 1e-9
        self._common = np.asarray(np.linalg.solve(z.T @ z + common, z.T @ rewards), np.float64)
        residuals = rewards - z @ self._common
        of = sparse.csr_matrix((np.ones(len(z)), (actions, np.arange(len(z)))), shape=(log.n_actions, len(z)))
        squares = (of @ (z[:, :, None] * z[:, None, :]).reshape(len(z), d * d)).reshape(-1, d, d)
        sums = of @ (z * residuals[:, None])
        self._own = np.asarray(np.linalg.solve(squares + penalty, sums[:, :, None])[:, :, 0], np.float64)
        return self

    def predict(self, log: LoggedDecisions, rows: Codes) -> Values:
        """Return both parts added."""
        z = _features(log, rows)  # (m, k, d)
        return np.asarray((z @ self._common)[:, :, None] + z @ self._own.T)


class Logistic:
    """Logistic regression: an intercept for each action, common slopes for context and position.

    `P = σ(zᵀβ + c_a)`, penalty `PENALTY` / 2 times the squares of all but the first intercept.
    """

    PENALTY: ClassVar[float] = 1.0

    def fit(self, log: LoggedDecisions, rows: Codes) -> Self:
        """Minimise the penalised log loss by L-BFGS.

        Raises:
            ArgumentError: a reward lies outside [0, 1], or no minimum was reached.
        """
        z, actions, rewards = _design(log, rows)
        if rewards.min() < 0 or rewards.max() > 1:
            raise ArgumentError(
                "expected rewards from 0 to 1 for a logistic model, found others; take 'ridge'"
            )
        d = z.shape[1]
        penalty = np.full(d + log.n_actions, self.PENALTY)
        penalty[0] = 1e-9

        def loss(weights: Values) -> tuple[float, Values]:
            logits = z @ weights[:d] + weights[d:][actions]
            errors = expit(logits) - rewards
            slope = np.concatenate([z.T @ errors, np.bincount(actions, errors, log.n_actions)])
            value = np.logaddexp(0.0, logits).sum() - rewards @ logits + penalty @ weights**2 / 2
            return float(value), np.asarray(slope + penalty * weights)

        fit: Any = minimize(loss, np.zeros(d + log.n_actions), jac=True, method="L-BFGS-B")
        if not np.isfinite(fit.x).all():
            raise ArgumentError(
                f"expected a logistic model to be fitted, found {fit.message}; take 'tabular'"
            )
        self._slopes, self._intercepts = fit.x[:d], fit.x[d:]
        return self

    def predict(self, log: LoggedDecisions, rows: Codes) -> Values:
        """Return probabilities."""
        return np.asarray(expit((_features(log, rows) @ self._slopes)[:, :, None] + self._intercepts))


def _design(log: LoggedDecisions, rows: Codes) -> tuple[Values, Codes, Values]:
    """Return features (m, d), actions (m,) and rewards (m,) of the filled places of the decisions `rows`."""
    places = log.filled[rows]
    return _features(log, rows)[places], log.actions[rows][places], log.rewards[rows][places]


def _features(log: LoggedDecisions, rows: Codes) -> Values:
    """Return (m, k, d): one, the position but the first as ones, the scaled context."""
    stands = log.stands[rows]
    at = np.eye(int(log.stands.max()) + 1)[stands][:, :, 1:]
    parts = [np.ones((*stands.shape, 1)), at]
    if log.contexts is not None:
        spread = log.contexts.std(axis=0)
        scaled = (log.contexts[rows] - log.contexts.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        parts.append(np.repeat(scaled[:, None, :], stands.shape[1], axis=1))
    return np.concatenate(parts, axis=2)


REWARD_MODELS: dict[str, type[RewardModel]] = {"tabular": Tabular, "ridge": Ridge, "logistic": Logistic}
