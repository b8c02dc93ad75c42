"""The search from the command line: its table, its lines to copy, its files and its ways to end."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from polyscene.cli.progress import TerminalProgress
from polyscene.cli.tune import TUNED, toml
from polyscene.core.settings.language import LanguageSettings
from polyscene.core.settings.tuning import TuningDetails
from polyscene.language.compression.layers import drop_layers
from polyscene.language.model.loading import load_model

pytest.importorskip("optuna")

Typed = Callable[..., Result]


@pytest.fixture(scope="module")
def learning(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the company with a model of two layers, which learns fast."""
    home = tmp_path_factory.mktemp("learning") / "village"
    shutil.copytree(config.parent, home, ignore=shutil.ignore_patterns("runs"))
    drop_layers(load_model(LanguageSettings(precision="float32")), [0, 5]).save(home / "model")
    text = (home / "polyscene.toml").read_text(encoding="utf-8")
    language = '[language]\nmodel = "model"\nmax_tokens = 16\nprecision = "float32"\ntuning = "top"\n'
    text = re.sub(r"^\[language\]\n(\w.*\n)*", language, text, flags=re.MULTILINE)
    text += "\n[tuning]\nprojection_steps = 8\nprojection_batch = 64\nvalidations = 2\n"
    (home / "polyscene.toml").write_text(text, encoding="utf-8")
    return home / "polyscene.toml"


def test_what_to_copy_is_shown_and_written(typed: Typed, learning: Path, tmp_path: Path) -> None:
    before, file = learning.read_text(encoding="utf-8"), tmp_path / "found.json"
    result = typed("tune", "--config", learning, "--trials", 2, "--json", file)
    report = json.loads(file.read_text(encoding="utf-8"))
    assert set(report["best"]["scenarios"]) == {"shop", "news", "video"}
    assert report["best"]["ndcg@10"] == max(trial["ndcg@10"] for trial in report["trials"])
    assert report["present"] == report["trials"][0]
    assert report["versions"]
    written = (learning.parent / "runs" / "polyscene" / TUNED).read_text(encoding="utf-8")
    assert written in result.stdout
    assert tomllib.loads(written)["tuning"] == report["best"]["settings"]
    for word in ("as they are", "NDCG@10", "2 trials; as asked", TUNED):
        assert word in result.stdout
    assert "trial 2: NDCG@10" in result.stderr
    assert learning.read_text(encoding="utf-8") == before
    again = typed("tune", "--config", learning, "--trials", 1)
    assert "1 trial, 2 known from before" in again.stdout


def test_an_interruption_shows_the_best_so_far(
    typed: Typed, learning: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: TerminalProgress, text: str) -> None:
        if text.startswith("trial"):
            raise KeyboardInterrupt

    monkeypatch.setattr(TerminalProgress, "say", interrupted)
    result = typed("tune", "--config", learning, "--seed", 5, code=130)
    assert "1 trial; interrupted" in result.stdout
    assert "The present settings are the best so far." in result.stdout


def test_what_cannot_be_searched_is_an_error(typed: Typed, config: Path, learning: Path) -> None:
    assert 'tuning = "none"' in typed("tune", "--config", config, code=2).stderr
    assert "--minutes" in typed("tune", "--config", learning, "--minutes", 0, code=2).output
    short = typed("tune", "--config", learning, "--minutes", 1e-6, "--seed", 6, code=2)
    assert "the time is too short" in short.stderr


def test_nested_settings_are_lines_that_toml_reads() -> None:
    lines = toml({"optimiser.learning_rate": 1e-05, "history": 7, "history_dropout": 0.0})
    details = TuningDetails(**tomllib.loads(lines)["tuning"])
    assert (details.optimiser.learning_rate, details.history) == (1e-05, 7)
