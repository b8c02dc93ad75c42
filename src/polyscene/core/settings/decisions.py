"""What a drafted configuration still asks a person to decide: its comments that say DECIDE."""

from __future__ import annotations

import re

from polyscene.core.errors import Problem
from polyscene.core.text import shown

_MARK = re.compile(r"#\s*DECIDE\b[:\s]*(.*)")
_BLOCK = re.compile(r"\s*\[+([^\[\]]+)\]+\s*(?:#.*)?")
_SETTING = re.compile(r"\s*(?:#\s*)?([A-Za-z_]\w*)\s*=")


def open_decisions(text: str, file: str) -> list[Problem]:
    """Return a warning for each comment that says DECIDE, with the key that it speaks of.

    Args:
        text: of the configuration.
        file: its name, for messages.
    """
    lines, block, problems = text.splitlines(), "", []
    for number, line in enumerate(lines):
        head = _BLOCK.fullmatch(line)
        block = head.group(1).strip() if head else block
        mark = _MARK.search(line)
        if mark:
            key = ".".join(part for part in (block, _key_at(lines, number)) if part)
            problems.append(_problem(file, key, mark.group(1), number + 1))
    return problems


def _key_at(lines: list[str], number: int) -> str:
    """Return the setting on a line, or on the next one where the line is a comment alone."""
    near = (lines[number].split("#")[0], *lines[number + 1 : number + 2])
    settings = (_SETTING.match(line) for line in near)
    return next((setting.group(1) for setting in settings if setting), "")


def _problem(file: str, key: str, words: str, line: int) -> Problem:
    return Problem(
        "a setting is still to be decided",
        "what a person has decided",
        f"line {line}: {shown(words, 160)}",
        "look at it, change what is wrong, and take the word DECIDE out",
        file=file,
        key=key or None,
        severity="warning",
    )
