"""The text of an item, filled into a template such as '{title}. Brand: {brand}.' from its columns.

A field that is missing takes its words with it: what stands before it ('Brand: ') and the punctuation
behind it. Fields are plain column names; nothing can be looked up, formatted or called.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Self

from polyscene.core.errors import DataError, Problem
from polyscene.core.text import shown

_STOPS = ".;,!?|。；，！？"
_CLOSERS = ")]}\"'”»"
_BEHIND = re.compile(rf"[^{_STOPS}\n]*?[{_STOPS}]+(?=\s|$)|[{re.escape(_CLOSERS)}]+|(?=\n)", re.DOTALL)
_BEFORE = re.compile(rf"(?:.*[{_STOPS}](?=\s)|.*\n|^)(.*)$", re.DOTALL)
_OPEN, _CLOSE = "([{", ")]}"
_LOOSE = " \t,;:|/-–—"


@dataclass(frozen=True, slots=True)
class Clause:
    """One field with the words that belong to it.

    Attributes:
        always: text before it that belongs to no field.
        before: its label, shown only with it.
        field: the column.
        behind: its punctuation, shown only with it.
    """

    always: str
    before: str
    field: str
    behind: str


@dataclass(frozen=True, slots=True)
class Template:
    """A template that was understood.

    Attributes:
        clauses: one per field, in order.
        ending: text behind the last clause.
    """

    clauses: tuple[Clause, ...]
    ending: str

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns that are named, each once."""
        return tuple(dict.fromkeys(clause.field for clause in self.clauses))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Understand a template; braces are doubled to be shown.

        Raises:
            DataError: it names no field, or a field is no plain name.
        """
        try:
            parts = list(Formatter().parse(text))
        except ValueError as error:
            raise _refused(text, str(error)) from None
        literals, fields = [""], []
        for literal, field, layout, conversion in parts:
            literals[-1] += literal
            if field is None:
                continue
            if layout or conversion or not field or re.search(r"[.\[\]{}]", field) or field.isdigit():
                raise _refused(text, shown(field + (f"!{conversion}" if conversion else "") + (layout or "")))
            fields.append(field)
            literals.append("")
        if not fields:
            raise _refused(text, "no field")
        return cls(*_clauses(literals, fields))

    def fill(self, values: Mapping[str, str | None]) -> str:
        """Return the text for one row; '' where every field is missing."""
        words = {name: " ".join((values.get(name) or "").split()) for name in self.fields}
        if not any(words.values()):
            return ""
        line = _Line()
        for clause in self.clauses:
            line.add(clause.always)
            if words[clause.field]:
                line.show(clause, words[clause.field])
            else:
                line.skip(clause)
        line.add(self.ending)
        return line.tidy()


class _Line:
    """A text under construction, which knows what dropped fields have left open.

    Brackets that were to open before a dropped field open before the next one; separators behind a field
    wait until something follows.
    """

    def __init__(self) -> None:
        self.text = ""
        self.waiting = ""  # separators that need a follower
        self.openers = ""  # brackets of dropped fields
        self.depth = 0  # brackets that stand open
        self.skipped = True  # whether a field was dropped since the last one shown

    def add(self, literal: str) -> None:
        if literal.strip():
            self._append(self.waiting + literal)
            self.waiting, self.skipped = "", False
        elif literal:  # a line break
            self.text += literal
            self.waiting = ""

    def show(self, clause: Clause, value: str) -> None:
        before = clause.before
        if self.skipped and (not self.text or self.text[-1] in ".!?…\n。！？"):
            before = " " + before.lstrip(_LOOSE)
        behind = _after(value, clause.behind)
        firm = behind.rstrip(_LOOSE)
        self._append(self.waiting + before + self.openers)
        self.text += value
        self._append(firm)
        self.waiting, self.openers, self.skipped = behind[len(firm) :], "", False

    def skip(self, clause: Clause) -> None:
        self.skipped = True
        for sign in clause.before + clause.behind:
            if sign in _OPEN:
                self.openers += sign
            elif sign in _CLOSE and self.openers:
                self.openers = self.openers[:-1]
            elif sign in _CLOSE and self.depth:
                self.waiting = ""
                self._append(sign)

    def _append(self, literal: str) -> None:
        opened = sum(sign in _OPEN for sign in literal)
        closed = sum(sign in _CLOSE for sign in literal)
        self.depth = max(0, self.depth + opened - closed)
        self.text += literal

    def tidy(self) -> str:
        return re.sub(r" ?\n[ \n]*", "\n", re.sub(r"[ \t]+", " ", self.text)).strip()


def joined(values: Sequence[str | None]) -> str:
    """Return the texts of an item without a template, one sentence after the other."""
    text = ""
    for value in values:
        words = " ".join((value or "").split())
        if words and text:
            text += " " if text[-1] in ".!?…。！？" else ". "
        text += words
    return text


def _clauses(literals: list[str], fields: list[str]) -> tuple[tuple[Clause, ...], str]:
    """Share the text between two fields out: punctuation to the one before, label to the one behind."""
    clauses = []
    always, before = _front(literals[0])
    for field, literal in zip(fields, literals[1:], strict=True):
        match = _BEHIND.match(literal)
        behind = match.group() if match else ""
        clauses.append(Clause(always, before, field, behind))
        always, before = _front(literal[len(behind) :])
    return tuple(clauses), always + before


def _front(literal: str) -> tuple[str, str]:
    match = _BEFORE.match(literal)
    start = match.start(1) if match else 0
    return literal[:start], literal[start:]


def _after(value: str, behind: str) -> str:
    """Return the punctuation behind a value that may already end in its own."""
    doubled = value[-1] in ".!?…。！？" and behind[:1] in tuple(".。")
    return behind[1:] if doubled else behind


def _refused(text: str, found: str) -> DataError:
    return DataError(
        Problem(
            "the template cannot be used",
            "text with plain column names in braces, such as '{title}. Brand: {brand}.'",
            f"{found} in {shown(text)}",
            "mend 'template'; write {{ and }} for braces that are meant to be seen",
            key="template",
        )
    )
