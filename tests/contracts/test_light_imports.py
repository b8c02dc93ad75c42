"""What answers, reports and checks imports neither torch, transformers nor matplotlib."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "transformers", "matplotlib")
LIGHT_MODULES = (
    "polyscene.evaluation.importance",
    "polyscene.evaluation.judge",
    "polyscene.evaluation.provenance",
    "polyscene.evaluation.report.content",
    "polyscene.evaluation.report.page",
    "polyscene.evaluation.results",
    "polyscene.evaluation.significance",
    "polyscene.cli.facts",
    "polyscene.cli.results_table",
    "polyscene.language.model.inspection",
    "polyscene.learning.checking",
    "polyscene.project",
    "polyscene.runs.reporting",
    "polyscene.runs.run",
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


VERBS_IN_TURN = """
import json, sys
from polyscene.cli.main import app
for name, words in json.loads(sys.argv[1]).items():
    try:
        app(words, standalone_mode=False)
    finally:
        loaded = [name for name in {watched} if name in sys.modules]
        print("loaded: " + json.dumps([name, loaded]), file=sys.stderr)
"""
READING, DRAFTING = "polyscene.data.reading.items", "polyscene.data.drafting"
ASKING = {"polars", "scipy"}
WATCHED = (
    "torch",
    "transformers",
    "matplotlib",
    "jinja2",
    "implicit",
    "peft",
    "huggingface_hub",
    "scipy",
    "numba",
    "pydantic_settings",
    "polars",
    "tokenizers",
    "rich.progress",
    READING,
    DRAFTING,
)
VERBS: dict[str, tuple[tuple[str, ...], set[str]]] = {
    "check": (("check", "-c", "{config}"), {*ASKING, READING, DRAFTING, "tokenizers"}),
    "init": (("init", "{folder}/shop", "--out", "{out}/drafted.toml"), {"polars", DRAFTING}),
    "doctor": (("doctor", "-c", "{config}"), set()),
    "recommend": (("recommend", "nobody", "-s", "shop", "-c", "{config}"), ASKING),
    "recommend to all": (
        ("recommend", "--all-users", "-s", "shop", "-c", "{config}", "--out", "{out}/all.csv"),
        {*ASKING, "numba"},
    ),
    "similar": (("similar", "P0001", "-s", "shop", "-c", "{config}"), ASKING),
    "explain": (("explain", "nobody", "P0001", "-s", "shop", "-c", "{config}"), ASKING),
    "report": (("report", "-c", "{config}"), {*ASKING, "jinja2", "matplotlib"}),
    "help": (("--help",), set()),
}


TOGETHER = (
    ("help", "doctor", "init"),
    ("recommend", "similar", "explain", "recommend to all"),
    ("check",),
    ("report",),
)
"""Verbs that take turns in one process: none needs less than the one before it."""


@pytest.mark.parametrize("verbs", TOGETHER, ids=", ".join)
def test_a_verb_loads_what_it_needs(verbs: tuple[str, ...], company: Path, tmp_path: Path) -> None:
    places = {"config": company, "folder": company.parent, "out": tmp_path}
    words = {verb: [word.format(**places) for word in VERBS[verb][0]] for verb in verbs}
    command = [sys.executable, "-c", VERBS_IN_TURN.format(watched=WATCHED), json.dumps(words)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line for line in ended.stderr.splitlines() if line.startswith("loaded: ")]
    loaded = dict(json.loads(line.removeprefix("loaded: ")) for line in lines)
    assert list(loaded) == list(verbs)
    needless = {verb: set(names) - VERBS[verb][1] for verb, names in loaded.items()}
    assert not any(needless.values()), needless


def test_every_verb_that_is_described_is_looked_at() -> None:
    assert sorted(itertools.chain(*TOGETHER)) == sorted(VERBS)


def test_a_verb_that_learns_loads_what_learns() -> None:
    assert "torch" in imports_of("polyscene.training.losses")[-1]
