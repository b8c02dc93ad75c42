"""Somebody looks, clicks, and sees the next slate change; what they did is in the log."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from .conftest import Open, Visit

HOLD_ANSWERS = """() => {
  const plain = window.fetch;
  const released = new Promise((release) => { window.releaseAnswers = release; });
  window.fetch = async (...asked) => { await released; return plain(...asked); };
}"""


def test_a_click_is_kept_and_changes_the_next_slate(visit: Visit) -> None:
    before = visit.ids("shop")
    assert len(before) == 5
    title = visit.places("shop").first.get_by_role("heading").inner_text()
    visit.places("shop").first.get_by_role("button", name=f"purchase: {title}").click()
    expect(visit.status).to_contain_text(f"purchase: {title}. Kept as event ")
    expect(visit.status).to_contain_text(re.compile(r"in [\d.]+ ms, seen by every slate in [\d.]+ ms; [1-9]"))
    assert ("shop", before[0], "purchase") in visit.site.actions_of("u00042")
    after = visit.ids("shop")
    assert before[0] not in after
    expect(visit.page.locator("#slate-shop")).to_contain_text(f"Lately: {title}")
    expect(visit.page.locator("#slate-shop .gone")).to_contain_text(title)
    assert visit.ask("/v1/history?user=u00042")["latest"]["shop"][0]["id"] == before[0]


def test_what_changed_is_marked_as_it_changed(visit: Visit) -> None:
    before = visit.ids("shop")
    visit.places("shop").nth(2).get_by_role("button", name=re.compile("^skip")).click()
    expect(visit.status).to_contain_text("skip: ")
    after = visit.ids("shop")
    assert before[2] not in after
    for row, item in enumerate(after):
        mark = visit.places("shop").nth(row).locator(".mark")
        if item not in before:
            expect(mark).to_have_text("new")
        elif before.index(item) == row:
            expect(mark).to_have_count(0)
        else:
            by = before.index(item) - row
            expect(mark).to_have_text(re.compile(rf"{'up' if by > 0 else 'down'} by {abs(by)}$"))
    assert ("shop", before[2], "skip") in visit.site.actions_of("u00042")
    visit.page.get_by_role("button", name="Show what was skipped (1)").click()
    expect(visit.status).to_contain_text("may come again")
    assert visit.ids("shop") == before


def test_what_came_into_view_is_recorded_once(open_page: Open) -> None:
    visit = open_page(height=3000)
    with visit.page.expect_response("**/v1/events/batch") as answer:
        visit.page.goto(visit.site.url)
    user = visit.page.get_by_label("Who are you?").input_value()
    assert answer.value.json()["accepted"] == 15
    shown = visit.site.actions_of(user)
    expected = {
        (scenario, item, "impression")
        for scenario in ("shop", "news", "video")
        for item in visit.ids(scenario)
    }
    assert len(shown) == 15
    assert set(shown) == expected


def test_what_was_below_the_fold_was_not_shown(open_page: Open) -> None:
    visit = open_page(height=600)
    with visit.page.expect_response("**/v1/events/batch") as answer:
        visit.page.goto(visit.site.url)
    assert 3 <= answer.value.json()["accepted"] <= 6


def test_somebody_new_gets_what_suits_everybody_and_learns_by_one_click(visit: Visit) -> None:
    visit.page.get_by_role("button", name="Somebody new").click()
    expect(visit.status).to_contain_text("is known yet")
    user = visit.page.get_by_label("Who are you?").input_value()
    visit.places("news").first.get_by_role("button", name=re.compile("^like")).click()
    expect(visit.status).to_contain_text("Kept as event")
    assert [action for _, _, action in visit.site.actions_of(user) if action != "impression"] == ["like"]
    expect(visit.page.locator("#slate-news")).to_contain_text("Lately: ")


def test_further_pages_repeat_nothing(visit: Visit) -> None:
    decision = visit.page.locator("#slate-video .decision")
    first = decision.inner_text()
    visit.page.get_by_role("button", name="More of video").click()
    expect(visit.places("video")).to_have_count(10)
    assert len(set(visit.ids("video"))) == 10
    assert decision.inner_text() != first
    expect(visit.places("video").nth(5)).to_be_focused()


def test_the_policy_is_the_one_that_was_chosen(visit: Visit) -> None:
    page = visit.page
    page.get_by_text("How slates are chosen").click()
    page.get_by_label("Policy").select_option("plackett_luce")
    expect(visit.status).to_contain_text("Chosen anew")
    page.get_by_label("temperature").fill("2")
    page.get_by_label("temperature").press("Enter")
    expect(page.locator("#slate-shop footer")).to_contain_text("plackett_luce")
    expect(visit.places("shop").first).not_to_contain_text("propensity 100 %")
    assert visit.bodies("/v1/recommendations")[-1]["policy"] == {"name": "plackett_luce", "temperature": 2}
    page.get_by_label("explore").uncheck()
    expect(visit.places("shop").first).to_contain_text("propensity 100 %")
    assert visit.bodies("/v1/recommendations")[-1]["explore"] is False
    page.get_by_label("Policy").select_option("epsilon")
    page.get_by_label("Places").fill("3")
    page.get_by_label("Places").press("Enter")
    expect(visit.places("news")).to_have_count(3)
    last = visit.bodies("/v1/recommendations")[-1]
    assert (last["policy"], last["k"]) == ({"name": "epsilon", "epsilon": 0.2}, 3)


def test_a_half_typed_number_outlives_an_answer_that_arrives(visit: Visit) -> None:
    page = visit.page
    page.get_by_text("How slates are chosen").click()
    page.evaluate(HOLD_ANSWERS)
    page.get_by_label("Policy").select_option("greedy")
    page.get_by_label("Places").fill("3")
    page.evaluate("() => window.releaseAnswers()")
    expect(visit.status).to_contain_text("Chosen anew")
    expect(page.get_by_label("Places")).to_have_value("3")
    page.get_by_label("Places").press("Enter")
    expect(visit.places("news")).to_have_count(3)
    page.get_by_label("Places").fill("")
    page.get_by_label("Places").press("Enter")
    expect(page.get_by_label("Places")).to_have_value("3")


def test_an_item_is_explained_and_its_like_are_found(visit: Visit) -> None:
    item, title = visit.ids("news")[0], visit.places("news").first.get_by_role("heading").inner_text()
    with visit.page.expect_response(lambda answer: "/v1/explanations?" in answer.url) as asked:
        visit.places("news").first.get_by_role("button", name=re.compile("^Why")).click()
    window, why = visit.page.get_by_role("dialog", name=title), asked.value.json()
    expect(window).to_contain_text(f"Ranked {why['rank']} of {why['candidates']}")
    strongest = max(why["shares"], key=lambda name: abs(why["shares"][name]))
    expect(window.locator(".signals dt").first).to_have_text(strongest.replace("_", " "))
    similar = visit.ask(f"/v1/items/news/{item}/similar?k=5")["items"]
    for one in similar:
        expect(window).to_contain_text(one["title"])
    window.get_by_role("button", name=f"Look at {similar[1]['title']}").click()
    expect(visit.page.get_by_role("dialog", name=similar[1]["title"])).to_contain_text("Ranked ")


def test_every_action_can_be_sent_with_what_it_measures(visit: Visit) -> None:
    item = visit.ids("shop")[1]
    visit.places("shop").nth(1).get_by_role("button", name=re.compile("^Why")).click()
    window = visit.page.get_by_role("dialog")
    window.get_by_label("Action").select_option("rating")
    window.get_by_label("Value").fill("4")
    window.get_by_role("button", name="Send").click()
    expect(visit.status).to_contain_text("rating: ")
    expect(window).to_have_count(0)
    (sent,) = visit.bodies("/v1/events")
    assert (sent["item"], sent["action"], sent["value"]) == (item, "rating", 4)
    assert ("shop", item, "rating") in visit.site.actions_of("u00042")


def test_why_not_answers_for_the_slate_that_is_shown(visit: Visit) -> None:
    skipped = visit.ids("shop")[0]
    visit.places("shop").first.get_by_role("button", name=re.compile("^skip")).click()
    expect(visit.status).to_contain_text("skip: ")
    visit.page.locator("#slate-shop").get_by_role("button", name="Why not another?").click()
    window = visit.page.get_by_role("dialog")
    window.get_by_label("Item, by its id").fill(skipped)
    window.get_by_role("button", name="Ask").click()
    expect(window).to_contain_text(f"What keeps {skipped} out")
    expect(window).to_contain_text("excluded")
    shown = visit.ids("shop")[1]
    window.get_by_label("Item, by its id").fill(shown)
    window.get_by_role("button", name="Ask").click()
    expect(window).to_contain_text(f"{shown} is in the slate, at place 2.")
    window.get_by_label("Item, by its id").fill("no such item")
    window.get_by_role("button", name="Ask").click()
    expect(window).to_contain_text("unknown")


def test_a_decision_is_looked_up_and_drawn_again(visit: Visit) -> None:
    visit.page.locator("#slate-news .decision").click()
    window = visit.page.get_by_role("dialog")
    expect(window).to_contain_text("the same, bit for bit")
    expect(window.locator("ol > li")).to_have_count(5)
    address = window.get_by_role("link").get_attribute("href")
    assert visit.ask(str(address))["slate"] == visit.ids("news")


def test_one_can_become_who_is_alike(visit: Visit) -> None:
    visit.page.get_by_role("button", name="Who is alike in shop?").click()
    alike = visit.ask("/v1/users/u00042/similar?scenario=shop&k=8")["users"]
    visit.page.get_by_role("button", name=f"Be {alike[0]['id']}").click()
    expect(visit.status).to_contain_text(f"Slates for {alike[0]['id']}")


HOSTILE = '<img src=x onerror="document.title=1"><script>document.title = 2</script>'


@pytest.mark.parametrize("part", ["title", "reason", "attribute", "note"])
def test_text_of_the_service_is_never_markup(open_page: Open, part: str) -> None:
    visit = open_page()

    def altered(route: Route) -> None:
        slate: dict[str, Any] = route.fetch().json()
        for item in slate["items"]:
            if part == "attribute":
                item["attributes"]["brand"] = HOSTILE
            else:
                item[part] = HOSTILE
        slate["notes"] = [HOSTILE] if part == "note" else []
        route.fulfill(body=json.dumps(slate), content_type="application/json")

    visit.page.route("**/v1/recommendations", altered)
    visit.be("u00042")
    expect(visit.page.locator("#slate-shop")).to_contain_text(HOSTILE)
    assert visit.page.locator("main img, main script").count() == 0
    assert visit.page.title() == "Polyscene: try it"


def test_a_script_cannot_turn_text_into_markup(visit: Visit) -> None:
    attempt = "document.body.innerHTML = '<b>x</b>'"
    refusal = visit.page.evaluate(f"() => {{ try {{ {attempt} }} catch (error) {{ return error.name; }} }}")
    assert refusal == "TypeError"
    assert any("TrustedHTML" in text for text in visit.noise)
    visit.noise.clear()
