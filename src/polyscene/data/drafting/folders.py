"""Which files of a folder are named like tables, and why the others are not looked at."""

from __future__ import annotations

from pathlib import Path

from polyscene.core.text import one_line, shown
from polyscene.data.tables.archives import is_archive, members
from polyscene.data.tables.sources import kind_of

MAX_FILES = 2_000


def table_files(path: Path) -> list[Path]:
    """Return the files directly in a folder, or the file itself, that are named like tables.

    A zip archive gives the tables that it holds.
    """
    children = [path] if path.is_file() else _children(path)
    files = [child for child in children if path.is_file() or kind_of(child)[0] is not None]
    inside = [file for child in children if is_archive(child) for file in _in_archive(child)]
    return [*(file for file in files if not is_archive(file)), *inside][:MAX_FILES]


def passed_over(path: Path) -> list[str]:
    """Return, for each file directly in a folder that is no table, why it was not looked at."""
    notes = []
    for child in _children(path) if path.is_dir() else [path]:
        if is_archive(child):
            try:
                held = ", ".join(str(member.relative_to(child)) for member in members(child))
            except OSError as error:
                notes.append(f"{shown(child.name)} cannot be read: {one_line(error, 160)}")
                continue
            if not _in_archive(child):
                notes.append(f"{shown(child.name)} holds no table: {shown(held or 'nothing', 80)}")
        elif kind_of(child)[0] is None:
            ending = child.suffix or "none"
            notes.append(f"{shown(child.name)} is not named like a table (its ending is {shown(ending)})")
    return notes


def _children(folder: Path) -> list[Path]:
    return [c for c in sorted(folder.iterdir()) if c.is_file() and not c.name.startswith((".", "_"))]


def _in_archive(archive: Path) -> list[Path]:
    try:
        return [path for path in members(archive) if kind_of(path)[0] is not None]
    except OSError:
        return []
