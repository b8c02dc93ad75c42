"""The pages hold together: links lead somewhere, the two READMEs say the same, examples run."""

from __future__ import annotations

import re
import tomllib
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from polyscene.core.registry import GROUPS
from polyscene.core.settings.project import Settings
from polyscene.metrics.metric import METRICS, ListMetric

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md"))]


def _blocks(page: Path, language: str) -> list[str]:
    """Return the page's fenced blocks of one language."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [block for name, block in blocks if name == language]


def _anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    for target in (target for target in targets if not target.startswith("https://")):
        file, _, anchor = target.partition("#")
        destination = page.parent / file if file else page
        assert destination.exists(), target
        assert not anchor or anchor in _anchors(destination), target


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
    "page",
    [page for page in PAGES if _blocks(page, "python") and page.name != "clients.md"],
    ids=lambda path: path.name,
)
def test_examples_run(  # those of clients.md need a service: tests/docs/test_clients.py
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


ROOMS = sorted(
    path.name for path in (ROOT / "src" / "polyscene").iterdir() if (path / "__init__.py").is_file()
)


def _named(page: Path) -> set[str]:
    """Return the modules, classes and functions that a page names in code style."""
    rooms = "|".join(ROOMS)
    code = re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8"))
    names = re.findall(rf"(?<![\w./])(?:polyscene\.)?((?:{rooms})(?:\.\w+)+)(?![\w/])", "\n".join(code))
    files = {name for name in names if name.endswith((".json", ".jsonl"))}
    return {name for name in names if f"polyscene.{name}" not in GROUPS} - files


def _exists(name: str) -> bool:
    """Return whether a module of that name can be imported, or a module has the rest of it."""
    parts = name.split(".")
    for depth in range(len(parts), 0, -1):
        try:
            thing: object = import_module(".".join(["polyscene", *parts[:depth]]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[depth:]:
            if not hasattr(thing, attribute):
                return False
            thing = getattr(thing, attribute)
        return True
    return False


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_modules_that_a_page_names_are_there(page: Path) -> None:
    if page.name != "CHANGELOG.md":  # tells what was
        assert {name for name in _named(page) if not _exists(name)} == set()


def test_a_module_that_is_gone_is_noticed() -> None:
    assert _exists("recommenders.signal.Signal")
    assert not _exists("assembly.fitting")
    assert not _exists("recommenders.signal.Voice")


def test_every_entry_point_group_is_told_where_things_are_added() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert [group for group in GROUPS if f"| `{group}` |" not in text] == []


def test_the_house_is_drawn_as_it_stands() -> None:
    for page in (ROOT / "README.md", ROOT / "README.zh-CN.md"):
        tree = next(block for block in _blocks(page, "") if block.startswith("src/polyscene/\n"))
        drawn = re.findall(r"^  (\w+)/", tree, re.MULTILINE)
        assert sorted(drawn) == ROOMS


@pytest.mark.parametrize("image", sorted(ROOT.glob("docs/images/*.svg")), ids=lambda path: path.name)
def test_drawings_are_whole_and_have_a_ground_of_their_own(image: Path) -> None:
    root = ElementTree.parse(image).getroot()
    ground = next(part for part in root if part.tag.endswith("rect"))
    assert [ground.get("width"), ground.get("height")] == root.get("viewBox", "").split()[2:]
    assert ground.get("fill", "none") != "none"
    assert any(f"({image.relative_to(ROOT / 'docs')})" in page.read_text(encoding="utf-8") for page in PAGES)


@pytest.mark.parametrize("picture", sorted(ROOT.glob("docs/images/*.png")), ids=lambda path: path.name)
def test_pictures_are_light_and_shown_in_both_readmes(picture: Path) -> None:
    assert picture.stat().st_size < 200_000
    for page in (ROOT / "README.md", ROOT / "README.zh-CN.md"):
        assert f"({picture.relative_to(ROOT)})" in page.read_text(encoding="utf-8")


def test_numbers_of_the_readme_stand_on_the_page_of_benchmarks() -> None:
    """The summary repeats what is measured; the page has the command, the machine and the commit."""
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    for readme, title in (("README.md", "## Measured"), ("README.zh-CN.md", "## 测量结果")):
        summary = (ROOT / readme).read_text(encoding="utf-8").split(title)[1].split("\n## ")[0]
        numbers = re.findall(r"\d\.\d{4}", summary)
        assert len(numbers) > 10
        assert [number for number in numbers if number not in page] == []
