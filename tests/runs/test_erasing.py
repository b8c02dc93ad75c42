"""Who is erased from a run's folder is in none of its files, and the run answers others as before."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from polyscene.core.errors import RunError
from polyscene.runs.erasing import erase_from_run
from polyscene.runs.run import Run

USER = "u00042"


@pytest.fixture
def own_run(run: Run, tmp_path: Path) -> Run:
    return Run(shutil.copytree(run.folder, tmp_path / "runs" / run.id))


def events_of(run: Run, user: str) -> int:
    code = run.system.users.get(user)
    return sum(int((state.log.events().user == code).sum()) for state in run.system.scenarios.values())


def test_id_and_events_are_gone_and_others_are_answered_as_before(own_run: Run) -> None:
    before = own_run.recommend("u00001", "shop", 10)
    others = events_of(own_run, "u00001")
    assert events_of(own_run, USER) > 0
    assert erase_from_run(own_run.folder, lambda user: user == USER) == 1
    again = Run(own_run.folder)
    assert not again.recommend(USER, "shop", 3).user_known
    assert USER not in again.system.users.ids().values.to_list()
    assert len(again.system.users) == len(own_run.system.users)
    removed = events_of(own_run, USER)
    assert again.system.position == own_run.system.position - removed
    assert events_of(again, "u00001") == others
    after = again.recommend("u00001", "shop", 10)
    assert (after.ids, [place.score for place in after]) == (
        before.ids,
        [place.score for place in before],
    )
    assert not list(own_run.folder.rglob("*.part"))


def test_nobody_is_erased_who_is_not_there(own_run: Run) -> None:
    times = {path: path.stat().st_mtime_ns for path in own_run.folder.rglob("*")}
    assert erase_from_run(own_run.folder, lambda user: user in ("u0004", "shop/u00042")) == 0
    assert {path: path.stat().st_mtime_ns for path in own_run.folder.rglob("*")} == times


def test_users_of_one_scenario_are_known_by_their_own_id(own_run: Run) -> None:
    manifest = own_run.folder / "run.json"
    facts = json.loads(manifest.read_text(encoding="utf-8"))
    facts["settings"]["scenarios"]["shop"]["users_are_local"] = True
    manifest.write_text(json.dumps(facts), encoding="utf-8")
    path = own_run.folder / "users.parquet"
    ids = pl.read_parquet(path, memory_map=False)["id"].to_list()
    pl.DataFrame({"id": ["shop/u00001", *ids[1:]]}).write_parquet(path)
    assert erase_from_run(own_run.folder, lambda user: user == "u00001") == 1
    assert erase_from_run(own_run.folder, lambda user: user == "u00001") == 0


def test_an_interrupted_erasure_can_be_done_again(own_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    users = own_run.folder / "users.parquet"

    def broken(frame: pl.DataFrame, path: Path) -> None:
        if "users.parquet" in str(path):
            raise OSError("no room")
        write(frame, path)

    write = pl.DataFrame.write_parquet
    monkeypatch.setattr(pl.DataFrame, "write_parquet", broken)
    with pytest.raises(RunError, match="mend its files"):
        erase_from_run(own_run.folder, lambda user: user == USER)
    monkeypatch.undo()
    assert USER in pl.read_parquet(users, memory_map=False)["id"].to_list()
    assert erase_from_run(own_run.folder, lambda user: user == USER) == 1
    assert events_of(Run(own_run.folder), USER) == 0


def test_a_folder_that_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="rewritten"):
        erase_from_run(tmp_path, lambda user: True)
