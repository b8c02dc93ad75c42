"""How far a cycle is, kept durably: one that was killed goes on where it stood."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from polyscene.core.errors import ConflictError, StoreError
from polyscene.core.files import is_alive, write_text

CYCLE, REPORTS = "cycle", "reports"
"""Folders of a service, and in it."""
STATE, LOCK = "state.json", "lock"


@dataclass(frozen=True)
class CycleState:
    """What is known between two steps.

    Attributes:
        log: identity of the log.
        done: the offset up to which earlier cycles have taken it.
        goal: the offset up to which this one takes it; 0: none is under way.
        cut: the offset up to which the candidate learns; what follows judges it.
        live: the run that answered when it began.
        candidate: the run that was trained; empty: none yet.
        promoted: the run that is to answer; empty: that is not decided.
        seconds: what training the candidate took.
        anew: whether the next candidate has to be trained anew: the last one had learned on and was refused.
    """

    log: str = ""
    done: int = 0
    goal: int = 0
    cut: int = 0
    live: str = ""
    candidate: str = ""
    promoted: str = ""
    seconds: float = 0.0
    anew: bool = False


def read_state(folder: Path) -> CycleState:
    """Return how far the cycles of a folder are.

    Raises:
        StoreError: the file is damaged.
    """
    path = folder / STATE
    try:
        return CycleState(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return CycleState()
    except (OSError, ValueError, TypeError) as error:
        raise StoreError(
            f"expected in {path} how far the cycles are, found {error}; remove it, and all events since the "
            "live run was made are taken again"
        ) from error


def write_state(folder: Path, state: CycleState) -> CycleState:
    """Keep it, whole or not at all, and return it."""
    write_text(folder / STATE, json.dumps(asdict(state), indent=2) + "\n")
    return state


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Hold the folder's cycles; what a killed one held is free.

    Raises:
        ConflictError: another cycle is under way.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK
    while True:
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            break
        except FileExistsError:
            owner = _owner(path)
            if owner is not None and owner != os.getpid() and is_alive(owner):
                raise ConflictError(
                    f"expected one cycle at a time, found that of process {owner}; wait for it"
                ) from None
            path.unlink(missing_ok=True)
    try:
        os.write(handle, str(os.getpid()).encode())
        os.close(handle)
        yield
    finally:
        path.unlink(missing_ok=True)


def _owner(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # gone meanwhile, or its owner was killed before it wrote its number
