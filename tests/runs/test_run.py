"""A run answers the same in every process that opens it, and says what it cannot answer."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from polyscene.core.errors import ArgumentError, UnknownIdError
from polyscene.core.types import Event
from polyscene.engine.likeness import likeness
from polyscene.project import Project
from polyscene.runs.run import Run
from polyscene.runs.system_files import load_system, save_system

SCENARIOS = ("shop", "news", "video")


def _busiest(run: Run, scenario: str) -> str:
    events = run.system.scenarios[scenario].log.events()
    return run.system.users[int(np.argmax(np.bincount(events.user)))]


def _had(run: Run, user: str, scenario: str) -> list[str]:
    """Return the ids of what a user had, oldest first."""
    state = run.system.scenario(scenario)
    queries = run.system.queries(run.system.user(user, scenario), state)
    return [state.catalogue.ids[code] for code in queries.history.items.tolist()]


def test_fusion_speaks_somewhere(run: Run) -> None:
    """The tests below say little where every scenario fell back on one signal."""
    assert any(state.fusion.fallback is None for state in run.system.scenarios.values())


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_reloading_changes_nothing(run: Run, scenario: str) -> None:
    user = _busiest(run, scenario)
    again = Run(run.folder)
    assert again.recommend(user, scenario, 20) == run.recommend(user, scenario, 20)


def test_what_answers_people_without_events_is_kept(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run.system.scenarios[SCENARIOS[0]].fusion, "fallback_of_new", "popularity")
    facts = save_system(run.system, tmp_path)
    kept = load_system(tmp_path, facts).scenarios
    assert kept[SCENARIOS[0]].fusion.fallback_of_new == "popularity"
    for one in facts["scenarios"].values():  # as runs of earlier versions say nothing of it
        del one["fallback_of_new"]
    assert load_system(tmp_path, facts).scenarios[SCENARIOS[0]].fusion.fallback_of_new is None


def test_same_seed_gives_the_same_run(project: Project, run: Run) -> None:
    twin = Project.open(project.base / project.config)
    second = twin.train()
    twin.evaluate(second)
    assert second.id != run.id
    assert second.metrics is not None
    assert run.metrics is not None
    assert second.metrics["scenarios"] == run.metrics["scenarios"]
    assert second.manifest["curves"] == run.manifest["curves"]


def test_newest_run_is_opened_unless_one_is_named(project: Project, run: Run) -> None:
    ids = project.runs()
    assert ids == sorted(ids)
    assert project.run().id == ids[-1]
    assert project.run(run.id).id == run.id
    with pytest.raises(UnknownIdError, match="no-such-run"):
        project.run("no-such-run")


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_slate_is_ordered_full_and_free_of_what_the_user_has(run: Run, scenario: str) -> None:
    user = _busiest(run, scenario)
    slate = run.recommend(user, scenario, 8)
    scores = [place.score for place in slate]
    had = set(_had(run, user, scenario))
    assert len(slate) == len(set(slate.ids)) == 8
    assert scores == sorted(scores, reverse=True)
    assert had
    assert had.isdisjoint(slate.ids)
    assert all(place.reason and place.propensity == 1.0 for place in slate)
    assert slate.run == run.id


def test_slate_ends_where_nothing_is_left(run: Run) -> None:
    user = _busiest(run, "shop")
    slate = run.recommend(user, "shop", 10_000)
    assert len(slate) == len(run.system.scenarios["shop"].catalogue) - len(set(_had(run, user, "shop")))


def test_excluded_items_leave_room_for_the_next(run: Run) -> None:
    user = _busiest(run, "news")
    before = run.recommend(user, "news", 5).ids
    after = run.recommend(user, "news", 5, exclude=before[:2]).ids
    assert after[:3] == before[2:]
    assert len(after) == 5


def test_strangers_get_what_suits_everybody(run: Run) -> None:
    first, second = run.recommend("nobody", "video"), run.recommend("nobody else", "video")
    assert first.ids == second.ids
    assert len(first) == 10


def test_explanation_agrees_with_the_slate(run: Run) -> None:
    user = _busiest(run, "video")
    slate = run.recommend(user, "video", 3)
    for number, place in enumerate(slate, 1):
        why = run.explain(user, place.item.id, "video")
        assert why.rank == number
        assert why.score == pytest.approx(place.score, rel=1e-5)
        assert why.reason
        assert why.shares.keys() == place.signals.keys()


def test_explanation_of_what_the_user_has_gives_no_rank(run: Run) -> None:
    user = _busiest(run, "shop")
    why = run.explain(user, _had(run, user, "shop")[-1], "shop")
    assert why.rank is None
    assert why.candidates < len(run.system.scenarios["shop"].catalogue)


def test_past_items_that_speak_are_the_users_own(run: Run) -> None:
    user = _busiest(run, "shop")
    had = set(_had(run, user, "shop"))
    why = run.explain(user, run.recommend(user, "shop", 1).ids[0], "shop")
    assert why.past
    assert {item.id for _, item in why.past} <= had


def test_similar_items_join_meaning_with_what_is_chosen_together(run: Run) -> None:
    news = run.system.scenarios["news"]
    alike = likeness(news, 4, run.system.now(news))
    nearest = [int(code) for code in np.argsort(-alike.scores, kind="stable")][:5]
    places = run.similar(news.catalogue.ids[4], "news", 5)
    assert [near.item.id for near in places] == [news.catalogue.ids[code] for code in nearest]
    assert 4 not in nearest
    assert places[0].score == pytest.approx(float(alike.scores[nearest[0]]), rel=1e-5)
    assert all(near.reason for near in places)


def test_what_is_unknown_is_named(run: Run) -> None:
    with pytest.raises(UnknownIdError, match="shop, news, video"):
        run.recommend("u00001")
    with pytest.raises(UnknownIdError, match="cinema"):
        run.recommend("u00001", "cinema")
    with pytest.raises(UnknownIdError, match="no-item"):
        run.recommend("u00001", "shop", exclude=["no-item"])
    with pytest.raises(UnknownIdError, match="no-item"):
        run.similar("no-item", "shop")
    with pytest.raises(UnknownIdError, match="no-item"):
        run.explain("u00001", "no-item", "shop")


def test_an_observed_event_changes_the_next_slate(run: Run) -> None:
    live = Run(run.folder)
    user = _busiest(run, "shop")
    before = live.recommend(user, "shop", 10)
    assert before == run.recommend(user, "shop", 10)
    live.observe(*(Event(user, item, "shop", "click") for item in before.ids[:2]))
    after = live.recommend(user, "shop", 10)
    assert set(before.ids[:2]).isdisjoint(after.ids)
    assert _had(live, user, "shop")[-2:] == list(before.ids[:2])
    assert after.ids != before.ids[2:]
    assert Run(run.folder).recommend(user, "shop", 10) == before, "what is observed is in memory only"


def test_a_bad_event_keeps_the_others_out(run: Run) -> None:
    live = Run(run.folder)
    before = live.recommend("newcomer", "shop")
    with pytest.raises(UnknownIdError, match="no-item"):
        live.observe(Event("newcomer", before.ids[0], "shop"), Event("newcomer", "no-item", "shop"))
    assert live.recommend("newcomer", "shop") == before
    assert live.system.users.get("newcomer") is None


def test_what_was_observed_and_put_is_saved(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.folder, tmp_path / run.id)
    live = Run(tmp_path / run.id)
    live.observe(*(Event("newcomer", item, "shop") for item in live.recommend("newcomer", "shop").ids[:3]))
    saved = live.save()
    assert saved.id != live.id
    slate, again = live.recommend("newcomer", "shop", 20), saved.recommend("newcomer", "shop", 20)
    assert again.ids == slate.ids
    assert [place.score for place in again] == pytest.approx([place.score for place in slate], abs=1e-4)
    assert len(saved.system.scenarios["shop"].log) == len(run.system.scenarios["shop"].log) + 3
    assert live.recommend("newcomer", "shop", 20).ids == slate.ids, "saving leaves it as it was"


@pytest.mark.parametrize("k", [0, -1])
def test_empty_slates_are_refused(run: Run, k: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        run.recommend("u00001", "shop", k)
    with pytest.raises(ValueError, match="at least 1"):
        run.similar("P0001", "shop", k)


def test_ids_are_the_same_however_they_are_written(run: Run) -> None:
    with pytest.raises(ArgumentError, match="one user at a time"):
        run.recommend(["u00001", "u00002"], "shop")  # type: ignore[arg-type]
    for nobody in (None, True, 1.5, b"u00001"):
        with pytest.raises(ArgumentError, match="the id of one user"):
            run.recommend(nobody, "shop")  # type: ignore[arg-type]
        with pytest.raises(ArgumentError, match="the id of one item"):
            run.similar(nobody, "shop")  # type: ignore[arg-type]
        with pytest.raises(ArgumentError, match="the id of one item"):
            run.explain("u00001", nobody, "shop")  # type: ignore[arg-type]
        with pytest.raises(ArgumentError, match="the id of one user"):
            run.observe(Event(nobody, "P0001", "shop"))  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="a list of ids of items in 'exclude'"):
        run.recommend("u00001", "shop", exclude="P0001")
    with pytest.raises(ArgumentError, match="expected k of at least 1"):
        run.recommend("u00001", "shop", k="3")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="'scenario'"):
        run.recommend("u00001", ["shop"])  # type: ignore[arg-type]


def test_whole_numbers_name_what_their_digits_name(run: Run) -> None:
    live = Run(run.folder)
    title = {"title": "Number", "description": "one", "brand": "b", "category": "c", "price": 1.0}
    column = live.settings["shop"].items.id
    for number in (29, 29.0, np.int64(29), "29"):
        assert live.put_items([{column: number, **title}], "shop") == ["29"]
    live.observe(Event(5, 29.0, "shop"), Event("5", "29", "shop"), Event(np.int64(5), 29, "shop"))  # type: ignore[arg-type]
    slates = [live.recommend(user, "shop", 5) for user in (5, 5.0, np.float32(5), "5")]  # type: ignore[arg-type]
    assert len({slate.ids[0] for slate in slates}) == 1
    assert {(slate.user, slate.user_known) for slate in slates} == {("5", True)}
    with pytest.raises(ArgumentError):
        live.put_items([{column: True, **title}], "shop")
    assert live.recommend(5, "shop", exclude=np.array([29])).user_known
