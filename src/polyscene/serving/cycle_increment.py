"""A night that costs what its day costs: the run that answers has learned the day, and its fusion learns on.

Most signals learn from every event as it comes, the texts of new items were read when they came, and both
are in the live run already. What is left is how the fusion weighs them: it learns on from the day's choices,
each as it looked before it was learned, and from a sample of earlier ones that lies beside the run. What
cannot learn so (the language model, factors, the linear and the sequence model) waits for a training anew,
which comes when the log has grown by a share: trainings then cost, spread over the events, as much for each
event however long the log is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from polyscene.core.arrays import load_arrays, save_arrays
from polyscene.core.seeds import generator
from polyscene.core.settings.cycle import CycleSettings
from polyscene.project import Project
from polyscene.runs.folder import LESSONS
from polyscene.runs.run import Run
from polyscene.serving.cycle_contest import Log, blocks
from polyscene.serving.cycle_replicas import Replica
from polyscene.serving.stores.contract import LoggedEvent

if TYPE_CHECKING:  # they load torch, which a service does without
    from polyscene.online.lessons import Lessons
    from polyscene.recommenders.fusion.training import Example

TRAINED = "trained"
"""In a run's manifest: its `Growth`."""


@dataclass(frozen=True)
class Growth:
    """How a run came to be.

    Attributes:
        events: that it knew when it was last trained anew.
        nights: cycles since then that learned on.
    """

    events: int
    nights: int = 0

    @classmethod
    def of(cls, run: Run) -> Growth:
        """Return it of a run that has learned nothing since it was read."""
        facts = run.manifest.get(TRAINED)
        return cls(run.system.position) if facts is None else cls(**facts)

    def facts(self) -> Mapping[str, Any]:
        """Return it as a manifest keeps it."""
        return {TRAINED: asdict(self)}

    def why_anew(self, settings: CycleSettings, events: int) -> str | None:
        """Return why a run of so many events has to be trained anew; None: it may learn on."""
        if not settings.refit_growth:
            return "every cycle trains anew"
        if events >= self.events * (1 + settings.refit_growth):
            return f"the log has grown from {self.events:,} to {events:,} events since the last training"
        if self.nights >= settings.refit_nights:
            return f"{self.nights} cycles have learned on since the last training"
        return None


def learn_and_put_down(replica: Replica, entries: Iterable[tuple[int, Any]], project: Project) -> Lessons:
    """Let a replica learn entries, and return a sample of their choices as each looked just before."""
    from polyscene.online.lessons import Lessons

    log: Log = list(entries)
    settings, seed = project.settings, project.settings.seed
    lessons = Lessons(replica.system, settings.fusion.max_catalogue, seed)
    choices = [
        offset for offset, one in log if isinstance(one, LoggedEvent) and replica.is_choice(one)
    ]
    if len(choices) > settings.cycle.lessons:
        drawn = generator(seed, "lessons", "sample").choice(choices, settings.cycle.lessons, replace=False)
        choices = drawn.tolist()
    wanted = set(choices)
    for block in blocks(log):
        for offset, one in block:
            if offset in wanted and isinstance(one, LoggedEvent):
                lessons.put_down(one.scenario, one.user, one.item)
        replica.learner.learn(block)
    return lessons


def learn_on(
    replica: Replica, lessons: Lessons, growth: Growth, project: Project, runs: Path
) -> tuple[Run, list[str]]:
    """Save the replica as a run whose fusions have learned on; it stays what it was.

    Args:
        replica: that has learned what the lessons were made of.
        growth: of the live run.
        runs: folder of the new run.

    Returns:
        The run, and what was learned, a sentence for each scenario.
    """
    from polyscene.learning.fusion_increment import learned_on

    run, system, settings = replica.run, replica.system, project.settings
    before = {name: state.fusion.weights for name, state in system.scenarios.items()}
    kept: dict[str, list[Example]] = {}
    notes = list[str]()
    try:
        for name, new in lessons.made.items():
            fusion, earlier = system.scenarios[name].fusion, _earlier(run.folder, name, replica)
            step = learned_on(
                fusion.weights, fusion.scenario, new, earlier, settings.fusion, settings.seed, project.progress
            )
            fusion.weights = step.weights
            kept[name] = _sample([*earlier, *new], settings.cycle.replay, settings.seed)
            notes.append(
                f"{name}: the fusion learned on from {len(new):,} new choices and {len(earlier):,} earlier "
                f"ones; loss on those held out {step.before:.4f} before, {step.after:.4f} after"
            )
        saved = run.save(runs, Growth(growth.events, growth.nights + 1).facts())
    finally:
        for name, state in system.scenarios.items():
            state.fusion.weights = before[name]
    _keep(saved.folder, kept)
    return saved, notes


def _earlier(folder: Path, name: str, replica: Replica) -> list[Example]:
    """Return the choices that lie beside a run; those of people who were erased are none any more."""
    from polyscene.recommenders.fusion.kept_examples import examples_of_arrays

    path = folder / LESSONS / f"{name}.safetensors"
    if not path.is_file():
        return []
    known = {code for code, _ in replica.system.users.after(-1, len(replica.system.users))}
    return [one for one in examples_of_arrays(load_arrays(path)) if one.person < 0 or one.person in known]


def _sample(examples: list[Example], most: int, seed: int) -> list[Example]:
    if len(examples) <= most:
        return examples
    rows = generator(seed, "replay").choice(len(examples), most, replace=False)
    return [examples[row] for row in np.sort(rows).tolist()]


def _keep(folder: Path, kept: Mapping[str, list[Example]]) -> None:
    from polyscene.recommenders.fusion.kept_examples import arrays_of

    (folder / LESSONS).mkdir(exist_ok=True)
    for name, examples in kept.items():
        if examples:
            save_arrays(folder / LESSONS / f"{name}.safetensors", arrays_of(examples))
