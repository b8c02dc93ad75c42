"""A wheel is built and installed by its name into an environment of its own, and works there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _run(*words: str | Path, cwd: Path) -> str:
    environment = {
        key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")
    }
    ended = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, cwd=cwd, env=environment, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="the extra 'test' is not installed")
    out = tmp_path_factory.mktemp("dist")
    _run(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        out,
        ROOT,
        cwd=out,
    )
    return next(out.glob("polyscene-*.whl"))


def test_the_wheel_holds_everything_that_is_not_code(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    source = ROOT / "src"
    files = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and ".egg-info" not in str(path)
    }
    assert files <= inside
    assert not [name for name in inside if name.startswith(("tests/", "benchmarks/"))]


def test_the_wheel_names_its_extras(wheel: Path) -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    archive = zipfile.ZipFile(wheel)
    text = archive.read(next(n for n in archive.namelist() if n.endswith("/METADATA"))).decode()
    assert set(re.findall(r"^Provides-Extra: (.+)$", text, re.MULTILINE)) == set(
        declared["optional-dependencies"]
    )
    for page in [ROOT / "README.md", *ROOT.glob("docs/*.md")]:
        for extra in re.findall(r"polyscene\[([\w,]+)\]", page.read_text(encoding="utf-8")):
            assert set(extra.split(",")) <= set(declared["optional-dependencies"]), page.name


def test_an_environment_of_its_own_gets_it_by_name(wheel: Path, tmp_path: Path) -> None:
    """What it depends on is lent by this environment; nothing is fetched."""
    home = tmp_path / "env"
    venv.create(home, with_pip=True, symlinks=True)
    site = next(home.glob("lib/python*/site-packages"))
    python, command = home / "bin" / "python", home / "bin" / "polyscene"
    install = (python, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--find-links", wheel.parent)
    _run(*install, "polyscene", cwd=tmp_path)
    lent = [path for path in sys.path if path.endswith("site-packages")]
    (site / "lent.pth").write_text("\n".join(lent) + "\n", encoding="utf-8")
    place = _run(python, "-c", "import polyscene; print(polyscene.__file__)", cwd=tmp_path)
    assert Path(place.strip()).is_relative_to(home)
    assert _run(command, "--version", cwd=tmp_path) == _run(
        python, "-m", "polyscene", "--version", cwd=tmp_path
    )
    code = (
        "import polyscene as ps; from polyscene.sample.world import SampleWorld; from pathlib import Path; "
        "config = SampleWorld.generate(users=60, items_per_scenario=30, days=10).write(Path('village')); "
        "print(ps.Project.open(config).compare(['popularity']))"
    )
    assert "1 models" in _run(python, "-c", code, cwd=tmp_path)
    assert "ok" in _run(command, "check", "--config", "village/polyscene.toml", cwd=tmp_path)
