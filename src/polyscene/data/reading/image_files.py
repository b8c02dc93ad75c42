"""Image files that a column of the items table names: which of them are there, and inside their folder.

Nothing is opened here: an encoder reads the files when a project is trained. A name comes from a table, so
it is data: one that leads out of the folder, by its own steps or through a link, is refused, and so is an
address on the network. An item whose file is refused or not there lacks the image.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from polyscene.core.errors import Problem
from polyscene.core.settings.tables import ImagesSettings, ItemsSettings
from polyscene.core.text import shown
from polyscene.data.schema import ImageFiles
from polyscene.data.tables.columns import Need

SHOWN = 3
"""So many names are told."""
KEY = "items.vectors"
_REFUSALS = {
    "addresses on the network": "fetch them into the folder, and name the files",
    "names that lead out of the folder": "put the files into the folder, or name another as 'folder'",
    "no such files": "put them there, or mend the names",
}


def need_of(source: ImagesSettings) -> Need:
    """Return the column with the names of files."""
    return Need("vectors", source.files, "text")


def image_files(
    items: ItemsSettings, base: Path, file: str | None, frame: pl.DataFrame, problems: list[Problem]
) -> dict[str, ImageFiles]:
    """Return by medium the image files of the n rows of a catalogue.

    Args:
        base: the folder that paths start from.
        file: the table, for messages.
        frame: its n rows, with the columns of `need_of`.
        problems: takes names that cannot be used, with counts; they are errors where no name can be.
    """
    images = {}
    for medium, source in items.vectors.items():
        if not isinstance(source, ImagesSettings):
            continue
        folder = _folder(source, items, base)
        if folder is None:
            problems.append(_no_folder(source, items))
            continue
        names = [name or "" for name in frame[need_of(source).alias].to_list()]
        images[medium] = _usable(names, folder, file, source.files, problems)
    return images


def listed_names(names: Sequence[str]) -> str:
    """Return the first of some names, fit to be shown, and how many more there are."""
    distinct = list(dict.fromkeys(names))
    more = f" and {len(distinct) - SHOWN:,} more" if len(distinct) > SHOWN else ""
    return ", ".join(shown(name) for name in distinct[:SHOWN]) + more


def _folder(source: ImagesSettings, items: ItemsSettings, base: Path) -> Path | None:
    """Return where the files lie; None where the table has no one folder that says it."""
    if source.folder is not None:
        folder = base / source.folder
        return folder if folder.is_dir() else None
    if not isinstance(items.path, str):
        return None
    table = base / items.path
    if table.is_dir():
        return table
    return table.parent if table.is_file() else None


def _no_folder(source: ImagesSettings, items: ItemsSettings) -> Problem:
    actual = f"no folder {shown(source.folder)}" if source.folder else f"the path {shown(items.path)}"
    remedy = "name the folder that the files lie in as 'folder', relative to the configuration file"
    return Problem("image files have no folder", "a folder", actual, remedy, key=KEY)


def _usable(
    names: list[str], folder: Path, file: str | None, column: str, problems: list[Problem]
) -> ImageFiles:
    """Return the files without those that are refused, which are told by reason."""
    root = os.path.realpath(folder)
    refused: dict[str, dict[str, None]] = {}
    for name in dict.fromkeys(filter(None, names)):
        reason = _refusal(name, root)
        if reason is not None:
            refused.setdefault(reason, {})[name] = None
    without = {name for some in refused.values() for name in some}
    kept = tuple("" if name in without else name for name in names)
    for reason, some in refused.items():
        count = sum(name in some for name in names)
        problems.append(_complaint(reason, list(some), count, any(kept), file, column))
    return ImageFiles(folder, kept)


def _refusal(name: str, root: str) -> str | None:
    """Return why a name is not used; None where it is that of a file inside the real path `root`."""
    address, outside, absent = _REFUSALS
    if "://" in name or name.lower().startswith("data:"):
        return address
    try:
        path = os.path.realpath(os.path.join(root, name))
        if os.path.commonpath([root, path]) != root:
            return outside
        return None if os.path.isfile(path) else absent
    except (OSError, ValueError):  # too long, a zero byte, another drive, links that go round
        return absent


def _complaint(
    reason: str, names: Sequence[str], count: int, others: bool, file: str | None, column: str
) -> Problem:
    """Return what is told of names; train repeats it, with the first of them, among the run's notes."""
    listed = listed_names(names)
    return Problem(
        f"image files cannot be used: {reason}, as {listed}; these items lack the image",
        "names of files, relative to their folder and inside it",
        listed,
        _REFUSALS[reason],
        file=file,
        column=column,
        count=count,
        severity="warning" if others else "error",
        mended=others,
    )
