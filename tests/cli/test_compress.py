"""A smaller model from a project: made, judged, written or refused."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from polyscene.cli.compress import compress
from polyscene.cli.failures import guarded
from polyscene.core.errors import ModelError
from polyscene.core.settings.language import LanguageSettings
from polyscene.language.compression.compressing import Compressed
from polyscene.language.compression.layers import drop_layers
from polyscene.language.compression.ways import CompressionRequest, Way
from polyscene.language.model.architecture import stack
from polyscene.language.model.loading import load_model
from polyscene.language.text.encoding import encode
from polyscene.learning.compressing import calibration_texts
from polyscene.learning.content_judge import content_judge
from polyscene.project import Project


@pytest.fixture(scope="module")
def verb() -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(guarded(compress))
    return app


@pytest.fixture(scope="module")
def small(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the company with a model of two layers, which reads fast."""
    home = tmp_path_factory.mktemp("small") / "village"
    shutil.copytree(config.parent, home, ignore=shutil.ignore_patterns("runs"))
    drop_layers(load_model(LanguageSettings(precision="float32")), [0, 5]).save(home / "model")
    text = (home / "polyscene.toml").read_text(encoding="utf-8")
    language = '[language]\nmodel = "model"\nmax_tokens = 16\nprecision = "float32"\n'
    smaller = re.sub(r"^\[language\]\n(\w.*\n)*", language, text, flags=re.MULTILINE)
    assert language in smaller
    (home / "polyscene.toml").write_text(smaller, encoding="utf-8")
    return home / "polyscene.toml"


