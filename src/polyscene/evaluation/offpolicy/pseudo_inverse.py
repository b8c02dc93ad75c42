"""The pseudo-inverse estimator of slates: linear in what places hold, so that few slates tell of many.

With 1_s the (kA,) indicator of which item stands at which place, Γ = E_μ[1_s 1_sᵀ] of the logging policy μ
and θ_π = E_π[1_s] the marginals of the target (Swaminathan and others 2017, Off-policy evaluation for slate
recommendation, equation 3):

    V = 1/n Σ_i r_i · θ_πᵀ Γ⁺ 1_s
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, Field

from polyscene.core.errors import ArgumentError
from polyscene.evaluation.offpolicy.estimator import Estimator, EstimatorSettings, TargetKind
from polyscene.evaluation.offpolicy.interval import Contributions
from polyscene.evaluation.offpolicy.log import Codes, LoggedDecisions, Values

CUTOFF = 1e-10
"""Singular values of Γ below this share of the largest count as zero."""


class PseudoInverseSettings(EstimatorSettings):
    """What the pseudo-inverse estimator may be told."""

    logging: Literal["uniform", "independent", "general"] = Field(
        "uniform",
        description="how the log drew slates: all items alike without repetition, each place by itself, "
        "or any way whose second moments are given",
    )


class PseudoInverse(Estimator):
    """Unbiased where the slate's reward is a sum over places of what item and position earn, unknown which.

    Only the slate's total is read, so it also serves where a reward belongs to the whole slate. Weights may
    be negative.

    Args:
        settings: of `Settings`; None: its defaults.
        second_moments: Γ, (n, kA, kA) or (kA, kA) where it is the same for every decision, place by place
            (row l·A + a); for `logging = "general"` alone. `second_moments_of` makes it of a
            distribution of slates.
    """

    name: ClassVar[str] = "pseudo_inverse"
    assumes: ClassVar[str] = "the slate earns a sum over places, each by its own item and position"
    slates: ClassVar[bool] = True
    reads: ClassVar[TargetKind] = "marginal"
    reads_all: ClassVar[bool] = True
    Settings: ClassVar[type[EstimatorSettings]] = PseudoInverseSettings

    def __init__(self, settings: BaseModel | None = None, second_moments: ArrayLike | None = None) -> None:
        super().__init__(settings)
        self._moments = None if second_moments is None else np.asarray(second_moments, np.float64)

    def contributions(self, log: LoggedDecisions, target: Values) -> Contributions:
        """Return the weight θ_πᵀ Γ⁺ 1_s times the slate's reward.

        Raises:
            ArgumentError: slates are not all full, the log is not drawn as said, or moments are missing.
        """
        if not log.filled.all():
            short = int((~log.filled).any(axis=1).sum())
            raise ArgumentError(
                f"expected full slates for '{self.name}', found {short:,} that are short; leave them out"
            )
        weights = self.weights(log, target)
        return Contributions(
            numerator=weights * log.earned.sum(axis=1),
            weights=weights[:, None],
            method=f"mean of pseudo-inverse weight times the slate's reward, {self.settings.logging} logging",
        )

    def weights(self, log: LoggedDecisions, target: Values) -> Values:
        """Return (n,) θ_πᵀ Γ⁺ 1_s."""
        if self.settings.logging == "independent":
            ratios = log.at_logged(target) / log.marginal_propensities()
            return np.asarray(ratios.sum(axis=1) - (log.places - 1))
        if self.settings.logging == "uniform":
            _demand_uniform(log)
            return uniform_weights(log.actions, target)
        if self._moments is None:
            raise ArgumentError(
                "expected second_moments for logging = 'general', found none; see second_moments_of"
            )
        return general_weights(log.actions, target, self._moments)


def uniform_weights(actions: Codes, target: Values) -> Values:
    """Return (n,) weights under slates of k of m items, all alike without repetition, in closed form.

    Γ = I⊗I / m + (J - I)⊗(J - I) / (m (m - 1)) has as eigenspaces the products of constants and their
    complements over places and over items. With Q the (k, m) marginals, S the indicator, both less 1/m, and
    bars for means over places, the eigenvalues k / m, (m - k) / (m (m - 1)) and 1 / (m - 1) give

        1 + k m (m - 1) / (m - k) · Σ_a Q̄_a S̄_a + (m - 1) · Σ_{l,a} (Q - Q̄)(S - S̄)

    without the middle term where k = m (there S̄ = Q̄ = 0).

    Args:
        actions: (n, k) items below m.
        target: (n, k, m) marginals of the target.
    """
    _, k, m = target.shape
    indicator = np.zeros(target.shape)
    np.put_along_axis(indicator, actions[:, :, None], 1.0, axis=2)
    wanted, shown = target - 1.0 / m, indicator - 1.0 / m
    wanted_mean, shown_mean = wanted.mean(axis=1), shown.mean(axis=1)  # (n, m)
    overall = (wanted_mean * shown_mean).sum(axis=1)
    weights = 1.0 + (m - 1) * ((wanted * shown).sum(axis=(1, 2)) - k * overall)
    if m > k:
        weights += k * m * (m - 1) / (m - k) * overall
    return np.asarray(weights)


def general_weights(actions: Codes, target: Values, moments: Values) -> Values:
    """Return (n,) weights by the numerical pseudo-inverse of Γ, (kA, kA) or (n, kA, kA)."""
    n, k, size = target.shape
    if moments.shape not in {(k * size, k * size), (n, k * size, k * size)}:
        raise ArgumentError(
            f"expected second moments {(k * size, k * size)} or {n} of them, found {moments.shape}"
        )
    inverse = np.linalg.pinv(moments, rcond=CUTOFF, hermitian=True)
    columns = actions + size * np.arange(k)  # (n, k)
    if inverse.ndim == 2:
        projected = inverse[columns].sum(axis=1)  # (n, kA)
    else:
        projected = np.take_along_axis(inverse, columns[:, :, None], axis=1).sum(axis=1)
    return np.asarray((target.reshape(n, k * size) * projected).sum(axis=1))


def second_moments_of(slates: Codes, probabilities: ArrayLike, n_actions: int) -> Values:
    """Return Γ (kA, kA) of a distribution over slates, all that are possible or drawn ones.

    Args:
        slates: (s, k) items below `n_actions`.
        probabilities: (s,) that sum to 1.
    """
    count, k = slates.shape
    indicator = np.zeros((count, k * n_actions))
    np.put_along_axis(indicator, slates + n_actions * np.arange(k), 1.0, axis=1)
    return np.asarray(indicator.T @ (indicator * np.asarray(probabilities, np.float64)[:, None]))


def _demand_uniform(log: LoggedDecisions) -> None:
    """Raise where propensities are not those of slates drawn uniformly without repetition."""
    expected = 1.0 / (log.n_actions - np.arange(log.places))
    wrong = int((np.abs(log.propensities / expected - 1.0) > 1e-4).any(axis=1).sum())
    if wrong:
        raise ArgumentError(
            f"expected the propensities of uniform slates, 1 / ({log.n_actions} - l) at place l from 0, "
            f"found "
            f"{wrong:,} decisions with others; say logging = 'independent', or 'general' with second_moments"
        )
