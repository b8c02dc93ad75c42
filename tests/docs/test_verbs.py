"""Every verb and every option is documented, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from polyscene.cli import failures
from polyscene.cli.main import VERBS, app

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "command-line.md"
NAMES = [verb.__name__ for verb in VERBS]


def _section(verb: str) -> str:
    parts = re.split(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))[f"polyscene {verb}"]


def _options(verb: str) -> set[str]:
    command = typer.main.get_command(app).commands[verb]  # type: ignore[attr-defined]
    names = {max(parameter.opts, key=len) for parameter in command.params if parameter.opts[0][0] == "-"}
    return names - {"--help"}


@pytest.mark.parametrize("verb", NAMES)
def test_options_are_those_of_the_verb(verb: str) -> None:
    usage = " ".join(re.findall(r"`(polyscene [^`]*)`", _section(verb)))
    documented = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", usage))
    assert documented == _options(verb)


def test_exit_codes_are_those_in_the_code() -> None:
    codes = {
        int(code) for code in re.findall(r"^\| (\d+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    }
    known = (failures.WRONG, failures.USER, failures.BUG, failures.INTERRUPTED, failures.UNREAD)
    assert codes == {0, *known}


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")], ids=lambda path: path.name)
def test_no_page_names_a_verb_that_is_not_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    code = [
        *re.findall(r"`([^`\n]+)`", text),
        *re.findall(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE),
    ]
    named = set(re.findall(r"\bpolyscene ([a-z]+)", "\n".join(code)))
    assert named <= {*NAMES}
