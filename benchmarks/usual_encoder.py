"""sentence-transformers in a process and an environment of its own: what anybody would write."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from polyscene.core.types import FloatArray

ROOT = Path(__file__).resolve().parents[1]
REFERENCE_NAME = "sentence-transformers"
REFERENCE = """
import json, sys, time
import numpy, torch
from sentence_transformers import SentenceTransformer

folder, texts, out, threads = sys.argv[1:]
torch.set_num_threads(int(threads))
texts = json.load(open(texts, encoding="utf-8"))
model = SentenceTransformer(folder, device="cpu")
numpy.save(out, model.encode(texts[:64]))
print("ready", flush=True)
for line in sys.stdin:
    part = texts if line.strip() == "all" else texts[int(line)]
    start, work = time.perf_counter(), time.process_time()
    found = model.encode(part)
    print(time.perf_counter() - start, time.process_time() - work, flush=True)
    if part is texts:
        numpy.save(out, found)
"""
"""What anybody writes; it encodes all texts, or one, when it is told to, and says how long it took."""


def environment(work: Path, base: str) -> Path:
    """Return the Python of the reference's environment, made where it is not there yet.

    Raises:
        CalledProcessError: it could not be made; pip's own words say why.
    """
    folder = work / "environments" / REFERENCE_NAME
    python, ready = folder / "bin" / "python", folder / "ready"
    if not ready.is_file():
        subprocess.run([base, "-m", "venv", "--clear", folder], check=True)
        wanted: list[str | Path] = ["-c", ROOT / "constraints.txt", "sentence-transformers", "torch"]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
        ready.touch()
    return python


class Taken(NamedTuple):
    """What encoding took: seconds by the clock, and seconds of all processors together."""

    clock: float
    work: float


class Reference:
    """sentence-transformers in its own process, waiting to be told what to encode.

    Args:
        python: of an environment that has it.
        model: the folder of the weights.
        texts: what it will be asked for.
        scratch: where texts and vectors are handed over.
        threads: how many it may use.
    """

    def __init__(self, python: Path, model: Path, texts: Sequence[str], scratch: Path, threads: int) -> None:
        handed, self._out = scratch / "texts.json", scratch / "reference.npy"
        handed.write_text(json.dumps(list(texts)), encoding="utf-8")
        command: list[str | Path] = [python, "-W", "ignore", "-c", REFERENCE]
        command += [model, handed, self._out, str(threads)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._answer()

    def seconds(self, what: str) -> Taken:
        """Return what it takes to encode "all" texts, or the one of that number."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        clock, work = self._answer().split()
        return Taken(float(clock), float(work))

    def vectors(self) -> FloatArray:
        """Return what it made of all texts the last time."""
        vectors: FloatArray = np.load(self._out, allow_pickle=False)
        return vectors

    def stop(self) -> None:
        """End it."""
        self._process.communicate()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line: str = self._process.stdout.readline()
        if not line:
            self._process.communicate()
            raise subprocess.CalledProcessError(self._process.returncode, self._process.args)
        return line


@contextmanager
def reference(*options: Any) -> Iterator[Reference]:  # noqa: ANN401 - what `Reference` takes
    """Run the reference while the caller asks it."""
    running = Reference(*options)
    try:
        yield running
    finally:
        running.stop()
