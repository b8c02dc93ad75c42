"""The pages need nothing from elsewhere, and no text of an item can become part of them."""

from __future__ import annotations

import base64
import hashlib
import re
from fnmatch import fnmatch

import pytest
from starlette.testclient import TestClient

from polyscene.serving.page import PARTS, PATHS, text_of
from polyscene.serving.rights import OPEN

OWN = [name for name in PARTS if not name.startswith("vendor/")]
MODULES = [name for name in OWN if name.endswith(".js")]
VENDORED = {
    "vendor/htm.mjs": "ab33dd3f38059b9be4d5f5350128eefb2356639c4e0bbe9d9e8b3ba75847e9e4",
    "vendor/preact-hooks.mjs": "e862ab2973aa6455eaa0f77c5d832d2157d6be59a17c8ba546550a575b58c6b4",
    "vendor/preact.mjs": "bdcbd9abdf2c77c5c45326eab42191e949222d479d0d5f69467387a77040cb55",
}
"""SHA-256 of the library's files as their authors published them."""
LICENCES = {"vendor/LICENSE.htm": "Apache License", "vendor/LICENSE.preact": "The MIT License (MIT)"}


def policy_of(client: TestClient, path: str) -> dict[str, list[str]]:
    """Return what a browser may do with a page, by directive."""
    parts = client.get(path).headers["content-security-policy"].split("; ")
    return {words[0]: words[1:] for words in (part.split() for part in parts)}


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_needs_nothing_from_elsewhere(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.headers["content-type"].startswith("text/html")
    assert not re.search(r"https?://|@import|url\(", answer.text)
    loaded = re.findall(r'(?:src|rel="(?:icon|stylesheet)" href)="(.*?)"', answer.text)
    assert set(loaded) <= set(PATHS)
    assert '<html lang="en">' in answer.text
    assert 'name="viewport"' in answer.text
    assert "light dark" in answer.text


def test_no_part_names_another_place() -> None:
    for name in OWN:
        if not name.endswith(".svg"):
            assert not re.search(r"https?://|@import|url\(", text_of(name)), name


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_may_run_only_what_is_in_it(client: TestClient, path: str) -> None:
    text, policy = client.get(path).text, policy_of(client, path)
    assert policy["default-src"] == ["'none'"]
    assert "unsafe" not in str(policy)
    own = ["'self'"] if path == "/" else []
    for kind in ("script", "style", "img", "connect"):
        contents = re.findall(rf"<{kind}(?: type=\"importmap\")?>(.*?)</{kind}>", text, re.DOTALL)
        digests = [hashlib.sha256(content.encode()).digest() for content in contents]
        hashes = [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]
        assert policy[f"{kind}-src"] == ([*own, *hashes] or ["'none'"])
    assert policy["require-trusted-types-for"] == ["'script'"]
    assert policy["trusted-types"] == ["'none'"]
    assert not re.search(r"\son\w+=|\sstyle=", text)  # the policy would refuse them


def test_every_part_is_given_out_for_what_it_is(client: TestClient) -> None:
    kinds = {"css": "text/css", "svg": "image/svg+xml", "js": "text/javascript", "mjs": "text/javascript"}
    assert len(MODULES) >= 10
    for name, path in zip(PARTS, PATHS, strict=True):
        answer = client.get(path)
        assert answer.text == text_of(name)
        assert answer.headers["content-type"].partition(";")[0] == kinds[name.rpartition(".")[2]]
        assert path in OPEN  # a browser loads them before it has a key


@pytest.mark.parametrize(
    "name", ["index.html", "__init__.py", "vendor/LICENSE.htm", "../rights.py", "none.js"]
)
def test_nothing_else_of_the_folder_is_given_out(client: TestClient, name: str) -> None:
    answer = client.get("/page/" + name.replace("..", "%2e%2e"))
    assert answer.status_code == 404
    assert list(answer.json()) == ["error"]


def test_the_library_is_as_its_authors_published_it() -> None:
    digests = {
        name: hashlib.sha256(text_of(name).encode()).hexdigest()
        for name in PARTS
        if name.startswith("vendor/")
    }
    assert digests == VENDORED
    for name, words in LICENCES.items():
        assert words in text_of(name)


def test_every_import_leads_to_a_part(client: TestClient) -> None:
    names = dict(re.findall(r'"([\w/]+)": "/page/([\w./-]+)"', client.get("/").text))
    assert set(names.values()) == set(VENDORED)
    for name in MODULES:
        for target in re.findall(r'from "(.*?)"', text_of(name)):
            assert names.get(target, target.removeprefix("./")) in PARTS, (name, target)


def test_texts_are_set_as_text() -> None:
    for name in MODULES:
        forbidden = r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|setHTML|srcdoc|javascript:"
        assert not re.search(forbidden, text_of(name)), name


def test_the_page_asks_only_endpoints_that_are_there(client: TestClient) -> None:
    paths = {re.sub(r"\{.*?\}", "*", path) for path in client.get("/openapi.json").json()["paths"]}
    asked: set[str] = set()
    for name in MODULES:
        texts = re.findall(r"[\"`](/v1/.*?)[\"`?]", text_of(name))
        asked |= {re.sub(r"\$\{.*?\}", "*", text) for text in texts}
    assert {"/v1/explanations/why-not", "/v1/scenarios/*/*"} <= asked
    for one in asked:
        assert any(fnmatch(path, one) for path in paths), one


def test_the_list_of_endpoints_names_all_of_them(client: TestClient) -> None:
    page = client.get("/docs").text
    for path in client.get("/openapi.json").json()["paths"]:
        assert path in page
