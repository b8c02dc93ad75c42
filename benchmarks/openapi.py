"""Ask every endpoint what its OpenAPI description lets be asked, and see whether it answers as described.

    python benchmarks/openapi.py --examples 200 --json openapi.json

schemathesis draws the requests, half of them with ids that are known, so that answers of every kind come.
Each answer must be no 5xx and have a status, a content type and a shape that the description names. The
application is asked directly, without a socket, over a run of a small sample world.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

import prepared  # noqa: F401 - numpy reads it when it loads
from polyscene.evaluation.provenance import machine, versions
from polyscene.project import Project
from polyscene.runs.run import Run
from polyscene.sample.world import SampleWorld
from polyscene.serving.app import build_app
from polyscene.serving.service import Service
from showing import table, write_json

Statuses: TypeAlias = dict[str, Counter[int]]

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
ROW = b'{"item_id": "lamp-7", "title": "Brass desk lamp", "price": 39.5}\n'
LINES = "application/x-ndjson"
SCENARIO, PATIENCE = "shop", 60.0
RARE = ("cursor", "filter", "policy", "only", "exclude", "history", "events", "seen", "time", "id")
"""What a request with known ids leaves out: made up, they would have it refused."""
LEAVING = "leaving"
"""The user who is erased."""
PATHS = {
    "DELETE /v1/items/{scenario}/{item}": {"item": "lamp-7"},
    "POST /v1/users/{user}/erasure": {"user": LEAVING},
}
BODIES: dict[str, dict[str, Any]] = {
    "PUT /v1/items/{scenario}/{item}": {"fields": {"title": "Brass desk lamp", "price": 39.5}},
    "PATCH /v1/items/{scenario}/{item}": {"fields": {"price": 34.5}},
    "PUT /v1/rules/{scenario}": {"rules": [{"name": "sold out", "kind": "block", "items": ["lamp-7"]}]},
}
"""What must fit the scenario, in place of what was made up."""


@schemathesis.serializer(LINES)
def _lines(context: object, value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


class KnownIds:
    """Puts ids that are known into requests.

    Args:
        client: of a service of a sample world; it is asked for a slate, a job and an erasure.
        runs: ids of runs of the project.
    """

    def __init__(self, client: TestClient, runs: Sequence[str]) -> None:
        users = client.get("/v1/users?limit=5").json()["users"]
        items = [item["id"] for item in client.get(f"/v1/items/{SCENARIO}?limit=2").json()["items"]]
        slate = client.post("/v1/recommendations", json={"user": users[0], "scenario": SCENARIO})
        job = client.post(f"/v1/items/{SCENARIO}/bulk", content=ROW, headers={"Content-Type": LINES})
        erased = client.post(f"/v1/users/{LEAVING}/erasure")
        self._choices: Mapping[str, Sequence[str]] = {
            "user": users,
            "item": items,
            "scenario": [SCENARIO],
            "action": ["click"],
            "decision": [slate.json()["decision"]],
            "job": [job.json()["id"]],
            "receipt": [erased.json()["id"]],
            "run": runs,
        }

    def put(self, case: Any, data: st.DataObject) -> None:  # noqa: ANN401 - of schemathesis
        """Put them into a request."""
        label = case.operation.label
        if isinstance(case.body, dict):
            case.body = self._body(label, case.body, data)
        elif label.endswith("/bulk"):
            case.body = ROW
        case.path_parameters = self._known(case.path_parameters or {}, data) | PATHS.get(label, {})
        names = [one.name for one in case.operation.query]
        case.query = self._known(dict.fromkeys(names, "") | (case.query or {}), data)
        if label.endswith("/activate"):
            case.query = {"force": "true"}
        if label.startswith("GET /v1/erasures"):
            case.query = {"user": LEAVING}

    def _body(self, label: str, body: dict[str, Any], data: st.DataObject) -> dict[str, Any]:
        if label.endswith("/batch"):
            return {"events": [self._known(event, data) for event in body["events"]]}
        usual = (
            {"scenario": SCENARIO} if label.endswith(("/recommendations", "/predictions", "/why-not")) else {}
        )
        listed = {"items": [*self._choices["item"]]} if label.endswith("/predictions") else {}
        return self._known(body | usual, data) | listed | BODIES.get(label, {})

    def _known(self, values: Mapping[str, Any], data: st.DataObject) -> dict[str, Any]:
        return {
            name: data.draw(st.sampled_from(self._choices[name])) if name in self._choices else value
            for name, value in values.items()
            if name not in RARE and (value != "" or name in self._choices)
        }


def examined(service: Service, runs: Sequence[str], examples: int, seed_of_draws: int) -> Statuses:
    """Ask every endpoint; return how often each status came.

    Args:
        runs: ids of runs of the project.
        examples: requests for each endpoint.

    Raises:
        schemathesis.errors.FailureGroup: an answer is not as described; it holds the request as a curl line.
    """
    client = TestClient(build_app(service), "http://localhost", raise_server_exceptions=False)
    known = KnownIds(client, runs)
    schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    statuses: Statuses = {}
    operations = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    for operation in sorted(operations, key=lambda one: one.label.endswith("/rollback")):  # after activations
        statuses[operation.label] = Counter[int]()
        for ids in (None, known):  # as they are made up, and with ids that are known
            counts = _asked(service, client, operation, ids, -(-examples // 2), seed_of_draws)
            statuses[operation.label] += counts
    return statuses


def _asked(
    service: Service,
    client: TestClient,
    operation: Any,  # noqa: ANN401 - of schemathesis
    known: KnownIds | None,
    examples: int,
    seed_of_draws: int,
) -> Counter[int]:
    counts = Counter[int]()

    @seed(seed_of_draws)
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(), data=st.data())
    def ask(case: Any, data: st.DataObject) -> None:  # noqa: ANN401 - of schemathesis
        if known is not None:
            known.put(case, data)
        sent = case.as_transport_kwargs(base_url="http://localhost")
        sent.pop("cookies", None)
        if isinstance(sent.get("data"), bytes):
            sent["content"] = sent.pop("data")
        answer = client.request(**sent)
        case.validate_response(answer, checks=CHECKS)
        counts[answer.status_code] += 1
        for job in service.management.jobs.latest(1):
            service.management.jobs.wait(job.id, PATIENCE)

    ask()
    return counts


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask, print, write; an answer that is not as described ends it with its curl line."""
    options = _parser().parse_args(arguments)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        SampleWorld.generate(options.seed, 120, 40, 20).write(Path(folder))
        run = Project.open(Path(folder) / "polyscene.toml").train()
        service = Service.open(run, Path(folder) / "service")
        statuses = examined(service, [run.id, Run(run.folder).save().id], options.examples, options.seed)
        service.close()
    rows = [
        [name, ", ".join(f"{status}: {count}" for status, count in sorted(counts.items()))]
        for name, counts in statuses.items()
    ]
    print(table(["endpoint", "answers by status"], rows))
    seconds = time.perf_counter() - start
    if options.json is not None:
        about = {"examples": options.examples, "seed": options.seed, "seconds": seconds}
        write_json(options.json, about | {"machine": machine(), "versions": versions(), "statuses": statuses})
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--examples", type=int, default=200, metavar="N", help="for each endpoint; default: 200"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="of the world and the requests")
    return parser


if __name__ == "__main__":
    sys.exit(main())
