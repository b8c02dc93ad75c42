"""What machine and which versions a number was made on; nothing that names the machine or its user."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

PACKAGES = ("polyscene", "numpy", "polars", "scipy", "torch", "transformers", "implicit")
_CPU_TABLE = Path("/proc/cpuinfo")


def machine() -> dict[str, str | int]:
    """Return processor, number of usable CPUs, system and Python version."""
    return {
        "processor": _processor(),
        "cpus": _usable_cpus(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """Return the installed versions of what the numbers depend on; absent ones are left out."""
    installed = {}
    for package in PACKAGES:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return installed


def _usable_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    if _CPU_TABLE.is_file():
        for line in _CPU_TABLE.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
