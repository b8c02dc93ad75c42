"""Progressive: a first share of the events is learned, the rest is ranked as it comes, then learned."""

from __future__ import annotations

from typing import ClassVar

from polyscene.core.settings.evaluation import EvaluationSettings
from polyscene.data.splits.temporal import Temporal


class Progressive(Temporal):
    """Cuts like `Temporal`, after the warm-up; the judge learns what it has judged."""

    learns_on: ClassVar[bool] = True

    def judged_share(self, settings: EvaluationSettings) -> float:
        """Return what the warm-up leaves."""
        return 1 - settings.warmup
