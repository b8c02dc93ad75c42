from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from polyscene.core.arrays import StoredArrays, load_arrays, save_arrays
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


def test_stored_arrays_are_read_one_by_one_even_after_the_file_has_gone(tmp_path: Path) -> None:
    path = tmp_path / "space.safetensors"
    save_arrays(path, {"near": np.arange(3.0), "far": np.ones((2, 2), np.float32)})
    stored = StoredArrays(path)
    path.unlink()
    assert sorted(stored) == ["far", "near"]
    assert len(stored) == 2
    assert stored["near"].tolist() == [0.0, 1.0, 2.0]
    assert stored["far"].dtype == np.float32
    with pytest.raises(KeyError):
        stored["nowhere"]


def test_stored_arrays_that_are_none_say_what_to_do(tmp_path: Path) -> None:
    for content in (None, b"", b"x" * 40):
        path = tmp_path / "space.safetensors"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(RunError, match="train again"):
            StoredArrays(path)
