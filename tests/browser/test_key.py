"""Where the service asks for a key, the page asks for it, and keeps it to itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from polyscene.serving.auth import KeyFile, Scope

from .conftest import Open, Serve, Site, Visit


@pytest.fixture
def keys(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "keys.json")


@pytest.fixture
def site(serve: Serve, keys: KeyFile) -> Site:
    return serve(keys)


def enter(visit: Visit, key: str) -> None:
    visit.page.get_by_label("API key").fill(key)
    visit.page.get_by_role("button", name="Use key").click()


def test_the_page_asks_for_a_key_and_works_with_it(open_page: Open, site: Site, keys: KeyFile) -> None:
    key = keys.add("visitor", [Scope.read, Scope.events])
    visit = open_page(site)
    visit.page.goto(site.url)
    expect(visit.page.get_by_role("heading", name="This service asks for a key")).to_be_visible()
    expect(visit.page.get_by_role("alert")).to_have_count(0)
    expect(visit.page.locator(".slate")).to_have_count(0)
    assert Axe().run(visit.page).response["violations"] == []
    enter(visit, key)
    expect(visit.places("shop")).to_have_count(5)
    visit.places("shop").first.locator("[data-action]").nth(1).click()
    expect(visit.status).to_contain_text("Kept as event")
    visit.page.reload()
    expect(visit.places("shop")).to_have_count(5)
    assert all(key not in request.url for request in visit.requests)
    assert key not in visit.page.url
    assert visit.page.evaluate("() => JSON.stringify(localStorage) + document.cookie") == "{}"
    visit.page.get_by_role("button", name="Forget key").click()
    expect(visit.page.get_by_label("API key")).to_have_value("")
    expect(visit.places("shop")).to_have_count(0)
    assert visit.page.evaluate("() => JSON.stringify(sessionStorage)") == "{}"


def test_a_wrong_key_is_told_and_forgotten(open_page: Open, site: Site, keys: KeyFile) -> None:
    visit = open_page(site)
    visit.page.goto(site.url)
    enter(visit, "psk_" + "A" * 43)
    expect(visit.page.get_by_role("alert")).to_contain_text("does not know this key")
    expect(visit.page.get_by_label("API key")).to_be_visible()
    assert visit.page.evaluate("() => JSON.stringify(sessionStorage)") == "{}"
    enter(visit, keys.add("visitor", [Scope.read, Scope.events]))
    expect(visit.places("shop")).to_have_count(5)
    expect(visit.page.get_by_role("alert")).to_have_count(0)


def test_a_key_that_may_only_read_is_told_what_it_may_not(open_page: Open, site: Site, keys: KeyFile) -> None:
    visit = open_page(site)
    visit.page.goto(site.url)
    enter(visit, keys.add("reader", [Scope.read]))
    expect(visit.places("shop")).to_have_count(5)
    expect(visit.page.locator(".alarm")).to_contain_text("cannot be recorded as impressions")
    visit.places("shop").first.locator("[data-action]").first.click()
    expect(visit.page.get_by_role("alert")).to_contain_text("expected a key with the scope 'events'")
    expect(visit.places("shop")).to_have_count(5)
    visit.page.get_by_role("button", name="Forget key").click()
    enter(visit, keys.add("visitor", [Scope.read, Scope.events]))
    expect(visit.places("shop")).to_have_count(5)
    expect(visit.page.locator(".alarm")).to_have_count(0)