def _typed(verb: typer.Typer, *words: object, code: int = 0) -> Result:
    result = CliRunner().invoke(verb, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result


def test_what_loses_little_is_written(verb: typer.Typer, small: Path, tmp_path: Path) -> None:
    out, file = tmp_path / "deep" / "half", tmp_path / "loss.json"
    result = _typed(verb, "--way", "bf16", "--out", out, "--config", small, "--json", file)
    for word in ("neighbours kept", "content signal NDCG@10", "MB of weights", "texts/s", "62.5", "31.2"):
        assert word in result.stdout
    loss = json.loads(file.read_text(encoding="utf-8"))
    assert loss["smaller"] == pytest.approx(2.0)
    assert loss["content_before"] > 0
    half = load_model(LanguageSettings(model=str(out), precision="float32"))
    whole = load_model(LanguageSettings(model=str(small.parent / "model"), precision="float32"))
    assert 0.9999 < float((encode(half, ["red shoe"]) * encode(whole, ["red shoe"])).sum()) < 1.0001
    assert [path.name for path in out.parent.iterdir()] == ["half"]


def test_what_loses_much_is_refused_unless_accepted(verb: typer.Typer, small: Path, tmp_path: Path) -> None:
    asked = ("--way", "layers", "--keep", 0.5, "--config", small, "--out", tmp_path / "short")
    refused = _typed(verb, *asked, code=2)
    assert "1 of 2 layers loses more than allowed" in refused.stderr
    assert "--accept-loss" in refused.stderr
    assert not list(tmp_path.iterdir())
    assert "1 of 2 layers" in _typed(verb, *asked, "--accept-loss").stdout
    assert (tmp_path / "short" / "model.safetensors").is_file()


@pytest.mark.parametrize("way", [Way.heads, Way.neurons, Way.sparse])
def test_every_way_is_reached(verb: typer.Typer, small: Path, tmp_path: Path, way: Way) -> None:
    out = tmp_path / way
    _typed(verb, "--way", way, "--out", out, "--config", small, "--keep", 0.9, "--accept-loss")
    model = load_model(LanguageSettings(model=str(out)))
    assert np.isfinite(encode(model, ["red shoe"])).all()


def test_a_student_is_judged_like_all_others(verb: typer.Typer, small: Path, tmp_path: Path) -> None:
    asked = (
        "--way",
        "distil",
        "--steps",
        3,
        "--neurons",
        0.5,
        "--config",
        small,
        "--out",
        tmp_path / "small",
    )
    refused = _typed(verb, *asked, code=2)
    assert "student of 1 of 2 layers, 768 of 1536 neurons a layer loses more than" in " ".join(
        refused.stderr.split()
    )
    for word in ("neighbours kept", "content signal NDCG@10", "texts/s", "0.99"):
        assert word in refused.stdout
    assert not list(tmp_path.iterdir())
    file = tmp_path / "loss.json"
    _typed(verb, *asked, "--accept-loss", "--json", file)
    loss = json.loads(file.read_text(encoding="utf-8"))
    assert loss["smaller"] > 1
    assert loss["cosine"] < 0.99
    model = load_model(LanguageSettings(model=str(tmp_path / "small")))
    assert len(stack(model.module)) == 1


@pytest.mark.parametrize("option", ["--neurons", "--steps", "--minutes"])
def test_only_a_student_learns(verb: typer.Typer, small: Path, tmp_path: Path, option: str) -> None:
    asked = ("--way", "layers", "--out", tmp_path / "new", "--config", small)
    assert f"{option} is for distil" in _typed(verb, *asked, option, 1, code=2).stderr


def test_options_that_do_not_fit_are_refused(verb: typer.Typer, small: Path, tmp_path: Path) -> None:
    result = _typed(verb, "--way", "bf16", "--out", tmp_path, "--config", small, code=2)
    assert "not there yet" in result.stderr
    new = tmp_path / "new"
    result = _typed(verb, "--way", "bf16", "--keep", 0.5, "--out", new, "--config", small, code=2)
    assert "--keep is for" in result.stderr
    assert not new.exists()


def test_the_content_signal_is_judged_by_what_people_chose(small: Path) -> None:
    project = Project.open(small)
    judge = content_judge(project.ground(), "shop")
    assert judge is not None
    texts = project.dataset.scenarios["shop"].catalogue.text
    draws = np.random.default_rng(0)
    noise = np.mean([judge(draws.standard_normal((len(texts), 8)).astype(np.float32)) for _ in range(5)])
    vectors = encode(load_model(project.settings.language, project.base), texts)
    assert judge(vectors) > noise
    assert len(calibration_texts(project.dataset, project.settings.seed)) == sum(
        map(len, (s.catalogue for s in project.dataset.scenarios.values()))
    )


def test_python_can_do_what_the_verb_does(small: Path, tmp_path: Path) -> None:
    project = Project.open(small)
    heard: list[Compressed] = []
    smaller = project.compress(CompressionRequest(Way.bf16), tmp_path / "half", judged=heard.append)
    assert heard == [smaller]
    assert smaller.loss.smaller == pytest.approx(2.0)
    assert (tmp_path / "half" / "model.safetensors").is_file()
    with pytest.raises(FileExistsError, match="name another one"):
        project.compress(CompressionRequest(Way.bf16), tmp_path / "half")
    with pytest.raises(ModelError, match="loses more than allowed"):
        project.compress(CompressionRequest(Way.layers, keep=0.5), tmp_path / "short")
    assert [path.name for path in tmp_path.iterdir()] == ["half"]


@pytest.mark.parametrize("way", [Way.int8, Way.heads])
def test_a_project_trains_with_what_was_written(
    verb: typer.Typer, typed: Callable[..., Result], small: Path, way: Way, tmp_path: Path
) -> None:
    home = tmp_path / "village"
    shutil.copytree(small.parent, home, ignore=shutil.ignore_patterns("runs"))
    config = home / "polyscene.toml"
    keep = () if way is Way.int8 else ("--keep", 0.9)
    _typed(verb, "--way", way, *keep, "--out", home / "small", "--config", config, "--accept-loss")
    named = config.read_text(encoding="utf-8").replace('model = "model"', 'model = "small"\ntuning = "none"')
    if way is Way.int8:
        config.write_text(named.replace('"none"', '"top"'), encoding="utf-8")
        refused = typed("train", "--config", config, code=2)
        assert "eight bits" in refused.stderr
        assert "set [language] tuning = 'none'" in refused.stderr
        assert "reads" not in refused.output
        typed("check", "--config", config, "--json", tmp_path / "problems.json", code=1)
        assert "eight bits" in (tmp_path / "problems.json").read_text(encoding="utf-8")
        facts = json.loads(typed("doctor", "--config", config, "--json", code=1).stdout)["facts"]
        assert any("set [language] tuning = 'none'" in str(fact["found"]) for fact in facts)
        again = typed("compress", "--way", "bf16", "--out", home / "more", "--config", config, code=2)
        assert "compressed before" in again.stderr
    config.write_text(named, encoding="utf-8")
    typed("train", "--config", config)
    slate = typed("recommend", "anybody", "--config", config, "--scenario", "shop", "--json")
    assert len(json.loads(slate.stdout)["items"]) == 10
