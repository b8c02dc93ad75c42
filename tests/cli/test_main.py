"""The command line as a whole: help that costs nothing, an example for every verb."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from typer.testing import Result

from polyscene import __version__
from polyscene.cli.main import VERBS

LOADED = """
import sys
import polyscene.cli.main
print(sorted({"numpy", "torch", "polars", "pydantic", "transformers", "rich"} & set(sys.modules)))
"""


@pytest.mark.parametrize("verb", [verb.__name__ for verb in VERBS])
def test_every_verb_has_help_with_an_example(typed: Callable[..., Result], verb: str) -> None:
    text = typed(verb, "--help").stdout
    assert f"polyscene {verb}" in text.split("Example:")[1]


def test_verbs_are_listed_in_whole_sentences(typed: Callable[..., Result]) -> None:
    text = typed("--help").stdout
    for verb, (words, _) in VERBS.items():
        assert verb.__name__ in text
        assert " ".join(words.split()) in " ".join(text.split())


def test_version(typed: Callable[..., Result]) -> None:
    assert typed("--version").stdout == f"polyscene {__version__}\n"


def test_nothing_heavy_is_loaded_before_a_verb_needs_it() -> None:
    ended = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_the_process_is_prepared_before_numpy_loads() -> None:
    code = "from polyscene.cli.main import run; run()"
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    show = "import os, atexit; atexit.register(lambda: print(os.environ['OMP_WAIT_POLICY']));" + code
    ended = subprocess.run(
        [sys.executable, "-c", show, "--version"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert ended.stdout.splitlines()[-1] == "PASSIVE"


def test_unknown_verbs_and_options_are_usage_errors(typed: Callable[..., Result]) -> None:
    assert "conquer" in typed("conquer", code=2).output
    assert "--loud" in typed("train", "--loud", code=2).output
    assert "-k" in typed("recommend", "u1", "-k", "0", code=2).output
    assert "--seed" in typed("train", "--seed", "-3", code=2).output
