"""The reference builds from the docstrings, and no link in it leads nowhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BUILDER = Path(__file__).parents[2] / "docs" / "build_reference.py"


def test_the_reference_builds_without_a_broken_link(tmp_path: Path) -> None:
    pytest.importorskip("pdoc", reason="the extra 'docs' is not installed")
    folder = tmp_path / "reference"
    ended = subprocess.run(
        [sys.executable, str(BUILDER), str(folder)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ", 0 broken links" in ended.stdout
    page = (folder / "polyscene" / "project.html").read_text(encoding="utf-8")
    assert 'id="Project.from_frames"' in page
    assert 'id="Project"' in (folder / "polyscene.html").read_text(encoding="utf-8")
    assert 'id="Run.recommend_many"' in (folder / "polyscene" / "runs" / "run.html").read_text(
        encoding="utf-8"
    )
    (folder / "index.html").write_text('<a href="nowhere.html">x</a><a href="#no">y</a>', encoding="utf-8")
    code = "import sys; sys.path.insert(0, sys.argv[1]); from build_reference import broken_links; "
    code += "from pathlib import Path; print(len(list(broken_links(Path(sys.argv[2])))))"
    counted = subprocess.run(
        [sys.executable, "-c", code, str(BUILDER.parent), str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(counted.stdout) >= 2
