"""Removes users from a run's folder: their ids, and what they did.

What all events together have taught (counts, links between items, weights) stays: it tells of nobody. Links
between people go, and what a signal's file holds of what single people did. A folder is rewritten file by
file, each whole or not at all, the events first, so that one that was interrupted is found again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import polars as pl

from polyscene.core.arrays import load_arrays, save_arrays
from polyscene.core.errors import RunError
from polyscene.core.files import replacing
from polyscene.engine.catalogue import ERASED
from polyscene.recommenders.abilities import ErasesUsers
from polyscene.recommenders.registry import SIGNALS
from polyscene.runs.folder import MANIFEST
from polyscene.runs.system_files import EVENTS, USERS


def erase_from_run(folder: Path, is_erased: Callable[[str], bool]) -> int:
    """Remove users from a run's files and return how many ids of its numbering were theirs.

    Args:
        is_erased: tells by a user's id whether they are to be removed.

    Raises:
        RunError: the folder cannot be read or written.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        local = _local(manifest)
        ids = pl.read_parquet(folder / USERS, memory_map=False)["id"].cast(pl.String).to_list()
        codes = [code for code, name in enumerate(ids) if is_erased(_user(name, local))]
        if codes:
            for scenario in manifest["system"]["scenarios"].values():
                _drop(folder / scenario["folder"] / EVENTS, codes)
                _drop_from_signals(folder / scenario["folder"], scenario["fitted"], codes)
            for code in codes:
                ids[code] = f"{ERASED}{code}"
            _write(folder / USERS, pl.DataFrame({"id": pl.Series(ids, dtype=pl.String)}))
    except (OSError, KeyError, TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise RunError(
            f"expected a run that can be rewritten in {folder}, found {error!r}; mend its files, or remove it"
        ) from error
    return len(codes)


def _local(manifest: dict[str, object]) -> tuple[str, ...]:
    """Return what stands before the ids of users who are known in one scenario alone."""
    settings = manifest["settings"]
    scenarios = settings["scenarios"] if isinstance(settings, dict) else {}
    return tuple(f"{name}/" for name, one in scenarios.items() if one.get("users_are_local"))


def _user(name: str, local: tuple[str, ...]) -> str:
    prefix = next((prefix for prefix in local if name.startswith(prefix)), "")
    return name.removeprefix(prefix)


def _drop(path: Path, codes: list[int]) -> None:
    events = pl.read_parquet(path, memory_map=False)
    kept = events.filter(~pl.col("user").is_in(codes))
    if kept.height < events.height:
        _write(path, kept)


def _drop_from_signals(home: Path, fitted: Iterable[str], codes: list[int]) -> None:
    for name in fitted:
        kind: object = SIGNALS[name]
        if isinstance(kind, ErasesUsers):
            path = home / f"{name}.safetensors"
            kept = kind.erased(load_arrays(path), np.array(codes, np.int32))
            with replacing(path) as partial:
                save_arrays(partial, kept)


def _write(path: Path, frame: pl.DataFrame) -> None:
    with replacing(path) as partial:
        frame.write_parquet(partial)
