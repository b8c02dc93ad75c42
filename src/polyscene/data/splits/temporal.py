"""Temporal: the latest share of the events is judged; what a live system would have met."""

from __future__ import annotations

import numpy as np

from polyscene.core.settings.evaluation import EvaluationSettings
from polyscene.core.types import LongArray
from polyscene.data.queries import LATEST
from polyscene.data.schema import Dataset, Part
from polyscene.data.splits.parts import Parts
from polyscene.data.splits.protocol import SplitProtocol, misfit

ROW_ORDER = (
    "only the order of rows, which says what one user did first and nothing between users: the last users of "
    "the file would be judged as if they were the future"
)


class Temporal(SplitProtocol):
    """Cuts all scenarios at the same two moments, so that none of them sees another's future."""

    def split(self, dataset: Dataset, settings: EvaluationSettings) -> dict[str, Parts]:
        """Return TRAIN before the first moment, VALID before the second, TEST from there on.

        Raises:
            ConfigError: several scenarios, and one has sequence numbers of its own instead of times; or
                nothing but the order of rows says what came first.
        """
        for name, scenario in dataset.scenarios.items():
            if scenario.row_order and len(scenario.events):
                raise misfit(settings.protocol, name, "a column of times", ROW_ORDER, "leave_last_out")
            if scenario.clock != "time" and not (len(dataset.scenarios) == 1 or dataset.clocks_shared):
                raise misfit(settings.protocol, name, "time stamps", "sequence numbers", "leave_last_out")
        times = np.sort(np.concatenate([s.events.time for s in dataset.scenarios.values()]))
        test = _moment(times, self.judged_share(settings))
        valid = _moment(times[times < test], settings.valid_share, test)
        return {name: _cut_at(s.events.time, valid, test) for name, s in dataset.scenarios.items()}

    def judged_share(self, settings: EvaluationSettings) -> float:
        """Return the share of all events that is TEST, in (0, 1)."""
        return settings.test_share


def _moment(times: LongArray, share: float, otherwise: int = LATEST) -> int:
    """Return when the latest share of the ordered times begins; `otherwise` where there are none."""
    return int(times[min(int(len(times) * (1 - share)), len(times) - 1)]) if len(times) else otherwise


def _cut_at(time: LongArray, valid: int, test: int) -> Parts:
    return np.select([time >= test, time >= valid], [Part.TEST, Part.VALID], Part.TRAIN).astype(np.int8)
