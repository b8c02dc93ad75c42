from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from polyscene.core.threads import (
    available_cpus,
    cpu_flags,
    has_fast_bfloat16,
    prepare_environment,
    set_threads,
)

AVX512 = frozenset({"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"})


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield
    set_threads(before)


def test_environment_is_prepared_but_never_overruled() -> None:
    fresh: dict[str, str] = {}
    prepare_environment(fresh, AVX512)
    assert fresh == {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_CORETYPE": "SKYLAKEX"}
    chosen = {"OMP_WAIT_POLICY": "ACTIVE", "OPENBLAS_CORETYPE": "HASWELL"}
    prepare_environment(chosen, AVX512)
    assert chosen == {"OMP_WAIT_POLICY": "ACTIVE", "OPENBLAS_CORETYPE": "HASWELL"}
    older: dict[str, str] = {}
    prepare_environment(older, AVX512 - {"avx512f"})
    assert older == {"OMP_WAIT_POLICY": "PASSIVE"}


def test_flags_are_read_where_the_system_tells(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("processor\t: 0\nflags\t\t: fpu avx512_bf16 sse\n\nprocessor\t: 1\n")
    assert cpu_flags(file) == {"fpu", "avx512_bf16", "sse"}
    assert cpu_flags(tmp_path / "missing") == frozenset()


def test_bfloat16_needs_hardware() -> None:
    assert has_fast_bfloat16(frozenset({"amx_bf16"}))
    assert has_fast_bfloat16(frozenset({"avx512_bf16"}))
    assert not has_fast_bfloat16(AVX512)


def test_threads_reach_torch_and_what_loads_later() -> None:
    assert set_threads(2) == 2
    assert torch.get_num_threads() == 2
    assert os.environ["OMP_NUM_THREADS"] == "2"


def test_default_is_the_environment_then_all_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3,1")
    assert set_threads() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert set_threads() == available_cpus() >= 1


def test_no_threads_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 thread"):
        set_threads(0)


def test_module_is_free_of_torch() -> None:
    code = "import sys, polyscene.core.threads as t; t.set_threads(1); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
