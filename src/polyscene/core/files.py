"""A file is either the old one or the new one, never half of either.

What is written stands beside its place under a hidden name that carries the writer's process id, is flushed
to the disk and then renamed, which the file system does in one step. What a killed writer left behind is
removed by the next one.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield where to write; on leaving without an error that file takes the place of `path`.

    Folders are made where they are missing. After an error the old file, if any, is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}-{uuid4().hex[:8]}.part")
    try:
        yield partial
        flush(partial)
        partial.replace(path)
        flush(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, with line feeds, in one step."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` in one step."""
    with replacing(path) as partial:
        partial.write_bytes(content)


def flush(path: Path) -> None:
    """Wait until a file or a folder's list of names is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_tree(folder: Path) -> None:
    """Wait until a folder and all that is in it is on the disk."""
    for path in sorted(folder.rglob("*")):
        flush(path)
    flush(folder)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Let one process at a time in; `path` is a file of no content beside what it protects."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(handle)
        yield
    finally:
        os.close(handle)  # which unlocks it


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_LOCK, 1)

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX)


def is_alive(process: int) -> bool:
    """Return whether a process of that id runs on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sweep(path: Path) -> None:
    """Remove what writers of `path` left that are no longer alive."""
    left_behind = re.compile(rf"\.{re.escape(path.name)}\.(\d+)-[0-9a-f]+\.part")
    for entry in path.parent.iterdir():
        match = left_behind.fullmatch(entry.name)
        if match and not is_alive(int(match[1])):
            entry.unlink(missing_ok=True)
