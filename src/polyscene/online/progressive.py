"""Two systems on the same choices, as they come: where each would have had what was then chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.data.schema import Catalogue, Dataset, EventLog, Scenario
from polyscene.engine.state import System
from polyscene.evaluation.offpolicy.comparison import Difference, difference_of
from polyscene.evaluation.offpolicy.interval import Contributions
from polyscene.metrics.ranking import mid_ranks, ndcg

CUTOFF = 10


@dataclass(frozen=True, slots=True)
class Placed:
    """A choice, and at which rank either system had the item."""

    scenario: str
    user: str
    before: float
    after: float


@dataclass(frozen=True)
class Quality:
    """How good two systems are on the same choices.

    Attributes:
        choices, users: that were judged.
        before, after: mean NDCG at `CUTOFF` of the live system and of the candidate.
        difference: of the candidate from the live one; users are its clusters.
    """

    choices: int
    users: int
    before: float
    after: float
    difference: Difference

    def lost(self, share: float) -> bool:
        """Return whether the candidate is worse by more than a share of the live run's value.

        Choices from slates favour the run that filled them, so a bound on the loss is asked about, and not
        whether there is any.
        """
        return self.before - self.after > share * self.before


def rank(system: System, scenario: str, user: str, item: str) -> float:
    """Return the mid-rank of an item for a user now, among all that may be shown; infinity if unknown."""
    state = system.scenario(scenario)
    code = state.catalogue.ids.get(item)
    if code is None:
        return np.inf
    with system.lock.reading():
        queries = system.queries(system.user(user, scenario), state)
        open_ = state.fusion.open(queries)
        open_[0, code] = True
        return float(mid_ranks(state.fusion.score(queries), np.array([code]), open_)[0])


def quality(placed: Sequence[Placed]) -> dict[str, Quality]:
    """Return by scenario how good both systems are."""
    return {
        name: _quality([one for one in placed if one.scenario == name])
        for name in dict.fromkeys(one.scenario for one in placed)
    }


def _quality(placed: Sequence[Placed]) -> Quality:
    before, after = (
        ndcg(np.array([getattr(one, side) for one in placed], np.float64), CUTOFF)
        for side in ("before", "after")
    )
    owners = np.unique([one.user for one in placed], return_inverse=True)[1].astype(np.int64)
    none = np.zeros((len(placed), 0))
    difference = difference_of(Contributions(after, none), Contributions(before, none), owners)
    return Quality(len(placed), int(owners.max()) + 1, float(before.mean()), float(after.mean()), difference)


def dataset_of(system: System, settings: Mapping[str, ScenarioSettings]) -> Dataset:
    """Return all that a live system knows as tables would have told it.

    Codes stay what they are; what was erased is nobody's any more.
    """
    scenarios = {}
    for name, state in system.scenarios.items():
        catalogue = Catalogue(
            state.catalogue.ids.ids(),
            tuple(state.catalogue.texts),
            tuple(state.catalogue.titles),
            state.catalogue.attributes(),
            state.fusion.features.since.copy(),
            {medium: vectors.copy() for medium, vectors in state.space.media.items()},
        )
        one = settings[name]
        scenarios[name] = Scenario(
            name,
            catalogue,
            state.log.events(),
            state.clock,
            one.repeats,
            has_split=one.events.split is not None,
            row_order=one.events.time is None,
        )
    return Dataset(system.users.ids(), scenarios, clocks_shared=system.clocks_shared)


def with_events(dataset: Dataset, logs: Mapping[str, EventLog]) -> Dataset:
    """Return a data set with other logs of some scenarios."""
    changed = {name: replace(dataset.scenarios[name], events=log) for name, log in logs.items()}
    return replace(dataset, scenarios={**dataset.scenarios, **changed})
