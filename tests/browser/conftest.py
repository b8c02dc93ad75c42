"""A service on a port of this machine, and a real Chromium that looks at its page.

Without a Chromium these tests did not run, and pytest's summary says so;
where POLYSCENE_BROWSER is "required" that is a failure.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from polyscene.runs.run import Run
from polyscene.serving.auth import KeyFile
from polyscene.serving.server import Config, DrainingServer
from polyscene.serving.service import Service
from polyscene.serving.stores.contract import LoggedEvent
from polyscene.serving.tenants import Tenants

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
EXPECTED_NOISE = "Failed to load resource"
"""What Chromium writes of every answer that is an error; the tests of errors look at the page instead."""


expect.set_options(timeout=30_000)


@dataclass
class Site:
    """A service that listens."""

    url: str
    service: Service

    def actions_of(self, user: str) -> list[tuple[str, str, str]]:
        """Return scenario, item and action of every event of a user that is on the disk, oldest first."""
        entries = [entry for _, entry in self.service.stores[0].events_of(user)]
        return [(one.scenario, one.item, one.action) for one in entries if isinstance(one, LoggedEvent)]


@dataclass
class Visit:
    """A page that is open, and what it asked for."""

    page: Page
    site: Site
    requests: list[Request] = field(default_factory=list)
    noise: list[str] = field(default_factory=list)

    def be(self, user: str) -> None:
        """Open the page as somebody."""
        self.page.goto(self.site.url)
        self.page.get_by_label("Who are you?").fill(user)
        self.page.get_by_role("button", name="Show slates").click()
        expect(self.status).to_contain_text(user)

    @property
    def status(self) -> Any:
        return self.page.locator("#status")

    def places(self, scenario: str) -> Any:
        return self.page.locator(f"#slate-{scenario} .place[data-id]")

    def ids(self, scenario: str) -> list[str]:
        return [str(one.get_attribute("data-id")) for one in self.places(scenario).all()]

    def bodies(self, path: str) -> list[Any]:
        """Return what was sent to an endpoint."""
        return [one.post_data_json for one in self.requests if one.url == self.site.url + path]

    def ask(self, path: str) -> Any:
        """Ask the service beside the page."""
        answer = httpx.get(self.site.url + path, timeout=60)
        return answer.raise_for_status().json()


Serve = Callable[..., Site]
Open = Callable[..., Visit]


@contextmanager
def _listening(service: Service) -> Iterator[str]:
    tenants = Tenants([service])
    with socket.create_server(("127.0.0.1", 0)) as listening:
        from polyscene.serving.app import build_app

        server = DrainingServer(Config(build_app(tenants), tenants.settings), tenants)
        thread = Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture
def serve(run: Run, tmp_path: Path) -> Iterator[Serve]:
    """Return what starts the service, which is stopped at the end."""
    running: list[Any] = []

    def one(keys: KeyFile | None = None) -> Site:
        service = Service.open(Run(run.folder), tmp_path / "service", keys)
        running.append(_listening(service))
        return Site(running[-1].__enter__(), service)

    yield one
    for each in running:
        each.__exit__(None, None, None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        lack = "NOT RUN: expected a Chromium, found none; 'make browser' installs one, CHROMIUM names one"
        if os.environ.get("POLYSCENE_BROWSER") == "required":
            pytest.fail(lack)
        pytest.skip(lack)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Browser, serve: Serve) -> Iterator[Open]:
    """Return what opens a page; at its end it must have been quiet, and have asked nobody but the service."""
    visits: list[Visit] = []

    def one(site: Site | None = None, width: int = 1280, height: int = 900, **context: Any) -> Visit:
        page = browser.new_context(viewport={"width": width, "height": height}, **context).new_page()
        visit = Visit(page, site or serve())

        def hear(message: ConsoleMessage) -> None:
            if EXPECTED_NOISE not in message.text:
                visit.noise.append(message.text)

        page.on("console", hear)
        page.on("pageerror", lambda error: visit.noise.append(str(error)))
        page.on("request", lambda request: visit.requests.append(request))
        visits.append(visit)
        return visit

    yield one
    for visit in visits:
        visit.page.context.close()
        assert visit.noise == []
        assert {one.url for one in visit.requests if not one.url.startswith(visit.site.url + "/")} == set()


@pytest.fixture
def visit(open_page: Open) -> Visit:
    """Return a wide page in a light room, at which somebody known looks."""
    visit = open_page()
    visit.be("u00042")
    return visit
