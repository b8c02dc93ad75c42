"""Every endpoint of the description is a method of both clients, with its parameters and its answer."""

from __future__ import annotations

import inspect
from typing import Any

import httpx
import pytest

from polyscene.client import AsyncClient, Client
from polyscene.client.clients import Endpoints
from polyscene.client.endpoint import Endpoint, LinesEndpoint, Walk
from polyscene.serving.app import build_api
from polyscene.serving.service import Service
from polyscene.serving.tenants import Tenants

METHODS: dict[str, Any] = {
    one.line: one
    for name in dir(Endpoints)
    if isinstance(one := getattr(Endpoints, name), Endpoint | LinesEndpoint)
}
RENAMED = {"Idempotency-Key": "key", "fields": "fields"}


@pytest.fixture(scope="module")
def operations(run: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    service = Service.open(run, tmp_path_factory.mktemp("described"))
    api = build_api(Tenants([service])).openapi()
    service.close()
    return {
        f"{method.upper()} {path}": one | {"schemas": api["components"]["schemas"]}
        for path, ways in api["paths"].items()
        for method, one in ways.items()
    }


def test_every_endpoint_has_one_method_and_no_other(operations: dict[str, Any]) -> None:
    assert set(METHODS) == set(operations)
    lines = [getattr(Endpoints, name) for name in dir(Endpoints)]
    assert len(METHODS) == sum(isinstance(one, Endpoint | LinesEndpoint) for one in lines)


def test_every_parameter_can_be_said(operations: dict[str, Any]) -> None:
    for line, operation in operations.items():
        taken = set(inspect.signature(METHODS[line].describe).parameters) - {"self"}
        names = {one["name"] for one in operation.get("parameters", ())}
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if body is not None:
            names |= set(operation["schemas"][body["schema"]["$ref"].rpartition("/")[2]]["properties"])
        if line == "POST /v1/items/{scenario}/bulk":
            names.add("rows")
        if line == "POST /v1/explanations/why-not":
            names.remove("reasons")  # it never gives any
        assert taken == {RENAMED.get(name, name) for name in names}, line


def test_every_answer_is_read_as_it_is_described(operations: dict[str, Any]) -> None:
    for line, operation in operations.items():
        answer = next(one for status, one in operation["responses"].items() if status.startswith("2"))
        ((kind, described),) = answer["content"].items()
        if kind == "application/json":
            assert described["schema"]["$ref"].rpartition("/")[2] == METHODS[line].kind.__name__, line
        else:
            assert METHODS[line].kind is str, line


def test_defaults_are_those_of_the_service(operations: dict[str, Any]) -> None:
    """What is always sent must be what the service would take where it is left out."""
    differing = []
    for line, operation in operations.items():
        usual = {one["name"]: one["schema"].get("default") for one in operation.get("parameters", ())}
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if body is not None:
            properties = operation["schemas"][body["schema"]["$ref"].rpartition("/")[2]]["properties"]
            usual |= {name: one.get("default") for name, one in properties.items()}
        for name, parameter in inspect.signature(METHODS[line].describe).parameters.items():
            default = parameter.default
            if default not in (inspect.Parameter.empty, None) and default != usual.get(name):
                differing.append((line, name))
    assert differing == []


def test_both_clients_have_the_same_methods() -> None:
    public = [{name for name in dir(kind) if not name.startswith("_")} for kind in (Client, AsyncClient)]
    assert public[0] == public[1]
    assert {name for name in public[0] if isinstance(getattr(Client, name), Walk)} == {
        "all_items",
        "all_users",
        "all_slates",
    }


def test_a_method_looks_as_what_it_is(operations: dict[str, Any]) -> None:
    with Client(transport=httpx.MockTransport(lambda request: httpx.Response(200))) as client:
        method = client.similar_items
        assert method.__name__ == "similar_items"
        assert list(inspect.signature(method).parameters) == ["scenario", "item", "k"]
    for line, method in METHODS.items():
        assert method.__doc__, line
