"""Which settings of `[tuning]` are searched, within which ranges, and which to try next.

Settings are proposed by the tree-structured Parzen estimator (Bergstra et al., Algorithms for hyper-parameter
optimization, NIPS 2011) of Optuna, which is imported when it is asked for. A proposal depends on the seed and
on the trials before it and on nothing else, so that an interrupted search goes on as if nothing had happened.
It trains nothing and keeps nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from polyscene.core.errors import ConfigError, MissingExtraError, Problem
from polyscene.core.seeds import derived
from polyscene.core.settings.language import TUNING_METHODS
from polyscene.core.settings.project import Settings
from polyscene.core.settings.tuning import TuningDetails
from polyscene.language.tuning.method import TuningMethod

Value = int | float
Chosen = Mapping[str, Value]
"""Settings by their name in `[tuning]`, nested ones with a dot."""

RANDOM_FIRST = 8
"""So many trials are drawn at random before what they showed is trusted."""
STEPS = (0, 100, 200, 400)


@dataclass(frozen=True)
class Trial:
    """Settings that were tried, and what came of them.

    Attributes:
        settings: the searched ones.
        scenarios: NDCG@10 of the content signal on held-out choices, by scenario that has such choices.
        seconds: that it took.
        failure: why nothing came of it; None where something did.
    """

    settings: Chosen
    scenarios: Mapping[str, float]
    seconds: float
    failure: str | None = None

    @property
    def worth(self) -> float:
        """The mean over the scenarios; 0, the least there is, where the trial failed."""
        return float(np.mean(list(self.scenarios.values()))) if self.scenarios else 0.0


@dataclass(frozen=True)
class Knob:
    """One setting and where its values are looked for; the range is widened to what was tried before.

    Attributes:
        name: in `[tuning]`, nested with a dot.
        low, high: inclusive; both int where the setting is a whole number.
        log: whether values are spread by their logarithm.
        later: matters only where the language model's own weights learn.
    """

    name: str
    low: Value
    high: Value
    log: bool = True
    later: bool = False

    def distribution(self, trials: Sequence[Trial], kinds: Any) -> Any:  # noqa: ANN401 - Optuna's
        """Return the range as Optuna says it, with everything inside that was tried."""
        tried = [trial.settings[self.name] for trial in trials if self.name in trial.settings]
        low, high = min([self.low, *tried]), max([self.high, *tried])
        kind = kinds.IntDistribution if isinstance(self.low, int) else kinds.FloatDistribution
        return kind(low, high, log=self.log and low > 0)


KNOBS = (
    Knob("projection_rate", 5e-4, 2e-2),
    Knob("projection_batch", 128, 4096),
    Knob("temperature", 0.02, 0.3),
    Knob("history", 1, 30),
    Knob("history_dropout", 0.0, 0.5, log=False),
    Knob("dropout", 0.0, 0.5, log=False),
    Knob("optimiser.learning_rate", 1e-5, 1e-3, later=True),
    Knob("layers", 1, 3, log=False, later=True),
    Knob("rank", 2, 64, later=True),
    Knob("bottleneck", 8, 128, later=True),
    Knob("prefix_tokens", 2, 64, later=True),
)


@dataclass(frozen=True)
class Space:
    """What is searched in one project.

    Attributes:
        knobs: the settings that matter to its tuning.
        weights: whether the steps of the language model's own weights are searched too.
    """

    knobs: tuple[Knob, ...]
    weights: bool

    @classmethod
    def of(cls, settings: Settings, weights: bool = False) -> Space:
        """Return the settings that matter under a configuration.

        Args:
            weights: search the training of the model's own weights even where the file says `steps = 0`.

        Raises:
            ConfigError: nothing learns, so that there is nothing to search.
        """
        method, details = settings.language.tuning, settings.tuning
        weights = weights or details.steps > 0
        projected = details.projection and details.projection_steps > 0
        if method == "none" or not (projected or weights):
            raise ConfigError(_nothing_learns(method))
        used = {"temperature", "history", "history_dropout"}
        if projected:
            used |= {"projection_rate", "projection_batch"}
        way: type[TuningMethod] = TUNING_METHODS[method]
        if details.projection or way.drops_out:
            used.add("dropout")
        if weights:
            used |= {"optimiser.learning_rate", way.size}
        return cls(tuple(knob for knob in KNOBS if knob.name in used), weights)

    @property
    def names(self) -> list[str]:
        """The names of the searched settings."""
        return [knob.name for knob in self.knobs] + ["steps"] * self.weights

    def present(self, details: TuningDetails) -> dict[str, Value]:
        """Return the searched settings as they stand."""
        return {
            knob.name: _value(details, knob.name) for knob in self.knobs if details.steps or not knob.later
        } | ({"steps": details.steps} if self.weights else {})

    def proposed(self, trials: Sequence[Trial], seed: int) -> dict[str, Value]:
        """Return the settings to try after these trials; the same trials and seed give the same.

        Raises:
            MissingExtraError: Optuna is not installed.
        """
        optuna = required()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        chance = derived(seed, "search", str(len(trials))) % 2**32
        sampler = optuna.samplers.TPESampler(n_startup_trials=RANDOM_FIRST, seed=chance)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        ranges = self._ranges(trials, optuna.distributions)
        for trial in trials:
            known = {name: ranges[name] for name in trial.settings}
            study.add_trial(
                optuna.trial.create_trial(params=dict(trial.settings), distributions=known, value=trial.worth)
            )
        return self._drawn(study.ask(), ranges)

    def _ranges(self, trials: Sequence[Trial], kinds: Any) -> dict[str, Any]:  # noqa: ANN401 - Optuna's
        ranges = {knob.name: knob.distribution(trials, kinds) for knob in self.knobs}
        if self.weights:
            tried = {int(trial.settings["steps"]) for trial in trials}
            ranges["steps"] = kinds.CategoricalDistribution(sorted({*STEPS, *tried}))
        return ranges

    def _drawn(self, trial: Any, ranges: Mapping[str, Any]) -> dict[str, Value]:  # noqa: ANN401 - Optuna's
        drawn: dict[str, Value] = {}
        if self.weights:
            drawn["steps"] = int(trial.suggest_categorical("steps", ranges["steps"].choices))
        for knob in self.knobs:
            at = ranges[knob.name]
            if knob.later and not drawn["steps"]:
                continue
            if isinstance(knob.low, int):
                drawn[knob.name] = int(trial.suggest_int(knob.name, at.low, at.high, log=at.log))
            else:  # a number that a person can copy
                drawn[knob.name] = float(f"{trial.suggest_float(knob.name, at.low, at.high, log=at.log):.3g}")
        return drawn


def applied(details: TuningDetails, chosen: Chosen) -> TuningDetails:
    """Return the settings with the chosen ones in their place, validated."""
    values: dict[str, Any] = details.model_dump()
    for name, value in chosen.items():
        *path, last = name.split(".")
        block = values
        for part in path:
            block = block[part]
        block[last] = value
    return TuningDetails(**values)


def required() -> ModuleType:
    """Return Optuna.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module("optuna")
    except ImportError as error:
        raise MissingExtraError(
            f'expected the package for searching settings, found {error}; pip install "polyscene[search]"'
        ) from error


def _value(details: TuningDetails, name: str) -> Value:
    value: Any = details
    for part in name.split("."):
        value = getattr(value, part)
    return float(value) if isinstance(value, float) else int(value)


def _nothing_learns(method: str) -> Problem:
    if method == "none":
        found, remedy = '[language] tuning = "none"', 'choose a method, as tuning = "top"'
    else:
        found, remedy = "no steps for the projection or the weights", "set projection_steps, or use --weights"
    return Problem("there is nothing to search", "a language model that learns", found, remedy)
