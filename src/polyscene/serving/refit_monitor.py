"""How far posteriors stood from a refit in the latest cycle, for those who watch a service."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

MAX_REPORTS = 20
"""So many of the latest reports are looked through for one that compared."""


class RefitMonitor(Collector):
    """Tells the distances whenever the measurements are read.

    Args:
        reports: the folder of the cycles' reports.
    """

    def __init__(self, reports: Path) -> None:
        self._reports = reports

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield a gauge by scenario and measure; without any sample where no cycle has compared yet."""
        family = GaugeMetricFamily(
            "polyscene_refit_distance",
            "Share of the ten best items in which slates of the posterior differed from a refit's in the "
            "latest cycle, by scenario: live, and by chance alone.",
            labels=("scenario", "of"),
        )
        for scenario, one in latest_distances(self._reports).items():
            family.add_metric((scenario, "live"), one["live"]["slates"])
            family.add_metric((scenario, "by_chance"), one["by_chance"]["slates"])
        yield family


def latest_distances(reports: Path) -> Mapping[str, Mapping[str, Any]]:
    """Return the distances of the latest report that has any, by scenario."""
    for path in sorted(reports.glob("*.json"), reverse=True)[:MAX_REPORTS]:
        try:
            refit: Mapping[str, Mapping[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["refit"]
        except (OSError, ValueError, KeyError):  # of an earlier version, or not written to its end
            continue
        if refit:
            return refit
    return {}
