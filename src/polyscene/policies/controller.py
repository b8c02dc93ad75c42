"""A controller that holds what exploration may cost while it learns: it moves the share that explores."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field

from polyscene.core.settings.block import Strict

Held = Literal["exploration", "loss", "exposure"]
LARGEST_ERROR = 2.0
"""One window counts at most as if it were so far beyond its limit, relatively."""


class ControllerSettings(Strict):
    """What is to be held, and how fast the controller moves."""

    exploration: float = Field(0.05, gt=0, le=1, description="at most so much of the traffic explores")
    loss: float | None = Field(
        0.02, gt=0, lt=1, description="of the clicks that greedy would have had; None: whatever it costs"
    )
    exposure: float | None = Field(
        None, gt=0, lt=1, description="least share of impressions for items on trial; None: no such demand"
    )
    integral: float = Field(0.3, gt=0, description="what the sum of errors counts")
    proportional: float = Field(0.3, ge=0, description="what the latest error counts")
    certainty: float = Field(1.0, ge=0, description="standard errors that are added to a measured loss")


@dataclass(frozen=True)
class Window:
    """What happened since the controller last looked.

    Attributes:
        decisions: slates.
        explored: of them by the explorer.
        clicks_explored, clicks_greedy: clicks on either kind.
        impressions: places shown.
        on_trial: of them items on trial.
        trial_left: whether there are items on trial at all.
    """

    decisions: int
    explored: int
    clicks_explored: float
    clicks_greedy: float
    impressions: int = 0
    on_trial: int = 0
    trial_left: bool = False


@dataclass(frozen=True)
class Adjustment:
    """One look at one constraint, as a log keeps it.

    Attributes:
        step: which look, from 1.
        constraint: what was held against its limit.
        measured, limit: in the constraint's own units.
        multiplier: λ after the look.
        before, after: the knob that the constraint moves.
        stopped: whether the budget was used up, so that nothing explores until it is not.
    """

    step: int
    constraint: Held
    measured: float
    limit: float
    multiplier: float
    before: float
    after: float
    stopped: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


class Controller:
    """Moves the share of slates that explore so that stated constraints hold, as far as chance allows.

    Every constraint j has a multiplier, moved by the relative error e_j = (measured_j - limit_j) / limit_j:

        I_j ← max(0, I_j + K_I e_j),   λ_j = max(0, I_j + K_P e_j),   share = exploration · exp(-max_j λ_j)

    The integral is the dual step of an online convex programme with long-term constraints (Mahdavi, Jin and
    Yang 2012, Trading regret for efficiency); with the proportional part it is the controller of Stooke,
    Achiam and Abbeel 2020, Responsive safety in reinforcement learning by PID Lagrangian methods. What was
    spent over all windows is watched besides: once a budget is used up, nothing explores until it is not (Wu
    et al. 2016, Conservative bandits). A slate's coin is tossed with a share that only the past has set, so
    logged propensities stay true.

    The loss is measured where it can be without a model: the coin parts the traffic at random, so what
    explorers' slates would have earned greedily is the rate of the greedy ones. Over n slates, n_e of them
    explored, c_e clicks there and r per greedy slate:

        loss = (n_e r - c_e) / (n r)

    It is what exploring cost at the time; what was learned by it counts for both sides. The exposure of items
    on trial has a knob of its own, `floor`, the share of slates that keep places for them, moved in the same
    way by the absolute error.

    Attributes:
        share: of the slates, for the explorer.
        floor: of the slates, that keep places for items on trial.
        adjustments: every look at every constraint.
    """

    def __init__(self, settings: ControllerSettings | None = None) -> None:
        self.settings = settings or ControllerSettings()
        self.share = self.settings.exploration
        self.floor = 0.0 if self.settings.exposure is None else self.settings.exposure
        self.adjustments: list[Adjustment] = []
        self._integrals: dict[Held, float] = {"exploration": 0.0, "loss": 0.0, "exposure": 0.0}
        self._total = Window(0, 0, 0.0, 0.0)
        self._step = 0

    @property
    def spent(self) -> dict[str, float]:
        """Return the share explored and the measured loss over everything so far."""
        return {"exploration": _explored(self._total), "loss": measured_loss(self._total)}

    def observe(self, window: Window) -> list[Adjustment]:
        """Take in what happened, move the knobs, and return what was adjusted."""
        self._total = _sum(self._total, window)
        self._step += 1
        looks = [self._look("exploration", _explored(window), self.settings.exploration)]
        if self.settings.loss is not None:
            error = self.settings.certainty * loss_error(self._total)
            looks.append(self._look("loss", measured_loss(window), self.settings.loss))
            exhausted = measured_loss(self._total) + error > self.settings.loss
        else:
            exhausted = False
        exhausted = exhausted or _explored(self._total) > self.settings.exploration
        before = self.share
        strictest = max(multiplier for _, _, _, multiplier in looks)
        self.share = 0.0 if exhausted else self.settings.exploration * float(np.exp(-strictest))
        adjustments = [
            Adjustment(self._step, name, measured, limit, multiplier, before, self.share, exhausted)
            for name, measured, limit, multiplier in looks
        ]
        if self.settings.exposure is not None and window.trial_left:
            adjustments.append(self._expose(window, self.settings.exposure))
        self.adjustments += adjustments
        return adjustments

    def _look(self, name: Held, measured: float, limit: float) -> tuple[Held, float, float, float]:
        error = float(np.clip((measured - limit) / limit, -1.0, LARGEST_ERROR))
        self._integrals[name] = max(0.0, self._integrals[name] + self.settings.integral * error)
        multiplier = max(0.0, self._integrals[name] + self.settings.proportional * error)
        return name, measured, limit, multiplier

    def _expose(self, window: Window, limit: float) -> Adjustment:
        measured = window.on_trial / max(window.impressions, 1)
        error = limit - measured  # of the impressions, as the floor is of the slates
        integral = self._integrals["exposure"] + self.settings.integral * error
        self._integrals["exposure"] = float(np.clip(integral, 0.0, 1.0))
        before = self.floor
        self.floor = float(
            np.clip(self._integrals["exposure"] + self.settings.proportional * error, 0.0, 1.0)
        )
        return Adjustment(
            self._step, "exposure", measured, limit, self._integrals["exposure"], before, self.floor
        )


def measured_loss(window: Window) -> float:
    """Return the share of clicks that exploring cost; below 0 where it earned more. 0 where nothing tells."""
    greedy = window.decisions - window.explored
    if not greedy or not window.clicks_greedy:
        return 0.0
    rate = window.clicks_greedy / greedy
    return (window.explored * rate - window.clicks_explored) / (window.decisions * rate)


def loss_error(window: Window) -> float:
    """Return the standard error of `measured_loss`, clicks taken as Poisson; 0 where nothing tells."""
    greedy = window.decisions - window.explored
    if not greedy or not window.clicks_greedy:
        return 0.0
    rate = window.clicks_greedy / greedy
    ratio = window.clicks_explored / rate  # explored slates that greedy ones would have equalled
    variance = ratio / rate + ratio**2 / window.clicks_greedy
    return float(np.sqrt(variance)) / window.decisions


def _explored(window: Window) -> float:
    return window.explored / max(window.decisions, 1)


def _sum(one: Window, other: Window) -> Window:
    return Window(
        one.decisions + other.decisions,
        one.explored + other.explored,
        one.clicks_explored + other.clicks_explored,
        one.clicks_greedy + other.clicks_greedy,
    )
