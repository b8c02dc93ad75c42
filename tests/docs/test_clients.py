"""The examples of the page on clients run against the service, and name every method."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import uvicorn

from polyscene.client import Client
from polyscene.runs.run import Run
from polyscene.serving.app import build_app
from polyscene.serving.service import Service

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture
def url(run: Run, tmp_path: Path) -> Iterator[str]:
    """Return where a service listens that has two runs."""
    own = Run(shutil.copytree(run.folder, tmp_path / "own" / "runs" / "polyscene" / run.id))
    own.save()
    service = Service.open(own, tmp_path / "service")
    config = uvicorn.Config(build_app(service), port=0, log_level="warning", lifespan="off", ws="none")
    listening = config.bind_socket()
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    service.close()


def test_every_example_runs(url: str) -> None:
    names: dict[str, Any] = {}
    output = StringIO()
    with redirect_stdout(output):
        for example in EXAMPLES:
            exec(compile(example.replace("http://127.0.0.1:8000", url), str(PAGE), "exec"), names)
    assert "P0" in output.getvalue()
    assert len(names["lines"]) > 3
    assert names["receipt"].complete


def test_every_method_has_an_example() -> None:
    methods = {name for name in dir(Client) if not name.startswith("_")} - {"send", "stream"}
    called = set(re.findall(r"\bclient\.(\w+)\(", "".join(EXAMPLES)))
    assert methods == called
