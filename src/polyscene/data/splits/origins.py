"""The past of a data set as it was at earlier moments: for several splits in place of one.

Source: rolling-origin evaluation; L. Tashman, Out-of-sample tests of forecasting accuracy, 2000.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from polyscene.core.settings.project import Settings
from polyscene.data.schema import Dataset


def earlier(dataset: Dataset, share: float) -> Dataset:
    """Return the data set without the latest share of its events, cut at one moment in all scenarios.

    Catalogues and people stay, so that numbers are comparable. Where times are no moments, or those of
    different scenarios cannot be compared, it is returned as it is.

    Args:
        share: of all events, in [0, 1).
    """
    scenarios = dataset.scenarios
    moments = all(scenario.clock == "time" for scenario in scenarios.values())
    if share <= 0 or not moments:
        return dataset
    times = np.sort(np.concatenate([scenario.events.time for scenario in scenarios.values()]))
    end = times[min(int(len(times) * (1 - share)), len(times) - 1)] if len(times) else 0
    kept = {
        name: replace(scenario, events=scenario.events.take(scenario.events.time < end))
        for name, scenario in scenarios.items()
    }
    return replace(dataset, scenarios=kept)


def repeated(settings: Settings, dataset: Dataset, number: int) -> tuple[Settings, Dataset]:
    """Return settings and data of a repeat: another seed and, where moments are cut at, an earlier end.

    Args:
        number: of the repeat, from 0: as it is.
    """
    evaluation = settings.evaluation
    share = number * evaluation.test_share if evaluation.protocol == "temporal" else 0.0
    return settings.model_copy(update={"seed": settings.seed + number}), earlier(dataset, share)
