"""The public sets that Polyscene knows by name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from polyscene.core.errors import DataError, Problem, UnknownIdError
from polyscene.core.progress import Progress, Silent
from polyscene.core.text import shown
from polyscene.data.public import (
    amazon_2018,
    amazon_2023,
    mind,
    movielens_1m,
    movielens_100k,
    movielens_csv,
    online_retail,
    open_bandit,
    upworthy,
)
from polyscene.data.public.base import PublicSet
from polyscene.data.public.fetch import fetch

_SETS: Mapping[str, PublicSet] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            movielens_100k.SET,
            movielens_1m.SET,
            *movielens_csv.SETS,
            *mind.SETS,
            amazon_2018.SET,
            amazon_2023.SET,
            online_retail.SET,
            open_bandit.SET,
            upworthy.SET,
        )
    }
)


def public_sets() -> Mapping[str, PublicSet]:
    """Return all public sets by name."""
    return _SETS


def public_set(name: str) -> PublicSet:
    """Return one public set.

    Raises:
        UnknownIdError: none is called so; the nearest name is told.
    """
    if name in _SETS:
        return _SETS[name]
    near = difflib.get_close_matches(name, list(_SETS), n=1, cutoff=0.4)
    hint = f"did you mean '{near[0]}'?" if near else "known are " + ", ".join(_SETS)
    raise UnknownIdError(f"there is no public set {shown(name)}; {hint}")


def download(name: str, into: Path, progress: Progress | None = None) -> Path:
    """Fetch a public set from its publisher. Nothing else in Polyscene's data reaches for the network.

    Args:
        name: the set's.
        into: the folder under which its own folder is made.
        progress: who listens.

    Returns:
        the folder with the published files, ready for `PublicSet.prepare`.

    Raises:
        UnknownIdError: there is no such set.
        DataError: the set offers no download, or it failed or did not match its checksum.
    """
    wanted = public_set(name)
    if wanted.archive is None:
        raise DataError(
            Problem(
                "this set cannot be downloaded from here",
                "a set whose publisher gives a checksum",
                wanted.title,
                f"get it from {wanted.homepage}, unpack it, and name its folder",
            )
        )
    return fetch(wanted.archive, into, progress or Silent())
