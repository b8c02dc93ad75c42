"""Run folders: whole or not there at all.

A run is written beside its place under a hidden name that carries the writer's process id, flushed to disk,
and then renamed, which the file system does in one step. What a killed writer left is swept away later.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from polyscene.core.errors import RunError, UnknownIdError

MANIFEST = "run.json"
_PARTIAL = re.compile(r"^\.partial-(\d+)-[0-9a-f]+$")


@contextmanager
def new_run(runs: Path) -> Iterator[tuple[str, Path]]:
    """Yield a fresh run id and the folder to fill; on leaving without an error it becomes a run.

    Raises:
        RunError: the folder of the runs cannot be written.
    """
    try:
        runs.mkdir(parents=True, exist_ok=True)
        sweep(runs)
        partial = runs / f".partial-{os.getpid()}-{uuid4().hex[:8]}"
        partial.mkdir()
    except OSError as error:
        raise RunError(
            f"expected to write runs to {runs}, found {error.strerror}; set [runtime] runs"
        ) from error
    try:
        run_id = f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
        yield run_id, partial
        _flush(partial)
        partial.rename(runs / run_id)
        _flush_folder(runs)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


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
    found = ", ".join(known[-5:]) or "none"
    wanted = "a run" if run_id is None else f"the run '{run_id}'"
    raise UnknownIdError(f"expected {wanted} in {runs}, found {found}; `polyscene train` makes one")


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
        if match and not _alive(int(match[1])):
            shutil.rmtree(entry, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _flush(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            _flush_folder(path)
    _flush_folder(folder)


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
