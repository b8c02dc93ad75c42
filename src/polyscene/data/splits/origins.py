"""The past of a data set as it was at earlier moments: for several splits in place of one.

Source: rolling-origin evaluation; L. Tashman, Out-of-sample tests of forecasting accuracy, 2000.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

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
