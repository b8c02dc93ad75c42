"""`[signals.posterior]`: how sure one is before any event, how that fades, how far events may reach."""

from __future__ import annotations

from pydantic import Field

from polyscene.core.clock import DAY
from polyscene.recommenders.posterior.tables import Rates
from polyscene.recommenders.signal import SignalSettings


class PosteriorSettings(SignalSettings):
    """`[signals.posterior]`: see `Posterior`. Drift is what a variance grows by in a day."""

    size: int = Field(128, ge=2, description="numbers in a vector")
    negatives: int = Field(4, ge=1, description="items of the recent stream that each choice stands against")
    stream: int = Field(4096, ge=2, description="events that are recent")
    user_variance: float = Field(0.3, gt=0, description="of each number of a user's vector, before any event")
    item_variance: float = Field(0.01, gt=0, description="of each number of an item's vector, about its text")
    bias_variance: float = Field(0.3, gt=0, description="of an item's bias, and of a user's")
    noise: float = Field(1.0, gt=0, description="variance of a choice")
    half_lives: tuple[float, ...] = Field(
        (1.0, 7.0, 30.0, 1000.0),
        min_length=1,
        description="days after which half of a bias is gone; the best is kept",
    )
    user_drift: float = Field(
        0.001, ge=0, description="growth a day of a user's variances, up to the prior's"
    )
    item_drift: float = Field(0.00001, ge=0, description="growth a day of an item's variances, as above")
    event_limit: float = Field(1.0, gt=0, description="how far one event moves an item at most")
    repeats: float = Field(
        5.0,
        gt=0,
        description="k earlier choices of an item by the same user make one count 1 / (1 + k / repeats)²",
    )
    burst_limit: float = Field(
        2.0, gt=0, description="how far all events of a span move an item's bias, and its vector, at most"
    )
    burst_days: float = Field(1.0, gt=0, description="length of such a span")
    passed_over: tuple[str, ...] = Field(
        (), description="actions of weight 0 that say that an item was shown and not taken"
    )
    rated: tuple[str, ...] = Field((), description="actions whose value is a grade to be learned from")
    timed: tuple[str, ...] = Field((), description="actions whose value is a length of time")

    def rates(self, half_life: float, moments: bool) -> Rates:
        """Return what the compiled steps are told.

        Args:
            half_life: of a bias, in days.
            moments: whether times are moments; where they are an order only, nothing drifts.
        """
        daily = 1.0 / DAY if moments else 0.0
        return Rates(
            self.user_drift * daily,
            self.item_drift * daily,
            self.user_variance,
            self.item_variance,
            self.bias_variance,
            -daily / half_life,
            self.noise,
            self.event_limit / self.negatives,
            self.burst_limit,
            int(self.burst_days * DAY),
        )
