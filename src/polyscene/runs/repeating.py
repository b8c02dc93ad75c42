"""Trains and judges a project several times, with other seeds and earlier ends."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from polyscene.data.splits.origins import repeated
from polyscene.evaluation.repeated import Repeated

if TYPE_CHECKING:  # it stands above this floor
    from polyscene.project import Project


def repeat(project: Project, times: int, baselines: Sequence[str] | None) -> Repeated:
    """Return the results of every repeat; see `Project.repeat`."""
    if times < 1:
        raise ValueError(f"expected at least one repeat, found {times}")
    projects = [repeated_project(project, number) for number in range(times)]
    if baselines is None:
        return Repeated(tuple(one.evaluate(one.train()) for one in projects))
    return Repeated(tuple(one.compare(baselines) for one in projects))


def repeated_project(project: Project, number: int) -> Project:
    """Return the project with another seed and, where its protocol cuts at moments, an earlier end."""
    settings, dataset = repeated(project.settings, project.dataset, number)
    config = f"{Path(project.config).stem}-repeat-{number}.toml"
    other = type(project)(settings, project.base, config, project.progress)
    other.dataset = dataset
    return other
