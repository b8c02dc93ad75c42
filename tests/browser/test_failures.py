"""What goes wrong is told in the words of the service, and what one did is not lost with it."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import Route, expect

from .conftest import Open, Visit


def failing(code: str, status: int, message: str, details: list[dict[str, str]]) -> Any:
    body = json.dumps({"error": {"code": code, "message": message, "details": details}})
    return lambda route: route.fulfill(
        status=status, body=body, content_type="application/json", headers={"X-Request-Id": "abc-1"}
    )


def test_an_error_is_shown_whole_and_the_same_event_is_tried_again(visit: Visit) -> None:
    details = [{"where": "events.0", "message": "the disk is full"}]
    visit.page.route("**/v1/events", failing("store_unavailable", 503, "send it again later", details))
    visit.places("shop").first.locator("[data-action]").nth(1).click()
    alert = visit.page.get_by_role("alert")
    for text in ("store unavailable", "send it again later", "events.0: the disk is full", "request abc-1"):
        expect(alert).to_contain_text(text)
    visit.page.unroute("**/v1/events")
    alert.get_by_role("button", name="Try again").click()
    expect(visit.status).to_contain_text("Kept as event")
    expect(alert).to_have_count(0)
    first, second = visit.bodies("/v1/events")
    assert first == second


def test_what_is_no_answer_of_the_service_is_told(visit: Visit) -> None:
    strange = "<h1>Bad Gateway</h1>"
    visit.page.route("**/v1/recommendations", lambda route: route.fulfill(status=502, body=strange))
    visit.page.get_by_role("button", name="Somebody new").click()
    expect(visit.page.get_by_role("alert")).to_contain_text("expected JSON, found status 502")


def test_an_error_in_a_window_is_shown_there(visit: Visit) -> None:
    pattern = "**/v1/explanations?*"
    visit.page.route(pattern, failing("internal", 500, "something failed inside", []))
    visit.places("shop").first.locator(".last").click()
    window = visit.page.get_by_role("dialog")
    expect(window.get_by_role("alert")).to_contain_text("something failed inside")
    visit.page.unroute(pattern)
    window.get_by_role("button", name="Try again").click()
    expect(window).to_contain_text("Ranked 1 of")


def test_a_lost_connection_is_told_and_the_click_arrives_once(visit: Visit) -> None:
    item = visit.ids("shop")[0]
    visit.page.context.set_offline(True)
    visit.places("shop").first.locator("[data-action]").nth(1).click()
    alert = visit.page.get_by_role("alert")
    expect(alert).to_contain_text("No connection to the service. It is asked again in 1 s")
    visit.page.context.set_offline(False)
    alert.get_by_role("button", name="Try now").click()
    expect(visit.status).to_contain_text("Kept as event")
    expect(alert).to_have_count(0)
    kept = [one for one in visit.site.actions_of("u00042") if one[2] != "impression"]
    assert kept == [("shop", item, "purchase")]


def test_an_answer_that_was_lost_on_its_way_makes_no_second_event(visit: Visit) -> None:
    lost: list[int] = []

    def lose(route: Route) -> None:
        if lost:
            route.continue_()
            return
        lost.append(route.fetch().status)
        route.abort("connectionreset")

    visit.page.route("**/v1/events", lose)
    visit.places("shop").first.locator("[data-action]").nth(1).click()
    expect(visit.status).to_contain_text("Kept as event")
    assert lost == [200]
    kept = [one[2] for one in visit.site.actions_of("u00042") if one[2] != "impression"]
    assert kept == ["purchase"]


def test_no_click_is_lost_while_another_is_on_its_way(open_page: Open) -> None:
    visit = open_page()
    visit.be("u00042")
    last = visit.places("news").nth(2).get_by_role("heading").inner_text()
    visit.page.evaluate(
        "() => { for (const place of [0, 1, 2])"
        " document.querySelectorAll('#slate-news .place')[place].querySelector('[data-action]').click(); }"
    )
    expect(visit.status).to_contain_text(f"click: {last}. Kept as event")
    expect(visit.page.get_by_role("main")).to_have_attribute("aria-busy", "false")
    kept = [one for one in visit.site.actions_of("u00042") if one[2] == "click"]
    assert len(kept) == len(set(kept)) == 3
