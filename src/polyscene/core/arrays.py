"""Fitted parts on disk: named arrays as safetensors, never pickle, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
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
