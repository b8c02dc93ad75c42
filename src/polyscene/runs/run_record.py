"""What a run's folder says of it, before anything of the fitted system is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyscene.core.display import html_table, listed
from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.runs.manifest import read_manifest

if TYPE_CHECKING:
    from polyscene.evaluation.importance import ChoicesOf, Importance

METRICS = "metrics.json"
REPORT = "report.html"


def importance_path(folder: Path, choices_of: ChoicesOf) -> Path:
    """Return where a run's folder says what every part carries, by which choices."""
    return folder / f"importance-{choices_of}.json"


class RunRecord:
    """A run folder.

    Args:
        folder: where it lies.

    Attributes:
        id: the run's name, which sorts by time.
        folder: where it lies.
        manifest: configuration, versions, seed, learning curves and notes, as they were when it was trained.
        format: of its files.

    Raises:
        RunError: there is no run, or one of a version that cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.id = folder, folder.name
        self.manifest, self.format = read_manifest(folder)

    def __repr__(self) -> str:
        judged = "judged" if (self.folder / METRICS).is_file() else "not judged"
        return f"{type(self).__name__}({self.id!r}, scenarios: {listed(self.scenarios)}; {judged})"

    def _repr_html_(self) -> str:
        facts = {
            "project": self.manifest["project"],
            "scenarios": ", ".join(self.scenarios),
            "made": self.manifest["created"],
            "learned from": self.manifest["learned_from"],
            "folder": self.folder,
            **{f"note {number}": note for number, note in enumerate(self.notes, 1)},
        }
        return html_table(f"Run {self.id}", ("", ""), facts.items())

    @property
    def scenarios(self) -> tuple[str, ...]:
        """The names of the scenarios."""
        return tuple(self.manifest["system"]["scenarios"])

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of this run, each a sentence."""
        return tuple(self.manifest["notes"])

    @property
    def metrics(self) -> Mapping[str, Any] | None:
        """What the last evaluation of this run measured, as `evaluate --json` writes it; None before it."""
        path = self.folder / METRICS
        if not path.is_file():
            return None
        metrics: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return metrics

    def importance(self, choices_of: ChoicesOf | None = None) -> Importance | None:
        """What was last measured of what every part of this run carries; None before it.

        Args:
            choices_of: "test", by `Project.importance`, or "valid", by its training; None: what there is.
        """
        from polyscene.evaluation.importance import Importance

        for wanted in ("test", "valid") if choices_of is None else (choices_of,):
            path = importance_path(self.folder, wanted)
            if path.is_file():
                return Importance.from_json(json.loads(path.read_text(encoding="utf-8")))
        return None

    @cached_property
    def settings(self) -> Mapping[str, ScenarioSettings]:
        """The settings of the scenarios, as they were when it was trained."""
        scenarios = self.manifest["settings"]["scenarios"]
        return {name: ScenarioSettings(**one) for name, one in scenarios.items()}
