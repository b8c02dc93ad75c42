"""Snapshots of a run that serves: what it has become, in a folder of its own.

A snapshot is small, since it holds what came since the run was trained and refers to the run for the rest.
A folder is whole or not there at all, see `folder`; its manifest has the SHA-256 of every file, so that a
damaged one is noticed before any of it is used.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from polyscene.core.arrays import Arrays, load_arrays, save_arrays
from polyscene.core.errors import RunError
from polyscene.core.text import shown
from polyscene.engine.changes import ScenarioChanges, SystemChanges
from polyscene.engine.state import CodedEvent
from polyscene.runs.folder import MANIFEST, new_run, run_ids, write_manifest

FORMAT = 1
USERS, ITEMS, EVENTS, ARRAYS = "users.parquet", "items.json", "events.parquet", "arrays.safetensors"
_EVENT_COLUMNS = ("user", "item", "action", "value", "weight", "choice", "had", "time")
_SPACE, _FEATURES, _SIGNAL = "space/", "features/", "signal/"


@dataclass(frozen=True)
class Snapshot:
    """A snapshot as its manifest describes it.

    Attributes:
        run: the id of the run that it continues.
        log: of which log, by its identity.
        offset: up to which it holds the log.
        erased: the offset of the last erasure that it knows of; 0: none.
    """

    folder: Path
    run: str
    log: str
    offset: int
    erased: int


def write_snapshot(
    snapshots: Path, changes: SystemChanges, run: str, log: str, offset: int, erased: int
) -> Snapshot:
    """Write a snapshot; see `Snapshot` for the arguments.

    Raises:
        RunError: the folder cannot be written.
    """
    with new_run(snapshots) as (name, folder):
        pl.DataFrame({"id": pl.Series(changes.users, dtype=pl.String)}).write_parquet(folder / USERS)
        scenarios = {}
        for number, (scenario, one) in enumerate(changes.scenarios.items()):
            home = folder / str(number)
            home.mkdir()
            _write_scenario(home, one)
            scenarios[scenario] = {
                "folder": str(number),
                "items": one.n_items,
                "puts": one.n_puts,
                "latest": one.latest,
                "actions": list(one.actions),
            }
        manifest = {
            "snapshot": FORMAT,
            "created": datetime.now(UTC).isoformat(),
            "run": run,
            "log": {"identity": log, "offset": offset, "erased": erased},
            "scenarios": scenarios,
            "files": _digests(folder),
        }
        write_manifest(folder, manifest)
    return Snapshot(snapshots / name, run, log, offset, erased)


def snapshots_in(snapshots: Path) -> list[Snapshot]:
    """Return the snapshots of a folder, those that hold most first; what cannot be read at all is none."""
    manifests = ((snapshots / name, _manifest(snapshots / name)) for name in run_ids(snapshots))
    known = [
        Snapshot(folder, facts["run"], log["identity"], int(log["offset"]), int(log["erased"]))
        for folder, facts in manifests
        if (log := facts.get("log")) and facts.get("snapshot") == FORMAT
    ]
    return sorted(known, key=lambda one: (one.offset, one.folder.name), reverse=True)


def read_snapshot(snapshot: Snapshot) -> SystemChanges:
    """Read a snapshot.

    Raises:
        RunError: a file is missing or damaged.
    """
    folder, manifest = snapshot.folder, _manifest(snapshot.folder)
    # An early version did not count what was put: a number that no earlier decision has stands for it, so
    # that none is taken for one of the present state.
    try:
        if _digests(folder) != manifest["files"]:
            raise RunError(f"expected a whole snapshot in {shown(str(folder), 200)}, found other files in it")
        users = pl.read_parquet(folder / USERS, memory_map=False)["id"].to_list()
        scenarios = {
            name: _read_scenario(folder / one["folder"], {"puts": snapshot.offset} | one)
            for name, one in manifest["scenarios"].items()
        }
    except (OSError, KeyError, TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise RunError(f"expected a whole snapshot in {shown(str(folder), 200)}, found {error!r}") from error
    return SystemChanges(users, scenarios)


def remove_snapshots(snapshots: Iterable[Snapshot]) -> None:
    """Remove snapshots: first the manifest, without which a folder is none."""
    for snapshot in snapshots:
        (snapshot.folder / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(snapshot.folder, ignore_errors=True)


def _write_scenario(home: Path, changes: ScenarioChanges) -> None:
    rows = [
        (event.user, event.item, event.action, event.value, event.weight, event.choice, event.had, time)
        for event, time in changes.events
    ]
    schema = dict(zip(_EVENT_COLUMNS, _EVENT_TYPES, strict=True))
    pl.DataFrame(rows, schema=schema, orient="row").write_parquet(home / EVENTS)
    (home / ITEMS).write_text(json.dumps(changes.items, ensure_ascii=False), encoding="utf-8")
    arrays = {f"{_SPACE}{name}": array for name, array in changes.space.items()}
    arrays |= {f"{_FEATURES}{name}": array for name, array in changes.features.items()}
    for signal, parts in changes.signals.items():
        arrays |= {f"{_SIGNAL}{signal}/{name}": array for name, array in parts.items()}
    save_arrays(home / ARRAYS, arrays)


_EVENT_TYPES = (pl.Int32, pl.Int32, pl.Int32, pl.Float64, pl.Float64, pl.Boolean, pl.Boolean, pl.Int64)


def _read_scenario(home: Path, facts: Mapping[str, Any]) -> ScenarioChanges:
    arrays = load_arrays(home / ARRAYS)
    rows = pl.read_parquet(home / EVENTS, memory_map=False).select(_EVENT_COLUMNS).iter_rows()
    items = json.loads((home / ITEMS).read_text(encoding="utf-8"))
    signals: dict[str, Arrays] = {}
    for name, array in _below(arrays, _SIGNAL).items():
        signal, _, part = name.partition("/")
        signals.setdefault(signal, {})[part] = array
    return ScenarioChanges(
        int(facts["items"]),
        int(facts["puts"]),
        int(facts["latest"]),
        facts["actions"],
        [_event(row) for row in rows],
        [(name, text, title, attributes) for name, text, title, attributes in items],
        _below(arrays, _SPACE),
        _below(arrays, _FEATURES),
        signals,
    )


def _event(row: Sequence[Any]) -> tuple[CodedEvent, int]:
    user, item, action, value, weight, choice, had, time = row
    return CodedEvent(user, item, action, value, weight, choice, time, had), time


def _below(arrays: Arrays, prefix: str) -> Arrays:
    return {name.removeprefix(prefix): one for name, one in arrays.items() if name.startswith(prefix)}


def _digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MANIFEST)
    return {path.relative_to(folder).as_posix(): _sha256(path) for path in files}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _manifest(folder: Path) -> dict[str, Any]:
    """Return what a snapshot says of itself; nothing where it cannot be read."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # passed over: an older snapshot or the log has the same
        return {}
    return manifest if isinstance(manifest, dict) else {}
