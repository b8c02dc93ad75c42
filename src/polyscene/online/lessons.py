"""Choices as they looked before they were learned: what a fusion learns on from, made while a run goes on.

A choice is put down with the scores that the live signals give to the candidates at that moment, so that no
signal has learned from what it is weighed on. Where it answers a slate, its candidates are what that slate
showed: with κ_p the chance that place p is looked at, the item i there is chosen with probability

    P(i | slate) = κ_p exp(l_i) / Σ_j κ_{p(j)} exp(l_j)

so what was shown and skipped counts against an item, corrected for its place, and what was not shown says
nothing: else a system would learn from its own slates that it shows the right things. Else the candidates are
the catalogue. The work is that of the choices alone, however much came before them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from polyscene.core.seeds import generator
from polyscene.data.queries import Choices, Queries
from polyscene.engine.state import ScenarioState, System
from polyscene.recommenders.fusion.second_look import RERANKED, second_look
from polyscene.recommenders.fusion.training import Example, Reread, example_among, examples


@dataclass
class Lessons:
    """The choices of one system, by scenario.

    Args:
        system: that is about to learn them.
        max_catalogue: larger ones are sampled, see `recommenders.fusion.training`.
        seed: of these samples.

    Attributes:
        examples: by scenario, in the order of the choices.
    """

    system: System
    max_catalogue: int
    seed: int
    examples: dict[str, list[Example]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._chance = generator(self.seed, "lessons")

    def put_down(self, scenario: str, user: str, item: str, eyes: Mapping[str, float] | None = None) -> bool:
        """Put down a choice that comes next; return whether it could be one.

        What the system does not know, and what could not have been shown to its user, is none.

        Args:
            eyes: of the slate that it answers, by item, the chance that its place is looked at, or a
            multiple;
                None: it answers none.
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
            shown = None if eyes is None else self._among(state, queries, code, item, eyes)
            example = shown or self._of_all(state, queries, code)
        self.examples.setdefault(scenario, []).append(replace(example, person=person))
        return True

    def _among(
        self, state: ScenarioState, queries: Queries, code: int, item: str, eyes: Mapping[str, float]
    ) -> Example | None:
        """Return a choice among what a slate showed; None where it showed nothing else that is known."""
        others = {state.catalogue.ids.get(name): chance for name, chance in eyes.items() if name != item}
        known = {other: chance for other, chance in others.items() if other is not None}
        if not known:
            return None
        block, reread = state.fusion.features.block(state.fusion.signals, queries), _reread(state)
        if reread is not None:
            block = replace(block, signals=reread(block.signals, queries))
        candidates = np.array([code, *known], np.int32)
        chances = np.array([eyes[item], *known.values()], np.float32)
        return example_among(block, 0, candidates, np.log(chances))

    def _of_all(self, state: ScenarioState, queries: Queries, code: int) -> Example:
        """Return a choice among the catalogue."""
        fusion = state.fusion
        choices = Choices(queries, np.array([code], np.int32))
        full = len(fusion.features) <= self.max_catalogue
        ranked = examples(
            fusion.features, fusion.signals, choices, full, self._chance, fusion.hide_seen, _reread(state)
        )
        return next(ranked)[0]


def _reread(state: ScenarioState) -> Reread | None:
    fusion = state.fusion
    if fusion.reranker is None or RERANKED not in fusion.names:
        return None
    return second_look(fusion.reranker, fusion.features, fusion.names.index(RERANKED))
