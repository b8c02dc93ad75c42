"""Builds the reference of the Python interface from its docstrings, and looks for links that lead nowhere.

    python docs/build_reference.py [FOLDER]    # default: build/reference; needs the extra `docs`

Public are the names of `polyscene`, and the modules that plug-ins stand on.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import polyscene

MODULES = (
    "polyscene",
    "polyscene.core.columns",
    "polyscene.core.errors",
    "polyscene.core.progress",
    "polyscene.core.types",
    "polyscene.data.queries",
    "polyscene.data.schema",
    "polyscene.data.splits.protocol",
    "polyscene.data.tables.formats",
    "polyscene.evaluation.importance",
    "polyscene.evaluation.offpolicy.diagnostics",
    "polyscene.evaluation.offpolicy.estimator",
    "polyscene.evaluation.offpolicy.interval",
    "polyscene.evaluation.offpolicy.log",
    "polyscene.evaluation.report.figures",
    "polyscene.evaluation.repeated",
    "polyscene.evaluation.results",
    "polyscene.language.tuning.method",
    "polyscene.learning.baselines",
    "polyscene.learning.objectives.learner",
    "polyscene.metrics.metric",
    "polyscene.project",
    "polyscene.recommenders.scores",
    "polyscene.recommenders.abilities",
    "polyscene.recommenders.signal",
    "polyscene.representation.index",
    "polyscene.representation.item_space",
    "polyscene.responsible.explanation",
    "polyscene.runs.run",
    "polyscene.sample.world",
    "polyscene.training.recording",
)


def build(folder: Path) -> None:
    """Write one page per module."""
    import pdoc

    for name in polyscene.__all__:  # they are loaded when they are used; the reference wants them there
        setattr(polyscene, name, getattr(polyscene, name))
    pdoc.render.configure(docformat="google", footer_text=f"Polyscene {polyscene.__version__}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # types that are named for the type checker alone
        pdoc.pdoc(*MODULES, output_directory=folder)


class _Page(HTMLParser):
    """Collects what a page links to, and what can be linked to in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors.add(values.get("id") or "")
        if tag == "a" and values.get("href"):
            self.links.add(values["href"] or "")


def broken_links(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield each page with a link of its own site that leads nowhere."""
    pages = {path.resolve(): _Page(path.read_text(encoding="utf-8")) for path in folder.rglob("*.html")}
    for path, page in pages.items():
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            missing = target not in pages or (
                parts.fragment and unquote(parts.fragment) not in pages[target].anchors
            )
            if missing:
                yield path, link


def main() -> int:
    """Build, check, and say what came of it."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "build/reference")
    build(folder)
    broken = list(broken_links(folder))
    for path, link in broken:
        print(f"{path}: {link} leads nowhere", file=sys.stderr)
    print(f"{len(list(folder.rglob('*.html')))} pages in {folder}, {len(broken)} broken links")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
