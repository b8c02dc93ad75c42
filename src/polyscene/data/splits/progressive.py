"""Progressive: a first share of the events is learned, the rest is judged as it comes."""

from __future__ import annotations

from polyscene.core.settings.evaluation import EvaluationSettings
from polyscene.data.splits.temporal import Temporal


class Progressive(Temporal):
    """Cuts like `Temporal`, after the warm-up."""

    def judged_share(self, settings: EvaluationSettings) -> float:
        """Return what the warm-up leaves."""
        return 1 - settings.warmup
