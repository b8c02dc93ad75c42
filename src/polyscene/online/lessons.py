"""Choices as they looked before they were learned: what a fusion learns on from, made while a run goes on.

A choice is put down with the scores that the live signals give to the candidates at that moment, so that no
signal has learned from what it is weighed on. The work is that of the choices alone, however much came
before them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from polyscene.core.seeds import generator
from polyscene.data.queries import Choices
from polyscene.engine.state import ScenarioState, System
from polyscene.recommenders.fusion.fusion import RERANKED, second_look
from polyscene.recommenders.fusion.training import Example, Reread, examples


@dataclass
class Lessons:
    """The choices of one system, by scenario.

    Args:
        system: that is about to learn them.
        max_catalogue: larger ones are sampled, see `recommenders.fusion.training`.
        seed: of these samples.

    Attributes:
        made: by scenario, in the order of the choices.
    """

    system: System
    max_catalogue: int
    seed: int
    made: dict[str, list[Example]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._chance = generator(self.seed, "lessons")

    def put_down(self, scenario: str, user: str, item: str) -> bool:
        """Put down a choice that comes next; return whether it could be one.

        What the system does not know, and what could not have been shown to its user, is none.
        """
        state = self.system.scenario(scenario)
        code = state.catalogue.ids.get(item)
        if code is None or state.fusion.fallback is not None:
            return False
        fusion = state.fusion
        with self.system.lock.reading():
            person = self.system.user(user, scenario)
            queries = self.system.queries(person, state)
            if fusion.closed(queries)[0, code]:
                return False
            choices = Choices(queries, np.array([code], np.int32))
            full = len(fusion.features) <= self.max_catalogue
            made = examples(
                fusion.features,
                fusion.signals,
                choices,
                full,
                self._chance,
                fusion.hide_seen,
                _reread(state),
            )
            example = next(made)[0]
        self.made.setdefault(scenario, []).append(replace(example, person=person))
        return True


def _reread(state: ScenarioState) -> Reread | None:
    fusion = state.fusion
    if fusion.reranker is None or RERANKED not in fusion.names:
        return None
    return second_look(fusion.reranker, fusion.features, fusion.names.index(RERANKED))
