"""How many processor threads the numeric libraries use, and what the processor can do.

Free of torch. `prepare_environment` counts only for libraries that are loaded after it, so programs call
it first; `set_threads` also reaches the ones that are loaded already.
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping
from functools import cache
from pathlib import Path

from threadpoolctl import threadpool_limits

_SKYLAKEX = frozenset({"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"})
_CPUINFO = Path("/proc/cpuinfo")


@cache
def cpu_flags(cpuinfo: Path = _CPUINFO) -> frozenset[str]:
    """Return what the processor says it can do, e.g. "avx512_bf16"; empty where the system does not tell."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def has_fast_bfloat16(flags: frozenset[str] | None = None) -> bool:
    """Return whether the processor multiplies bfloat16 in hardware."""
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(cpu_flags() if flags is None else flags)


def prepare_environment(
    environ: MutableMapping[str, str] | None = None, flags: frozenset[str] | None = None
) -> None:
    """Set what numpy and torch read when they load, where the user has not decided otherwise.

    Waiting threads sleep (`OMP_WAIT_POLICY`): spinning ones starve each other on shared cores. OpenBLAS
    mistakes some new AVX-512 processors for old ones, so it is told what they can do.

    Args:
        environ: the variables to change; default: this process's own.
        flags: the processor's flags; default: this machine's.
    """
    target = os.environ if environ is None else environ
    target.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if (cpu_flags() if flags is None else flags) >= _SKYLAKEX:
        target.setdefault("OPENBLAS_CORETYPE", "SKYLAKEX")


def available_cpus() -> int:
    """Return how many processors this process may use; at least 1."""
    if sys.platform == "linux":
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def set_threads(threads: int | None = None) -> int:
    """Limit the numeric libraries of this process to `threads` threads, for good.

    Args:
        threads: at least 1; None means `OMP_NUM_THREADS` where it is set, else every processor that this
            process may use.

    Returns:
        The number that is now in force.

    Raises:
        ValueError: `threads` is less than 1.
    """
    if threads is not None and threads < 1:
        raise ValueError(f"expected at least 1 thread, found {threads}; leave it out to use every processor")
    count = threads or _from_environment(os.environ.get("OMP_NUM_THREADS", "")) or available_cpus()
    os.environ["OMP_NUM_THREADS"] = str(count)
    threadpool_limits(limits=count)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(count)
    return count


def _from_environment(text: str) -> int:
    first = text.split(",")[0].strip()
    return int(first) if first.isdecimal() else 0
