"""Polyscene: a recommender system with a language model at its core.

    import polyscene as ps

    project = ps.Project.open("polyscene.toml")
    run = project.train()
    slate = run.recommend("u42", scenario="shop", k=10)
    report = project.evaluate(run)

Nothing heavy is loaded before one of the names is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polyscene.core.columns import Slates, Vectors
    from polyscene.core.errors import PolysceneError
    from polyscene.core.settings.project import Settings
    from polyscene.core.types import Event, Item, Recommendation, Slate
    from polyscene.engine.recommending import Explanation
    from polyscene.evaluation.repeated import Repeated
    from polyscene.evaluation.results import Results
    from polyscene.learning.baselines import baselines
    from polyscene.project import Project
    from polyscene.runs.run import Run

_HOMES = {
    "Project": "polyscene.project",
    "Run": "polyscene.runs.run",
    "Explanation": "polyscene.engine.recommending",
    "PolysceneError": "polyscene.core.errors",
    "Repeated": "polyscene.evaluation.repeated",
    "Results": "polyscene.evaluation.results",
    "Slates": "polyscene.core.columns",
    "Vectors": "polyscene.core.columns",
    "baselines": "polyscene.learning.baselines",
    "Settings": "polyscene.core.settings.project",
    "Event": "polyscene.core.types",
    "Item": "polyscene.core.types",
    "Recommendation": "polyscene.core.types",
    "Slate": "polyscene.core.types",
}

__version__ = "0.1.0"
__all__ = [
    "Event",
    "Explanation",
    "Item",
    "PolysceneError",
    "Project",
    "Recommendation",
    "Repeated",
    "Results",
    "Run",
    "Settings",
    "Slate",
    "Slates",
    "Vectors",
    "baselines",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module attribute may be anything
    if name not in _HOMES:
        raise AttributeError(f"module 'polyscene' has no attribute '{name}'")
    from polyscene.core.threads import prepare_environment

    prepare_environment()
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
