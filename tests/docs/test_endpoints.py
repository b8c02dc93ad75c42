"""Every endpoint, code and limit of the service is documented with an example that runs, and no other."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient

from polyscene.core.settings.service import ServiceSettings
from polyscene.project import Project
from polyscene.runs.run import Run
from polyscene.serving import limits
from polyscene.serving.app import build_app
from polyscene.serving.failures import STATUS
from polyscene.serving.service import Service
from polyscene.serving.stores.contract import MAX_DECISIONS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "serving.md"
TEXT = PAGE.read_text(encoding="utf-8")
SECTIONS = re.findall(r"^### ([A-Z]+ /\S*)\n(.*?)(?=^#)", TEXT, re.DOTALL | re.MULTILINE)

MOVING = ("/{item}/movement", "/{item}/rollback")
"""Ends of the endpoints that a run without a posterior refuses."""


@pytest.fixture
def own_run(run: Run, tmp_path: Path) -> Run:
    """Return a copy of the run that may be changed."""
    return Run(shutil.copytree(run.folder, tmp_path / "own" / "runs" / "polyscene" / run.id))


@pytest.fixture
def client(own_run: Run, tmp_path: Path) -> Iterator[TestClient]:
    service = Service.open(own_run, tmp_path / "service")
    yield TestClient(build_app(service), "http://127.0.0.1:8000")
    service.close()


def curl(client: TestClient, line: str) -> tuple[int, dict[str, Any]]:
    """Do what a line of curl does; return the status and the JSON of the answer."""
    words = shlex.split(line.replace("\\\n", " "))
    assert words.pop(0) == "curl"
    url, headers, body, method = "", {}, None, ""
    while words:
        word = words.pop(0)
        if word == "-H":
            name, _, value = words.pop(0).partition(": ")
            headers[name] = value
        elif word in ("-d", "--data-binary"):
            body = words.pop(0)
        elif word == "-X":
            method = words.pop(0)
        else:
            url = word
    method = method or ("GET" if body is None else "POST")
    place = urlsplit(url)
    assert place.netloc == "127.0.0.1:8000"
    answer = client.request(method, f"{place.path}?{place.query}", headers=headers, content=body)
    is_json = answer.headers["content-type"] == "application/json"
    return answer.status_code, answer.json() if is_json else {}


def test_every_endpoint_has_a_section(client: TestClient) -> None:
    api = client.get("/openapi.json").json()["paths"]
    expected = {f"{method.upper()} {path}" for path, methods in api.items() for method in methods}
    assert {name for name, _ in SECTIONS} == expected


@pytest.fixture
def believing_client(believing: Project, tmp_path: Path) -> Iterator[TestClient]:
    service = Service.open(Run(believing.run(believing.runs()[0]).folder), tmp_path / "believing")
    yield TestClient(build_app(service), "http://127.0.0.1:8000")
    service.close()


def test_examples_of_movement_run_where_there_is_a_posterior(
    client: TestClient, believing_client: TestClient
) -> None:
    sections = [(name, text) for name, text in SECTIONS if name.endswith(MOVING)]
    assert len(sections) == len(MOVING)
    for name, text in sections:
        for example in re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            status, value = curl(believing_client, example)
            assert status == 200, (name, value)
            status, value = curl(client, example)
            assert status == STATUS["invalid"]
            assert "which alone moves items" in value["error"]["message"]


def test_every_example_runs(client: TestClient, own_run: Run) -> None:
    names = {"RUN": own_run.save().id}
    for name, text in SECTIONS:
        if name.endswith(MOVING):
            continue
        examples = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        assert examples, name
        for example in examples:
            for variable, text_of in names.items():
                example = example.replace(f"${variable}", text_of)
            status, value = curl(client, example)
            assert status == (202 if name.endswith("/bulk") else 200), (name, value)
            kind = {"/bulk": "JOB", "/erasure": "RECEIPT"}.get(name[name.rindex("/") :])
            names |= {kind: str(value["id"])} if kind else {}
            names |= {"DECISION": str(value["decision"])} if "decision" in value else {}


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_the_readmes_lines_change_the_slate(client: TestClient, page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    lines = re.findall(r"^curl .*?[^\\]$", text, re.DOTALL | re.MULTILINE)
    answers = [curl(client, line) for line in lines]
    assert [status for status, _ in answers] == [200, 200, 200]
    first, receipt, second = (value for _, value in answers)
    assert receipt["offset"]
    assert [place["id"] for place in first["items"]] != [place["id"] for place in second["items"]]


def test_every_code_is_told_with_its_status() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \|", TEXT, re.MULTILINE)
    assert {code: int(status) for code, status in rows} == STATUS


def test_limits_are_those_of_the_code() -> None:
    text = " ".join(TEXT.split())
    usual = ServiceSettings()
    assert usual.body_bytes == 2**20
    assert usual.batch_events == limits.MAX_EVENTS_PER_BATCH
    parts = (
        f"1 MiB and {usual.body_seconds:.0f} seconds for a body",
        f"{limits.MAX_EVENTS_PER_BATCH:,} events in a batch",
        f"{limits.MAX_SLATE} items in a slate",
        f"{limits.MAX_EXCLUDED:,} excluded",
        f"{limits.MAX_HISTORY} in a history",
        f"{limits.MAX_ID_LENGTH} characters for an id",
    )
    assert ", ".join(parts) in text
    assert f"more than {usual.requests_at_once} requests at once" in text
    assert limits.MAX_SECONDS_AHEAD == 5 * 60
    assert f"The last {MAX_DECISIONS:,} decisions" in text
