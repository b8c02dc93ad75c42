"""A run with a posterior: trained, served live, kept exactly, and free of who was erased."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import polyscene as ps
from polyscene.engine.changes import changes_of, resume
from polyscene.project import Project
from polyscene.recommenders.posterior.posterior import Posterior
from polyscene.runs.run import Run

ITEM = {"title": "Green Tea Kettle", "description": "one", "brand": "b", "category": "c", "price": 1.0}


@pytest.fixture(scope="module")
def trained(believing: Project) -> Project:
    return believing


@pytest.fixture
def opened(trained: Project) -> Run:
    return trained.run(trained.runs()[0])


def posterior_of(run: Run) -> Posterior:
    fitted = run.system.scenarios["shop"].fusion.present()["posterior"]
    assert isinstance(fitted, Posterior)
    return fitted


def assert_same(one: Posterior, other: Posterior) -> None:
    expected = other.state()
    for name, array in one.state().items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)


def events(run: Run, user: str, count: int) -> Iterator[ps.Event]:
    ids = [run.system.scenarios["shop"].catalogue.ids[code] for code in range(count)]
    yield from (ps.Event(user, item, "shop", "purchase") for item in ids)


def test_it_was_kept_as_it_was_set_and_has_learned(opened: Run) -> None:
    fitted = posterior_of(opened)
    assert fitted.settings.size == 8
    assert fitted.half_life == 7.0
    assert len(fitted.priors) == len(opened.system.scenarios["shop"].space)
    assert np.count_nonzero(fitted.moved()) > 10


def test_the_next_request_sees_an_event_and_a_saved_run_goes_on_from_it(opened: Run) -> None:
    title = opened.settings["shop"].items.id
    opened.put_items([{title: "new-kettle", **ITEM}], "shop")
    before = posterior_of(opened).moved()
    assert before[-1] == 0.0
    opened.observe(ps.Event("somebody-new", "new-kettle", "shop", "purchase"))
    assert posterior_of(opened).moved()[-1] > 0.0
    code = opened.system.users.get("somebody-new")
    assert code is not None
    assert posterior_of(opened).rows[code] >= 0
    assert len(opened.recommend("somebody-new", scenario="shop", k=5).ids) == 5
    assert_same(posterior_of(opened.save()), posterior_of(opened))


def test_changes_bring_another_copy_of_the_run_to_the_same_beliefs(opened: Run, trained: Project) -> None:
    for event in events(opened, "somebody-else", 4):
        opened.observe(event)
    other = trained.run(trained.runs()[0])
    resume(other.system, changes_of(opened.system))
    assert_same(posterior_of(other), posterior_of(opened))


def test_who_is_erased_is_believed_nothing_of(opened: Run) -> None:
    for event in events(opened, "to-be-erased", 3):
        opened.observe(event)
    code, fitted = opened.system.users.get("to-be-erased"), posterior_of(opened)
    assert code is not None
    row = fitted.rows[code]
    assert np.any(fitted.users_at(np.array([code]), fitted.latest).means)
    opened.intake.forget(lambda user: user == "to-be-erased")
    assert fitted.rows[code] == row
    assert not np.any(fitted.users_at(np.array([code]), fitted.latest).means)
