"""What an observation says of a margin that is believed to be Gaussian, one small function for each kind.

Each takes the mean m and variance v that are predicted for the margin, the noise of the observation among it,
and returns the slope `g = ∂ log Z / ∂m` and the curvature `h = -∂² log Z / ∂m²` of the evidence Z. A quantity
with coefficient a and variance s in the margin then moves by `s a g`, and its variance becomes
`s (1 - s a² h)`: the moments of the true posterior, projected on a Gaussian (assumed-density filtering: T.
Minka, A family of algorithms for approximate Bayesian inference, MIT 2001, chapter 3). Since `0 < h <= 1 / v`
and `s a² < v`, a variance stays positive.

Loading this module loads numba: see `core.compiled`.
"""

from __future__ import annotations

import math

from numba import njit

FAR = -6.0
"""From here down the tail of the normal distribution is taken from its series: there `erfc` loses digits."""
ROOT_2 = math.sqrt(2.0)
DENSITY_AT_0 = 1.0 / math.sqrt(2.0 * math.pi)


@njit(cache=True, nogil=True)
def tail_ratio(z: float) -> float:
    """Return φ(z) / Φ(z), the inverse Mills ratio.

    Source: far below 0 the asymptotic series of Abramowitz and Stegun, Handbook of Mathematical Functions,
    26.2.12; its relative error at -6 is below 1e-4.
    """
    if z > FAR:
        return DENSITY_AT_0 * math.exp(-0.5 * z * z) / (0.5 * math.erfc(-z / ROOT_2))
    square = 1.0 / (z * z)
    return -z / (1.0 - square * (1.0 - 3.0 * square * (1.0 - 5.0 * square * (1.0 - 7.0 * square))))


@njit(cache=True, nogil=True)
def pairwise_probit(margin: float, variance: float) -> tuple[float, float]:
    """Return what it says that one item was chosen before another: `P = Φ(margin / √variance)`.

    Args:
        margin: expected score of the chosen item less that of the other.
        variance: of it, the noise of the choice among it.

    Source: R. Herbrich, T. Minka, T. Graepel, TrueSkill, NIPS 2006, for a win without draws; with inner
    products of users and items, D. Stern, R. Herbrich, T. Graepel, Matchbox, WWW 2009.
    """
    spread = math.sqrt(variance)
    slope = tail_ratio(margin / spread)
    return slope / spread, slope * (slope + margin / spread) / variance


@njit(cache=True, nogil=True)
def pointwise_probit(margin: float, variance: float, taken: bool) -> tuple[float, float]:
    """Return what it says that an item that was shown was taken, or passed over: `P(taken) = Φ(…)`.

    Source: T. Graepel, J. Candela, T. Borchert, R. Herbrich, Web-scale Bayesian click-through rate prediction
    (AdPredictor), ICML 2010.
    """
    sign = 1.0 if taken else -1.0
    slope, curvature = pairwise_probit(sign * margin, variance)
    return sign * slope, curvature


@njit(cache=True, nogil=True)
def gaussian(residual: float, variance: float) -> tuple[float, float]:
    """Return what a measured value says, such as a scaled rating or time spent: `N(value; m, v)`.

    Args:
        residual: value less what was expected.
        variance: of it, the noise of the measurement among it.

    Source: the Kalman filter's update; R. Kalman, A new approach to linear filtering, 1960.
    """
    return residual / variance, 1.0 / variance
