"""The OpenAPI description says what every endpoint answers, and with which statuses it refuses."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from polyscene.serving.failures import STATUS
from polyscene.serving.refusals import CONFLICT, OTHER_KIND, UNKNOWN_ID

Client = TestClient


def test_the_description_tells_every_error_in_the_one_shape(client: Client) -> None:
    api = client.get("/openapi.json").json()
    assert api["components"]["schemas"]["Error"]["properties"]["error"]["properties"]["code"]["enum"] == list(
        STATUS
    )
    for path, methods in api["paths"].items():
        for operation in methods.values():
            assert "default" not in operation["responses"]
            for status, response in operation["responses"].items():
                if int(status) >= 400 and (path, status) != ("/health/ready", "503"):
                    schema = response["content"]["application/json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/Error"}
            assert operation["summary"]
            assert operation["description"]


@pytest.mark.parametrize(
    ("path", "method", "expected"),
    [
        ("/v1/events", "post", "200 400 401 403 408 409 413 422 429 503"),
        ("/v1/recommendations", "post", "200 400 401 403 404 408 413 422 429 503"),
        ("/v1/items/{scenario}/bulk", "post", "202 400 401 403 404 408 413 415 422 429 503"),
        ("/v1/models/{run}/activate", "post", "200 401 403 404 409 422 429 503"),
        ("/v1/scenarios", "get", "200 401 403 429 503"),
        ("/v1/users/{user}/export", "get", "200 401 403 422 429 503"),
        ("/health/ready", "get", "200 403 503"),
    ],
)
def test_the_description_tells_each_endpoints_statuses(
    client: Client, path: str, method: str, expected: str
) -> None:
    responses = client.get("/openapi.json").json()["paths"][path][method]["responses"]
    assert sorted(responses) == expected.split()


def test_what_is_said_of_statuses_is_said_of_endpoints_that_are_there(client: Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    lines = {f"{method.upper()} {path}" for path, ways in paths.items() for method in ways}
    assert lines >= UNKNOWN_ID | CONFLICT | OTHER_KIND
