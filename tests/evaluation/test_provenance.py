from __future__ import annotations

import platform
from importlib import metadata

import numpy as np
import pytest

from polyscene.evaluation import provenance


def test_the_machine_is_described_and_not_named() -> None:
    description = provenance.machine()
    assert list(description) == ["processor", "cpus", "system", "python"]
    assert isinstance(description["cpus"], int)
    assert description["cpus"] >= 1
    assert description["python"] == platform.python_version()
    assert platform.node() not in [str(value) for value in description.values()]


def test_versions_are_those_installed_and_absent_ones_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "PACKAGES", ("numpy", "no-such-part-anywhere", "polyscene"))
    assert provenance.versions() == {"numpy": np.__version__, "polyscene": metadata.version("polyscene")}
