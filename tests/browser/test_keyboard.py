"""Everything can be done without a mouse, and one always sees where one is."""

from __future__ import annotations

from playwright.sync_api import expect

from .conftest import Visit

OUTLINE = """() => {
  const style = getComputedStyle(document.activeElement);
  return style.outlineStyle + style.outlineWidth;
}"""
NAME = """() => {
  const node = document.activeElement;
  return node.id || node.getAttribute("aria-label") || node.textContent;
}"""


def test_tab_goes_through_the_page_in_its_order_and_can_be_seen(visit: Visit) -> None:
    page = visit.page
    page.locator("body").click(position={"x": 1, "y": 1})
    names = []
    for _ in range(12):
        page.keyboard.press("Tab")
        names.append(str(page.evaluate(NAME)))
        assert page.evaluate(OUTLINE) == "solid3px"
    title = visit.places("shop").first.get_by_role("heading").inner_text()
    assert names[:6] == ["Endpoints", "Keyboard", "user", "Show slates", "Anybody", "stranger"]
    first = names.index(f"click: {title}")
    assert names[first : first + 4] == [
        f"click: {title}",
        f"purchase: {title}",
        f"skip: {title}",
        f"Why, and what is similar: {title}",
    ]


def test_a_whole_visit_by_keyboard_alone(visit: Visit) -> None:
    page, keys = visit.page, visit.page.keyboard
    page.locator("body").click(position={"x": 1, "y": 1})
    keys.press("/")
    keys.type("u00007")
    keys.press("Enter")
    expect(visit.status).to_contain_text("Slates for u00007")
    page.get_by_role("button", name="Anybody").focus()
    keys.press("j")
    expect(visit.places("shop").nth(0)).to_be_focused()
    assert page.evaluate(OUTLINE) == "solid3px"
    keys.press("j")
    keys.press("j")
    keys.press("k")
    expect(visit.places("shop").nth(1)).to_be_focused()
    item = visit.ids("shop")[1]
    keys.press("2")
    expect(visit.status).to_contain_text("purchase: ")
    expect(visit.places("shop").nth(1)).to_be_focused()
    keys.press("]")
    expect(visit.places("news").nth(0)).to_be_focused()
    skipped = visit.ids("news")[0]
    keys.press("s")
    expect(visit.status).to_contain_text("skip: ")
    done = [one for one in visit.site.actions_of("u00007") if one[2] != "impression"]
    assert done == [("shop", item, "purchase"), ("news", skipped, "skip")]
    keys.press("m")
    expect(visit.places("news")).to_have_count(10)


def test_a_window_takes_the_keyboard_and_gives_it_back(visit: Visit) -> None:
    keys = visit.page.keyboard
    visit.page.get_by_role("button", name="Anybody").focus()
    keys.press("j")
    keys.press("Enter")
    window = visit.page.get_by_role("dialog")
    expect(window.get_by_role("button", name="Close")).to_be_focused()
    keys.press("1")
    keys.press("Escape")
    expect(window).to_have_count(0)
    expect(visit.places("shop").nth(0)).to_be_focused()
    assert visit.bodies("/v1/events") == []


def test_keys_are_told_do_nothing_while_one_writes_and_can_be_turned_off(visit: Visit) -> None:
    page, keys = visit.page, visit.page.keyboard
    page.get_by_label("Who are you?").fill("")
    keys.type("n?j/")
    expect(page.get_by_label("Who are you?")).to_have_value("n?j/")
    page.get_by_role("button", name="Anybody").focus()
    keys.press("?")
    window = page.get_by_role("dialog", name="Keyboard")
    expect(window).to_contain_text("next and previous place")
    window.get_by_label("use these keys").uncheck()
    keys.press("Escape")
    page.get_by_role("button", name="Anybody").focus()
    keys.press("?")
    keys.press("j")
    expect(page.get_by_role("button", name="Anybody")).to_be_focused()
    expect(window).to_have_count(0)
