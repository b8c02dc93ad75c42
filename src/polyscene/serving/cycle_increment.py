"""A night that costs what its day costs: the run that answers has learned the day, and its fusion learns on.

Most signals learn from every event as it comes, the texts of new items were read when they came, and both
are in the live run already. What is left is how the fusion weighs them: it learns on from the day's choices,
each as it looked before it was learned and among what its slate showed, and from a sample of earlier ones
that lies beside the run. What
cannot learn so (the language model, factors, the linear and the sequence model) waits for a training anew,
which comes when the log has grown by a share: trainings then cost, spread over the events, as much for each
event however long the log is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polyscene.core.arrays import load_arrays, save_arrays
from polyscene.core.seeds import generator
from polyscene.core.settings.cycle import CycleSettings
from polyscene.evaluation.offpolicy.shown import Act, Joined, ShownSlate, join
from polyscene.project import Project
from polyscene.runs.folder import LESSONS
from polyscene.runs.run import Run
from polyscene.serving.cycle_contest import Log, blocks
from polyscene.serving.cycle_replicas import Replica
from polyscene.serving.stores.contract import Entry, LoggedEvent

if TYPE_CHECKING:  # they load torch, which a service does without
    from polyscene.online.lessons import Lessons
    from polyscene.recommenders.fusion.training import Example

TRAINED = "trained"
"""In a run's manifest: its `Growth`."""
PRIOR_PLACES = 20.0
"""As if every place had been shown so often and chosen as often as all of them."""

Eyes = Callable[[Sequence[LoggedEvent]], Sequence[Mapping[str, float] | None]]
"""Tells, for events, by item how likely each place of the slate that they answer was looked at."""


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


def learn_and_put_down(
    replica: Replica, entries: Iterable[tuple[int, Entry]], project: Project, eyes: Eyes
) -> Lessons:
    """Let a replica learn entries, and return a sample of their choices as each looked just before.

    Args:
        eyes: tells of choices which slates they answer.
    """
    from polyscene.online.lessons import Lessons

    log: Log = list(entries)
    settings, seed = project.settings, project.settings.seed
    lessons = Lessons(replica.system, settings.fusion.max_catalogue, seed)
    choices = {offset: one for offset, one in log if isinstance(one, LoggedEvent) and replica.is_choice(one)}
    if len(choices) > settings.cycle.lessons:
        drawn = generator(seed, "lessons", "sample").choice([*choices], settings.cycle.lessons, replace=False)
        choices = {offset: choices[offset] for offset in sorted(drawn.tolist())}
    slates = dict(zip(choices, eyes(list(choices.values())), strict=True))
    for block in blocks(log):
        for offset, _ in block:
            if offset in choices:
                one = choices[offset]
                lessons.put_down(one.scenario, one.user, one.item, slates[offset])
        replica.learner.learn(block)
    return lessons


def eyes_of(
    slates: Sequence[ShownSlate], events: Sequence[LoggedEvent], window: int
) -> list[Mapping[str, float] | None]:
    """Return, for events, how likely each item of the slate that they answer was looked at; None: no slate.

    A place is looked at as often as it is chosen, up to a common factor: means over the slates of the
    scenario, drawn to the mean of all places by `PRIOR_PLACES`.

    Args:
        window: microseconds in which an event answers a slate.
    """
    eyes: list[Mapping[str, float] | None] = [None] * len(events)
    for name in {one.scenario for one in events}:
        rows = [row for row, one in enumerate(events) if one.scenario == name]
        acts = [Act(events[row].user, events[row].item, name, events[row].time) for row in rows]
        own = [one for one in slates if one.scenario == name]
        if not own:
            continue
        joined = join(own, acts, window, max(one.time for one in own) + window)
        rates, by_id = _rates(joined), {one.id: one for one in own}
        for row, slate in zip(rows, joined.answered, strict=True):
            if slate:
                eyes[row] = dict(zip(by_id[slate].items, rates.tolist(), strict=False))
    return eyes


def _rates(joined: Joined) -> NDArray[np.float64]:
    longest = max(len(one.items) for one in joined.slates)
    tries, wins = np.zeros(longest), np.zeros(longest)
    for one, rewards in zip(joined.slates, joined.rewards, strict=True):
        tries[: len(one.items)] += 1
        wins[: len(one.items)] += rewards
    mean = max(float(wins.sum()), 1.0) / float(tries.sum())
    return np.asarray((wins + PRIOR_PLACES * mean) / (tries + PRIOR_PLACES))


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
    before = {name: (state.fusion.weights, state.fusion.moving) for name, state in system.scenarios.items()}
    kept: dict[str, list[Example]] = {}
    notes = list[str]()
    try:
        for name, new in lessons.examples.items():
            fusion, earlier = system.scenarios[name].fusion, _earlier(run.folder, name, replica)
            step = learned_on(
                fusion.weights,
                fusion.scenario,
                new,
                earlier,
                settings.fusion,
                settings.seed,
                project.progress,
            )
            if fusion.moving is not None:
                notes.append(f"{name}: {fusion.moving.note}, and begin anew beside what was learned by night")
            fusion.refit(step.weights)
            kept[name] = _sample([*earlier, *new], settings.cycle.replay, settings.seed)
            notes.append(
                f"{name}: the fusion learned on from {len(new):,} new choices and {len(earlier):,} earlier "
                f"ones; loss on those held out {step.before:.4f} before, {step.after:.4f} after"
            )
        saved = run.save(runs, Growth(growth.events, growth.nights + 1).facts())
    finally:
        for name, state in system.scenarios.items():
            state.fusion.weights, state.fusion.moving = before[name]
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
