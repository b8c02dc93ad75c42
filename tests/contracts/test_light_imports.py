"""What answers, reports and checks imports neither torch, transformers nor matplotlib."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "matplotlib")
LIGHT_MODULES = (
    "polyscene.evaluation.judge",
    "polyscene.evaluation.provenance",
    "polyscene.evaluation.report.content",
    "polyscene.evaluation.report.page",
    "polyscene.evaluation.results",
    "polyscene.evaluation.significance",
    "polyscene.language.model.sources",
    "polyscene.language.ranking.bayesian_logistic",
    "polyscene.language.ranking.calibration",
    "polyscene.language.ranking.ranker",
    "polyscene.language.ranking.student",
    "polyscene.language.text.coverage",
    "polyscene.language.text.keyword_stuffing",
    "polyscene.responsible.explanation",
)
LIGHT_PACKAGES = ("polyscene.core", "polyscene.data", "polyscene.metrics", "polyscene.serving")

CODE = """
import sys
from importlib import import_module
from pkgutil import walk_packages

names = sys.argv[1:]
for name in names:
    module = import_module(name)
    names += [found.name for found in walk_packages(getattr(module, "__path__", ()), name + ".")]
    print(name, *(heavy for heavy in {heavy} if heavy in sys.modules))
"""


def imports_of(*names: str) -> list[list[str]]:
    """Import modules and packages in a fresh interpreter; return each with what is heavy by then."""
    command = [sys.executable, "-c", CODE.format(heavy=HEAVY), *names]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line.split() for line in ended.stdout.splitlines()]


def test_modules_of_light_verbs_import_nothing_heavy() -> None:
    rows = imports_of(*LIGHT_MODULES, *LIGHT_PACKAGES)
    assert len(rows) > 60  # the packages were walked
    assert next((row for row in rows if len(row) > 1), None) is None


@pytest.mark.parametrize(("module", "heavy"), [("polyscene.evaluation.report.drawing", "matplotlib")])
def test_what_is_heavy_is_noticed(module: str, heavy: str) -> None:
    assert imports_of(module)[-1][1:] == [heavy]
