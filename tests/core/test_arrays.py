from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from polyscene.core.arrays import load_arrays, save_arrays
from polyscene.core.errors import RunError


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    state: dict[str, NDArray[Any]] = {
        "matrix": np.arange(6, dtype=np.float32).reshape(2, 3),
        "turned": np.arange(6, dtype=np.int32).reshape(2, 3).T,
        "every other": np.arange(10, dtype=np.int64)[::2],
        "number": np.array(np.inf),
        "flag": np.array(True),
        "nothing": np.zeros((0, 3), np.float32),
        "other.scène/…": np.ones(1, np.float32),
    }
    save_arrays(tmp_path / "a.safetensors", state)
    restored = load_arrays(tmp_path / "a.safetensors")
    assert restored.keys() == state.keys()
    for name, array in state.items():
        assert restored[name].dtype == array.dtype
        assert restored[name].shape == array.shape
        np.testing.assert_array_equal(restored[name], array)


def test_missing_weights_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"gone\.safetensors.*train again"):
        load_arrays(tmp_path / "gone.safetensors")


@pytest.mark.parametrize("damage", [b"", b"no safetensors at all", b"\xff" * 100])
def test_damaged_weights_say_what_to_do(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(damage)
    with pytest.raises(RunError, match="train again"):
        load_arrays(path)


def test_weights_that_were_cut_short_say_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_arrays(path, {"a": np.ones(100, np.float32)})
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(RunError, match="train again"):
        load_arrays(path)


def test_torch_stays_unloaded() -> None:
    code = "import sys, polyscene.core.arrays; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
