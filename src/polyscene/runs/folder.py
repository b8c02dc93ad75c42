"""Run folders: whole or not there at all.

A run is written beside its place under a hidden name that carries the writer's process id, flushed to disk,
and then renamed, which the file system does in one step. What a killed writer left is swept away later.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from polyscene.core.disk import demand_room, unwritable
from polyscene.core.errors import UnknownIdError
from polyscene.core.files import flush, flush_tree, is_alive

MANIFEST = "run.json"
READERS = "readers"
"""Folder of what the text rankers' readers learned."""
LESSONS = "lessons"
"""Folder of choices, as numbers, from which the fusion of the run's successor learns again."""
REMEDY = "free some space or mend its rights, or name another folder in [runtime] runs"
_PARTIAL = re.compile(r"^\.partial-(\d+)-[0-9a-f]+$")


@contextmanager
def new_run(runs: Path) -> Iterator[tuple[str, Path]]:
    """Yield a fresh run id and the folder to fill; on leaving without an error it becomes a run.

    Raises:
        RunError: the folder of the runs cannot be written, or its disk is full.
    """
    demand_room(runs, 0, REMEDY)
    sweep(runs)
    partial = runs / f".partial-{os.getpid()}-{uuid4().hex[:8]}"
    partial.mkdir()
    try:
        run_id = f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
        yield run_id, partial
        flush_tree(partial)
        partial.rename(runs / run_id)
        flush(runs)
    except Exception as error:
        full = unwritable(runs, error, REMEDY)
        if full is None:
            raise
        raise full from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write what a run says of itself."""
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def run_ids(runs: Path) -> list[str]:
    """Return the ids of the runs in a folder, oldest first."""
    if not runs.is_dir():
        return []
    return sorted(
        entry.name for entry in runs.iterdir() if (entry / MANIFEST).is_file() and entry.name[0] != "."
    )


def find_run(runs: Path, run_id: str | None) -> Path:
    """Return the folder of a run; None means the newest.

    Raises:
        UnknownIdError: there is no such run.
    """
    known = run_ids(runs)
    if run_id is None and known:
        return runs / known[-1]
    if run_id in known:
        return runs / run_id
    latest = ", ".join(known[-5:]) or "none"
    wanted = "a run" if run_id is None else f"the run '{run_id}'"
    raise UnknownIdError(f"expected {wanted} in {runs}, found {latest}; `polyscene train` makes one")


def way_to(folder: Path, base: Path) -> str:
    """Return the way from a run's folder to where relative paths start: both may move together."""
    try:
        return Path(os.path.relpath(base.resolve(), folder.resolve())).as_posix()
    except ValueError:  # on another drive
        return str(base.resolve())


def sweep(runs: Path) -> None:
    """Remove what writers left behind that are no longer alive."""
    for entry in runs.iterdir():
        match = _PARTIAL.match(entry.name)
        if match and not is_alive(int(match[1])):
            shutil.rmtree(entry, ignore_errors=True)
