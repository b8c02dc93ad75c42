"""What learning needs of a project: its settings, its tables, and the ground that fitting stands on."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from polyscene.core.progress import Progress
from polyscene.core.settings.project import Settings
from polyscene.data.schema import Dataset
from polyscene.learning.training_data import TrainingData

UNFINISHED = ".tuning"
"""Beside the runs: checkpoints and records of the language model's training."""


class OpenProject(Protocol):
    """A project as the floors below it see one.

    Attributes:
        settings: of the configuration.
        base: the folder that its paths start from.
        config: the name of its file.
        progress: told of long work.
    """

    settings: Settings
    base: Path
    config: str
    progress: Progress

    @property
    def runs_folder(self) -> Path:
        """Where its runs lie."""
        ...

    @property
    def dataset(self) -> Dataset:
        """Its tables."""
        ...

    def ground(self, everything_counts: bool = False) -> TrainingData:
        """Return what fitting stands on."""
        ...


def unfinished_folder(project: OpenProject) -> Path:
    """Return where a training that was broken off can go on from."""
    return project.runs_folder / UNFINISHED


def cache_folder(project: OpenProject) -> Path | None:
    """Return where encoded texts are kept, as `[runtime] cache` says; None: where they usually are."""
    named = project.settings.runtime.cache
    return None if named is None else project.base / named
