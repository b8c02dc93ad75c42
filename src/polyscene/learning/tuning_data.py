"""What the language model learns from in one scenario: its events, as choices with what came before them."""

from __future__ import annotations

from dataclasses import dataclass

from polyscene.core.contracts import VectorJudge
from polyscene.core.settings.tuning import TuningDetails
from polyscene.data.queries import Choices, Queries, Timeline
from polyscene.data.schema import EventLog
from polyscene.data.splits.phases import Phase
from polyscene.learning.content_judge import content_judge
from polyscene.learning.training_data import TrainingData


@dataclass(frozen=True)
class TuningData:
    """What one scenario's texts are tuned on.

    Attributes:
        choices: what people chose, with what they had done by then.
        log: the events that may be learned from.
        n_users: of the project.
        decay: what an event still counts in a person's profile after each later one.
        judge: of vectors, on choices held out from all this; None where nothing is held out.
    """

    choices: Choices
    log: EventLog
    n_users: int
    decay: float
    judge: VectorJudge | None


def tuning_data(
    data: TrainingData, name: str, details: TuningDetails, decay: float, phase: Phase
) -> TuningData:
    """Return what a scenario's texts learn from.

    Args:
        decay: what an event still counts in a person's profile after each later one.
        phase: from the past alone, judged on what came after it; or from everything, and not judged.
    """
    log = data.folds.learned(name, phase)
    n_users = len(data.dataset.users)
    chosen = log.take(log.choice & (log.weight > 0))
    judge = content_judge(data, name, decay) if phase is Phase.PAST else None
    return TuningData(choices_before(chosen, log, n_users, details.history), log, n_users, decay, judge)


def choices_before(chosen: EventLog, log: EventLog, n_users: int, length: int) -> Choices:
    """Return events as choices, with what their users had done strictly before.

    Args:
        chosen: the events.
        log: what pasts are made of, ordered by time.
        n_users: of the numbering.
        length: how many past events at most, the latest.
    """
    history = Timeline(log, n_users).before(chosen.user, chosen.time, length)
    return Choices(Queries(chosen.user, chosen.time, history), chosen.item)
