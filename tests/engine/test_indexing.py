"""The indexes of a whole system."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from polyscene.core.errors import MissingExtraError
from polyscene.core.settings.index import IndexSettings
from polyscene.engine.decision import Request
from polyscene.engine.indexing import check_indexes, index_by
from polyscene.engine.pipeline import decide
from polyscene.engine.state import System
from polyscene.representation.index_faiss import FaissIndex

if TYPE_CHECKING:
    from tests.engine.conftest import MakeSystem

KINDS = ("exact", "clusters", "faiss", "usearch")


def slate(system: System, user: str, scenario: str) -> list[np.int64]:
    return list(decide(system, Request(user, scenario, 8)).codes)


@pytest.mark.parametrize("kind", KINDS)
def test_in_a_small_catalogue_every_kind_gives_the_slates_of_the_usual_one(kind: str, system: System) -> None:
    asked = [(user, scenario) for user in ("u0", "u1", "u2") for scenario in system.scenarios]
    usual = [slate(system, *one) for one in asked]
    index_by(system, IndexSettings(kind=kind))
    assert [slate(system, *one) for one in asked] == usual
    checks = check_indexes(system)
    assert {scenario for scenario, _ in checks} == set(system.scenarios)
    assert {check.asked for check in checks.values()} == {kind}
    assert all(check.recall == 1.0 for check in checks.values())


def test_every_view_and_the_factors_are_checked(make_system: MakeSystem) -> None:
    system = make_system(names=("popularity", "content", "factors"))
    assert set(check_indexes(system)) == {
        (name, view) for name in ("shop", "radio") for view in ("tuned", "factors")
    }


def test_a_library_that_is_missing_is_told_before_anything_is_asked(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FaissIndex, "library", "no_such_library")
    with pytest.raises(MissingExtraError, match="'faiss'"):
        index_by(system, IndexSettings(kind="faiss"))
