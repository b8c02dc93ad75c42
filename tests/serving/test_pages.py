"""The pages need nothing from elsewhere, and no text of an item can become part of them."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest
from starlette.testclient import TestClient


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_needs_nothing_from_elsewhere(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.headers["content-type"].startswith("text/html")
    assert not re.search(r"https?://|src=|@import|url\(", answer.text)
    assert '<html lang="en">' in answer.text
    assert 'name="viewport"' in answer.text
    assert "color-scheme: light dark" in answer.text


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_may_run_only_what_is_in_it(client: TestClient, path: str) -> None:
    answer = client.get(path)
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")
    for kind, content in re.findall(r"<(script|style)>(.*?)</\1>", answer.text, re.DOTALL):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert not re.search(r"\son\w+=|\sstyle=", answer.text)  # the policy would refuse them


def test_texts_are_set_as_text(client: TestClient) -> None:
    script = client.get("/").text
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", script)
    assert "textContent" in script


def test_every_control_has_a_name(client: TestClient) -> None:
    page = client.get("/").text
    labels = re.findall(r"<label>(.*?)</label>", page, re.DOTALL)
    assert sum(label.count("<input") for label in labels) == page.count("<input")
    assert 'aria-live="polite"' in page


def test_the_page_asks_only_endpoints_that_are_there(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    asked = set(re.findall(r'ask\("(/[\w/]+)', client.get("/").text))
    assert asked == {"/v1/recommendations", "/v1/history", "/v1/events", "/v1/scenarios", "/v1/users"}
    assert asked <= set(paths)


def test_the_list_of_endpoints_names_all_of_them(client: TestClient) -> None:
    page = client.get("/docs").text
    for path in client.get("/openapi.json").json()["paths"]:
        assert path in page
