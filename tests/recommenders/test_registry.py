from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from polyscene.core.errors import RunError
from polyscene.core.settings.signals import SignalName
from polyscene.recommenders.registry import SIGNALS, load_arrays, save_arrays


def test_the_registry_holds_what_the_settings_offer() -> None:
    assert set(SIGNALS) == set(get_args(SignalName))


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
    found = load_arrays(tmp_path / "a.safetensors")
    assert found.keys() == state.keys()
    for name, array in state.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)


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
