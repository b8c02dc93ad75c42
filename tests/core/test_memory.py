from __future__ import annotations

import subprocess
import sys

CHILD = """
import resource
import numpy as np
from polyscene.core.memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.full(4_000_000, 1.0)  # 32 MB, beyond what is ever kept unasked
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

usual = faults()
kept = keep_freed_memory()
faults()
print(int(kept), usual, faults())
"""


def test_memory_that_is_kept_needs_no_fresh_pages() -> None:
    child = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    kept, usual, after = (int(number) for number in child.stdout.split())
    assert not kept or after < usual / 10
