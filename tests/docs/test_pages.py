"""The pages hold together: links lead somewhere, the two READMEs say the same, examples run."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from polyscene.core.settings.project import Settings
from polyscene.metrics.metric import METRICS, ListMetric

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md"))]


def _blocks(page: Path, language: str) -> list[str]:
    """Return the page's fenced blocks of one language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [block for name, block in found if name == language]


def _anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        file, _, anchor = target.partition("#")
        found = page.parent / file if file else page
        assert found.exists(), target
        assert not anchor or anchor in _anchors(found), target


def test_every_page_is_found_from_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for page in ROOT.glob("docs/*.md"):
        assert f"(docs/{page.name})" in text


def test_the_two_readmes_mirror_each_other() -> None:
    english, chinese = ROOT / "README.md", ROOT / "README.zh-CN.md"
    texts = [page.read_text(encoding="utf-8") for page in (english, chinese)]
    for pattern in (r"^#+ ", r"^\|", r"^- \*\*"):
        assert len(re.findall(pattern, texts[0], re.MULTILINE)) == len(
            re.findall(pattern, texts[1], re.MULTILINE)
        )
    for language in ("", "python"):
        first, second = ([_bare(block) for block in _blocks(page, language)] for page in (english, chinese))
        assert first == second
    assert _blocks(english, "toml")[0] == _blocks(chinese, "toml")[0]


def _bare(block: str) -> list[str]:
    """Return a block's first words per line: commands and names, without what explains them."""
    lines = [line.split("#")[0].rstrip() for line in block.splitlines()]
    return [re.split(r" {2,}", line.strip())[0] for line in lines]


def test_the_readmes_configuration_is_valid() -> None:
    settings = Settings.parse(tomllib.loads(_blocks(ROOT / "README.md", "toml")[0]))
    assert set(settings.scenarios) == {"shop"}


@pytest.mark.parametrize(
    "page", [page for page in PAGES if _blocks(page, "python")], ids=lambda path: path.name
)
def test_examples_run(
    page: Path, village_tables: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = village_tables(tmp_path / "company").parent
    monkeypatch.chdir(home)
    code = compile("\n".join(_blocks(page, "python")), page.name, "exec")
    exec(code, {"__name__": "example"})


def test_every_metric_is_named() -> None:
    text = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    for name, metric in {name: METRICS[name] for name in METRICS}.items():
        at_cutoffs = isinstance(metric, ListMetric) or metric.at_cutoffs
        assert f"`{name}@k`" in text if at_cutoffs else f"`{name}`" in text
