"""Whether a split leaves enough to learn from and to judge, before any work is done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import numpy as np

from polyscene.core.errors import Problem
from polyscene.core.settings.evaluation import EvaluationSettings
from polyscene.data.schema import Dataset, Part, Scenario
from polyscene.data.splits.parts import Parts, mask_of
from polyscene.data.splits.phases import Phase
from polyscene.data.splits.protocol import protocol_of

MIN_CHOICES = 30
"""With fewer, nothing can be told: neither which signal is better, nor how good the whole is."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def split_problems(
    dataset: Dataset, parts: Mapping[str, Parts], settings: EvaluationSettings, judged: bool = True
) -> list[Problem]:
    """Return what is wrong with a split: errors where nothing is left to learn from, warnings for little.

    A scenario without events is one that has yet to begin, and no fault.

    Args:
        parts: of the events, by scenario.
        judged: whether the run is to be judged; without, nothing has to be held out.
    """
    begun = {name: scenario for name, scenario in dataset.scenarios.items() if len(scenario.events)}
    kept = (Phase.PAST if judged else Phase.ALL).parts
    learned = {name: _choices(scenario, parts[name], *kept) for name, scenario in begun.items()}
    problems: list[Problem] = []
    for name, scenario in begun.items():
        if not learned[name]:
            severe = not any(learned.values())
            problems.append(_nothing_to_learn(scenario, parts[name], settings, severe, judged))
        else:
            problems += _little(scenario, parts[name], settings, judged)
    return problems


def _choices(scenario: Scenario, part: Parts, *kept: Part) -> int:
    events = scenario.events
    return int(np.sum(events.choice & (events.weight > 0) & mask_of(part, *kept)))


def _nothing_to_learn(
    scenario: Scenario, part: Parts, settings: EvaluationSettings, severe: bool, judged: bool
) -> Problem:
    every = _choices(scenario, part, *Part)
    moments = len(np.unique(scenario.events.time))
    same = f"all {len(scenario.events):,} events are at {_moment(scenario)}: " if moments == 1 else ""
    counts = ", ".join(f"{_choices(scenario, part, one):,} {one.name.lower()}" for one in Part)
    way = _other_protocol(settings)
    if every < 3:
        way = "bring more events"
    elif same:
        way = f"take 'time' out of [scenarios.{scenario.name}.events] and {way}"
    if judged and every >= 3:
        way += "; `polyscene train --all` trains a run that is not judged"
    return Problem(
        f"the split of '{settings.protocol}' leaves nothing to learn from",
        "choices before those that are held out",
        f"{same}{every:,} choices, of which {counts}",
        way,
        key="evaluation.protocol",
        severity="error" if severe else "warning",
        scenario=scenario.name,
    )


def _little(scenario: Scenario, part: Parts, settings: EvaluationSettings, judged: bool) -> Iterator[Problem]:
    """Yield what is held out too sparingly, and what far too amply because many events share a moment."""
    test, valid = _choices(scenario, part, Part.TEST), _choices(scenario, part, Part.VALID)
    every = _choices(scenario, part, *Part)
    few = {"the fusion learns from": valid} | ({"the run is judged on": test} if judged else {})
    for purpose, count in few.items():
        if count < MIN_CHOICES:
            yield Problem(
                f"the choices that {purpose} are too few to tell anything",
                f"at least {MIN_CHOICES}",
                f"{count:,} of {every:,}",
                f"{_other_protocol(settings)}, hold out a larger share, or bring more events",
                key="evaluation",
                severity="warning",
                scenario=scenario.name,
            )
    if judged and not protocol_of(settings).by_user:
        yield from _coarse(scenario, part, settings.test_share)


def _coarse(scenario: Scenario, part: Parts, asked: float) -> Iterator[Problem]:
    """Yield a warning where one moment, that many events share, makes the test part far too large."""
    times = scenario.events.time[part == Part.TEST]
    at_once = int(np.sum(times == times.min())) if len(times) else 0
    share = len(times) / len(part)
    if share > 2 * asked and at_once > 0.5 * len(times):
        yield Problem(
            "many events share one moment, and all of them are judged",
            f"about {asked:.0%} of the events",
            f"{share:.0%}, of which {at_once:,} at the same moment",
            'use finer times, or set [evaluation] protocol = "leave_last_out"',
            key="evaluation.protocol",
            severity="warning",
            scenario=scenario.name,
        )


def _other_protocol(settings: EvaluationSettings) -> str:
    other = "temporal" if protocol_of(settings).by_user else "leave_last_out"
    return f'set [evaluation] protocol = "{other}"'


def _moment(scenario: Scenario) -> str:
    time = int(scenario.events.time[0])
    if scenario.clock == "sequence":
        return f"number {time:,}"
    return str(EPOCH + timedelta(microseconds=time)).removesuffix("+00:00")
