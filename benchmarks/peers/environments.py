"""Environments of the peers' own, made from exact versions. Free of Polyscene."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent


def environment(name: str, work: Path, base: str) -> Path:
    """Return the Python of a peer's environment, made where it is not there yet.

    Args:
        name: of `requirements-NAME.txt`.
        work: the work folder.
        base: the Python to make it from.

    Raises:
        CalledProcessError: it could not be made; pip's own words say why.
    """
    requirements = HERE / f"requirements-{name}.txt"
    digest = hashlib.sha256(requirements.read_bytes() + base.encode()).hexdigest()[:12]
    folder = work / "environments" / f"{name}-{digest}"
    python, ready = folder / "bin" / "python", folder / "ready"
    if not ready.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([base, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", requirements], check=True)
        ready.touch()
    return python
