"""Fitted parts on disk: named arrays as safetensors, never pickle, without torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from polyscene.core.errors import RunError
from polyscene.core.files import replacing

Arrays: TypeAlias = dict[str, NDArray[Any]]


def save_arrays(path: Path, arrays: Arrays) -> None:
    """Write named arrays to one file, whole or not at all."""
    with replacing(path) as partial:
        save_file({name: np.asarray(array, order="C") for name, array in arrays.items()}, partial)


def load_arrays(path: Path) -> Arrays:
    """Read named arrays.

    Raises:
        RunError: the file is missing or damaged.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise RunError(f"expected weights in {path}, found {error}; train again") from error


class StoredArrays(Mapping[str, NDArray[Any]]):
    """Named arrays of a file, each read when it is asked for.

    The file stays open: what happens to its name later does not matter.

    Args:
        path: of a file that `save_arrays` wrote.

    Raises:
        RunError: the file is missing or damaged.
    """

    def __init__(self, path: Path) -> None:
        try:
            opened: Any = safe_open(path, framework="numpy")
            self._file, self._names = opened, frozenset(opened.keys())
        except (OSError, SafetensorError) as error:
            raise RunError(f"expected weights in {path}, found {error}; train again") from error

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._names:
            raise KeyError(name)
        array: NDArray[Any] = self._file.get_tensor(name)
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
