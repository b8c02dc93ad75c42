"""The page is for everybody: readers of screens, dark rooms, phones, and those whom motion makes ill."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from .conftest import Open, Visit

Scheme = Literal["light", "dark"]
OPENERS = (".decision", ".why-not", ".alike", ".last")
WIDTHS = "() => [document.documentElement.scrollWidth, innerWidth]"
GROUND = "() => getComputedStyle(document.body).backgroundColor"


def violations(page: Page) -> list[Any]:
    """Return what axe finds wrong, each with where."""
    return [
        (one["id"], [node["html"] for node in one["nodes"]]) for one in Axe().run(page).response["violations"]
    ]


def settled(visit: Visit, opener: str) -> None:
    """Open a window and wait until its answers are there."""
    visit.page.locator(opener).first.click()
    expect(visit.page.get_by_role("dialog")).not_to_contain_text("One moment.")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_axe_finds_nothing_wrong(open_page: Open, scheme: Scheme, width: int) -> None:
    visit = open_page(width=width, color_scheme=scheme, reduced_motion="reduce")
    visit.be("u00042")
    visit.page.locator(".place [data-action]").first.click()
    expect(visit.status).to_contain_text("Kept as event")
    visit.page.get_by_text("How slates are chosen").click()
    assert violations(visit.page) == []
    for opener in OPENERS:
        settled(visit, opener)
        assert violations(visit.page) == []
        visit.page.keyboard.press("Escape")


def test_light_and_dark_follow_the_reader(open_page: Open) -> None:
    visit = open_page(color_scheme="dark")
    visit.be("u00042")
    assert visit.page.evaluate(GROUND) == "rgb(17, 21, 27)"
    visit.page.emulate_media(color_scheme="light")
    assert visit.page.evaluate(GROUND) == "rgb(243, 245, 249)"


def test_nothing_is_wider_than_a_phone(open_page: Open) -> None:
    visit = open_page(width=360, height=780, has_touch=True)
    visit.be("u" * 256)
    visit.be("u00042")
    visit.page.get_by_text("How slates are chosen").click()
    assert visit.page.evaluate(WIDTHS) == [360, 360]
    for opener in OPENERS:
        settled(visit, opener)
        assert visit.page.evaluate(WIDTHS) == [360, 360]
        wide = visit.page.get_by_role("dialog").evaluate("node => node.scrollWidth - node.clientWidth")
        assert wide == 0
        assert visit.page.get_by_role("button", name="Close").evaluate("node => node.offsetHeight") < 50
        visit.page.get_by_role("button", name="Close").click()


def test_a_phone_shows_one_scenario_at_a_time(open_page: Open) -> None:
    visit = open_page(width=360, height=780)
    visit.be("u00042")
    expect(visit.page.get_by_role("tab", name="shop")).to_have_attribute("aria-selected", "true")
    expect(visit.page.locator(".slate")).to_have_count(1)
    visit.page.get_by_role("tab", name="shop").focus()
    visit.page.keyboard.press("ArrowRight")
    expect(visit.page.get_by_role("tab", name="news")).to_be_focused()
    expect(visit.page.get_by_role("tabpanel", name="news")).to_be_visible()
    visit.places("news").first.locator("[data-action]").first.click()
    expect(visit.status).to_contain_text("Kept as event")
    expect(visit.status).to_be_in_viewport()


def test_changes_are_told_to_those_who_do_not_see_them(visit: Visit) -> None:
    expect(visit.page.get_by_role("status").first).to_contain_text("Slates for u00042")
    expect(visit.page.get_by_role("region", name="shop")).to_be_visible()
    expect(visit.page.get_by_role("main")).to_have_attribute("aria-busy", "false")
    expect(visit.page.get_by_role("textbox").or_(visit.page.get_by_role("combobox")).first).to_be_visible()


HOLD = """() => { const own = Element.prototype.animate; window.moves = 0;
  Element.prototype.animate = function (...how) { window.moves += 1; return own.apply(this, how); }; }"""


@pytest.mark.parametrize(("motion", "moves"), [("reduce", False), ("no-preference", True)])
def test_places_glide_unless_motion_is_unwanted(
    open_page: Open, motion: Literal["reduce", "no-preference"], moves: bool
) -> None:
    visit = open_page(reduced_motion=motion)
    visit.be("u00042")
    visit.page.evaluate(HOLD)
    visit.places("shop").first.locator("[data-action]").nth(1).click()
    expect(visit.status).to_contain_text("Kept as event")
    assert bool(visit.page.evaluate("() => window.moves")) is moves
