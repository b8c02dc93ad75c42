"""Compiled loops are loaded when they are worth it, and not before."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from polyscene.core.compiled import REQUESTS_BEFORE_LOADING, nowhere, short_zeros, zeros

PROBE = f"""
import sys
from polyscene.recommenders.links import KERNELS
from polyscene.core.compiled import kernels_for
first = [kernels_for(1, KERNELS) for _ in range({REQUESTS_BEFORE_LOADING - 1})]
print(set(first), "numba" in sys.modules, kernels_for(1, KERNELS) is not None, "numba" in sys.modules)
"""


def test_a_process_that_answers_a_few_requests_does_without() -> None:
    shown = subprocess.run([sys.executable, "-c", PROBE], check=True, capture_output=True, text=True).stdout
    assert shown.split("\n")[0] == "{None} False True True"


def test_working_memory_is_one_array_that_grows() -> None:
    first = zeros(5)
    assert np.shares_memory(first, zeros(3))
    assert zeros(500).tolist() == [0.0] * 500


def test_every_kind_of_working_memory_holds_what_it_says() -> None:
    assert nowhere(4).tolist() == [-1] * 4
    assert nowhere(4).dtype == np.int64
    assert short_zeros(4).tolist() == [0.0] * 4
    assert short_zeros(4).dtype == np.float32
    assert not np.shares_memory(short_zeros(4), zeros(4))
