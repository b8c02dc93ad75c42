"""What a step costs: seconds, and peak memory of its process. Free of Polyscene, for the peers."""

from __future__ import annotations

import re
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MEBI = 2**20
STATUS = Path("/proc/self/status")


@dataclass
class Cost:
    """Of one step.

    Attributes:
        seconds: by the wall clock.
        processor_seconds: of all the threads of the process, which count the same on a busy machine.
        peak_mb: the highest resident memory of the process from its start to the end of the step, in MiB.
    """

    seconds: float = 0.0
    peak_mb: float = 0.0
    processor_seconds: float = 0.0

    def to_json(self) -> dict[str, float]:
        """Return the numbers, rounded."""
        return {
            "seconds": round(self.seconds, 3),
            "processor_seconds": round(self.processor_seconds, 3),
            "peak_mb": round(self.peak_mb, 1),
        }


@contextmanager
def measured() -> Iterator[Cost]:
    """Measure what happens inside; the numbers are there afterwards."""
    cost, start, busy = Cost(), time.perf_counter(), time.process_time()
    yield cost
    cost.seconds, cost.processor_seconds = time.perf_counter() - start, time.process_time() - busy
    cost.peak_mb = peak_mb()


def peak_mb() -> float:
    """Return the highest resident memory of this process so far, in MiB.

    Linux is asked for the program's own peak: `ru_maxrss` also counts what its parent held when it forked.
    """
    if STATUS.is_file():
        match = re.search(r"^VmHWM:\s+(\d+) kB", STATUS.read_text(), re.MULTILINE)
        if match:
            return int(match[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (MEBI if sys.platform == "darwin" else 1024)


def resident_mb() -> float:
    """Return the memory that this process holds now, in MiB."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
