"""What `import polyscene as ps` offers: every name is there, and completion shows it before it is loaded."""

from __future__ import annotations

import subprocess
import sys

import polyscene as ps


def test_completion_shows_the_public_names_and_nothing_else() -> None:
    public = [name for name in dir(ps) if not name.startswith("_")]
    assert public == sorted(ps.__all__)
    assert {"Project", "Run", "Slate", "Results"} <= set(public)


def test_every_public_name_can_be_used() -> None:
    for name in ps.__all__:
        assert getattr(ps, name).__name__ == name


def test_nothing_is_loaded_for_a_completion() -> None:
    code = "import sys, polyscene as ps; dir(ps); print(*(n for n in sys.modules if n == 'numpy'))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == ""
