from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from polyscene.evaluation.report.content import (
    CurvePoint,
    DataCard,
    Difference,
    Exposure,
    ItemMap,
    LearningCurve,
    ReportData,
    SampleSlate,
    ScenarioReport,
    ScenarioResults,
    SlateEntry,
)
from polyscene.evaluation.report.page import (
    Table,
    _environment,
    main_table,
    number,
    render,
    signed,
    slice_table,
    write_report,
)

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """Collects what a browser would see, and checks that every element is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        self._look(attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._look(attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def _look(self, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            self.ids += [value or ""] if name == "id" else []
            self.links += [value or ""] if name in ("href", "src") else []
            self.handlers += [name] if name.startswith("on") else []


def scenario(name: str, model: str = "transitions", words: str = "Blue mug") -> ScenarioReport:
    rows = {
        "polyscene": {"ndcg@10": 0.25, "hr@10": 0.4, "mrr": 0.2, "gini@10": 0.9, "ndcg@10/new_items": 0.125},
        model: {"ndcg@10": 0.2, "hr@10": 0.45, "mrr": 0.2, "gini@10": 0.95, "ndcg@10/new_items": 0.0},
    }
    results = ScenarioResults(
        name,
        users=1234,
        choices=5678,
        models=rows,
        intervals={"polyscene": {"ndcg@10": (0.24, 0.26)}},
        slices={"new_items": 17, "cold_items": 0},
        differences={"ndcg@10": Difference(model, 0.05, 0.04, 0.06)},
        protocol="temporal",
        seen_items="kept",
    )
    slates = (SampleSlate(words, (words,), (SlateEntry(words, words, 0.25),)), SampleSlate("new", (), ()))
    points = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)
    exposure = Exposure(np.arange(4), {"polyscene": np.ones(4, np.int64)})
    return ScenarioReport(results, exposure, ItemMap(points, (words, "a", "b", ""), words), slates)


def report(words: str = "Corner shop") -> ReportData:
    return ReportData(
        title=words,
        run=words,
        made=words,
        scenarios=(scenario("shop"), scenario(words, words, words)),
        curves=(LearningCurve(words, (CurvePoint(0, 2.0, 0.1), CurvePoint(5, 1.0, 0.2)), words),),
        card=DataCard(
            {words: {words: words, "items": 12101}}, (words,), {words: words}, {words: words}, words
        ),
        remarks=(words,),
    )


@cache
def sample() -> str:
    return render(report())


def test_all_parts_are_on_the_page() -> None:
    html = sample()
    page = Page(html)
    assert not page.open
    assert {"glance", "scenario-0", "scenario-1", "learning", "card"} <= set(page.ids)
    assert {f"#{each}" for each in ("glance", "scenario-0", "scenario-1", "learning", "card")} <= set(
        page.links
    )
    titles = ["By model", "By slice", "Popularity against exposure", "Map of items", "Every model", "Slices"]
    for title in [*titles, "Sample slates", "Scenario by scenario", "Machine", "Versions", "Settings"]:
        assert f"{title}</" in html
    assert page.tags.count("svg") == 1 + 2 * 4 + 1
    assert "5,678 choices of 1,234 users" in html
    assert "12,101" in html
    assert "Nothing is known of this user yet." in html


def test_verdicts_are_words() -> None:
    html = sample()
    assert "▲ better" in html
    assert "+0.0500" in html
    assert "+0.0400 to +0.0600" in html
    assert "▼ worse" not in html


def test_hostile_words_stay_words() -> None:
    html = render(report(EVIL))
    page = Page(html)
    assert not page.open
    assert "script" not in page.tags
    assert "img" not in page.tags
    assert not page.handlers
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_chinese_and_dollars_and_controls_are_shown_without_a_warning(
    recwarn: pytest.WarningsRecorder,
) -> None:
    html = render(report("新闻 $x^ \x00\u202e"))
    assert "新闻 $x^" in html
    assert "\u202e" not in html
    assert "\x00" not in html
    assert not list(recwarn)


def test_nothing_is_loaded_from_anywhere() -> None:
    html = sample()
    assert "://" not in html
    assert not re.findall(r"url\((?!#)|@import", html)
    page = Page(html)
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in page.links)
    assert "default-src 'none'" in html


def test_ids_are_unique_on_the_page() -> None:
    ids = Page(sample()).ids
    assert len(ids) == len(set(ids))


def test_both_themes_and_paper_are_served() -> None:
    html = sample()
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html
    assert 'name="viewport"' in html


def test_an_empty_report_is_still_a_page() -> None:
    page = Page(render(ReportData("nothing", ())))
    assert not page.open
    assert "card" in page.ids
    assert "learning" not in page.ids
    bare = ScenarioReport(ScenarioResults("a", 0, 0, {"polyscene": {}, "b": {}}))
    assert "svg" not in Page(render(ReportData("nothing", (bare, bare)))).tags


def test_the_table_marks_the_best_where_more_is_better() -> None:
    table = main_table(scenario("shop").results)
    assert table.columns == ("ndcg@10", "hr@10", "mrr", "gini@10")
    (first, ours), (second, theirs) = table.rows
    assert (first, second) == ("polyscene", "transitions")
    assert [cell.text for cell in ours] == ["0.2500", "0.4000", "0.2000", "0.9000"]
    assert [cell.best for cell in ours] == [True, False, True, False]
    assert [cell.best for cell in theirs] == [False, True, True, False]


def test_the_slice_table_has_only_slices_with_choices() -> None:
    assert slice_table(scenario("shop").results).columns == ("ndcg@10/new_items",)


def test_numbers_are_short() -> None:
    assert [number(value) for value in (None, 0.12345, 10.8449)] == ["–", "0.1235", "10.84"]
    assert signed(-0.01) == "−0.0100"


def test_long_words_are_cut_and_slates_bounded() -> None:
    places = tuple(SlateEntry(f"place {i}", "why") for i in range(500))
    data = scenario("shop", words="x" * 100_000)
    slates = (SampleSlate("u", (), places),) * 50
    html = render(
        ReportData("y" * 100_000, (ScenarioReport(data.results, None, None, (*data.slates, *slates)),))
    )
    assert len(html) < 150_000
    assert "place 11" in html
    assert "place 12" not in html


def test_the_file_is_the_page(tmp_path: Path) -> None:
    path = tmp_path / "run" / "report.html"
    write_report(report(), path)
    assert path.read_text(encoding="utf-8") == sample()


def test_the_same_data_make_the_same_page() -> None:
    assert render(report()) == sample()


def test_a_table_says_where_it_has_to_be_scrolled() -> None:
    for columns, breadth in ((3, "narrow"), (8, "middling"), (10, "wide"), (12, "widest")):
        table = Table(tuple(f"m{number}" for number in range(columns)), ())
        assert table.breadth == breadth
    style = _environment().get_template("report.css").render(light="", dark="")
    for breadth in ("narrow", "middling", "wide", "widest"):
        assert f".scrolls.{breadth} {{ display: block; }}" in style
