"""What a project is trained on again and again, to tell how far its results lie apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from polyscene.core.settings.project import Settings
from polyscene.data.schema import Dataset
from polyscene.data.splits.origins import repeated
from polyscene.learning.open_project import OpenProject


def repeats_of(project: OpenProject, times: int) -> Iterator[tuple[Settings, Dataset, str]]:
    """Yield settings, data and configuration name of each repeat.

    See `Project.repeat`.

    Raises:
        ValueError: `times` is less than 1.
    """
    if times < 1:
        raise ValueError(f"expected at least one repeat, found {times}")
    for number in range(times):
        settings, dataset = repeated(project.settings, project.dataset, number)
        yield settings, dataset, f"{Path(project.config).stem}-repeat-{number}.toml"
