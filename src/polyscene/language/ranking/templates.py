"""Prompts to text and back: templates filled with a history and a candidate, and the usual form read.

The form that is read back is the one of public instruction data: a list of quoted titles that are liked, one
of those that are not, and a question that quotes the candidate. Nothing here scores.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Self

from polyscene.core.errors import DataError, Problem, shown
from polyscene.data.reading.templates import Template
from polyscene.language.ranking.examples import Prompt
from polyscene.language.text.normalisation import normalise

TALLREC = (
    "User Preference: {liked}\nUser Unpreference: {disliked}\n"
    "Whether the user will like the target item {title}?"
)
"""Source: Bao et al., TALLRec, RecSys 2023, table 1, for any kind of item."""

MAX_ENTRIES = 50
MAX_TITLE_CHARS = 300
MAX_CACHED_TEXTS = 2**14
"""Texts whose quoted form is kept: candidates of one request share a history."""

_LISTED = re.compile(r'"(.+?)"([^"]*?)(?=,\s*"|\s*[?？.]?\s*$)')
_NEGATIVE = re.compile(r"\b(un|dis|not\b|non)", re.IGNORECASE)
_ANSWER = re.compile(r"\W*(?:(yes|true|1)|(no|false|0))\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """A template with the fields `{liked}`, `{disliked}`, `{title}` and `{profile}`, all but one optional.

    Attributes:
        template: the house's template, understood.
    """

    template: Template

    @classmethod
    def parse(cls, text: str = TALLREC) -> Self:
        """Understand a template.

        Raises:
            DataError: it is none, it names another field, or it does not say where the candidate goes.
        """
        template = Template.parse(text)
        wrong = sorted(set(template.fields) - {"liked", "disliked", "title", "profile"})
        if wrong or "title" not in template.fields:
            raise _unfit(text, f"the field {shown(wrong[0])}" if wrong else "no {title}")
        return cls(template)

    def fill(self, prompt: Prompt) -> str:
        """Return the question in words; lists that are empty take their labels with them.

        Texts are hostile: invisible characters are dropped, each is one line of at most 300 characters, and
        none can close its own quotes. Of each list the latest 50 stay.
        """
        values: Mapping[str, str | None] = {
            "liked": _listed(prompt.liked),
            "disliked": _listed(prompt.disliked),
            "title": _quoted(prompt.candidate),
            "profile": normalise(prompt.profile, MAX_TITLE_CHARS),
        }
        return self.template.fill(values)


def read_prompt(text: str, answer: str | None = None) -> Prompt:
    """Understand a question in the usual form, whatever its items are.

    A text that is not in the form becomes a prompt without history whose candidate is the whole text, so it
    can be ranked all the same: by its text.

    Raises:
        DataError: the answer is neither yes nor no.
    """
    label = None if answer is None else read_answer(answer)
    lines = [line for line in (normalise(line) for line in text.splitlines()) if line]
    prompt = _in_form(lines)
    return replace(prompt or Prompt(normalise(text)), label=label)


def read_answer(answer: str) -> bool:
    """Return whether the answer begins with yes.

    Raises:
        DataError: it begins with neither yes nor no.
    """
    match = _ANSWER.match(normalise(answer, MAX_TITLE_CHARS))
    if match is None:
        raise DataError(
            Problem(
                "an answer cannot be read",
                "an answer that begins with Yes or No",
                shown(answer),
                "write 'Yes.' or 'No.', or leave the row out",
                column="output",
            )
        )
    return match[1] is not None


def _in_form(lines: list[str]) -> Prompt | None:
    """Return the prompt, or None where the lines are not two lists and a question about one title."""
    if len(lines) < 3:
        return None
    *_, first, second, question = lines
    candidate = _titles(question)
    heads = [line.partition(":") for line in (first, second)]
    labelled = all(colon and '"' not in head for head, colon, _ in heads)
    if len(candidate) != 1 or not labelled:
        return None
    liked, disliked = (_titles(rest) for _, _, rest in heads)
    if _NEGATIVE.search(heads[0][0]) and not _NEGATIVE.search(heads[1][0]):
        liked, disliked = disliked, liked
    return Prompt(candidate[0], tuple(liked), tuple(disliked))


def _titles(text: str) -> list[str]:
    """Return the quoted titles, each with what stands behind it ('"Emma" written by Jane Austen')."""
    return [f"{title}{behind.rstrip()}" for title, behind in _LISTED.findall(text)]


def _listed(texts: tuple[str, ...]) -> str:
    return ", ".join(quoted for quoted in map(_quoted, texts[-MAX_ENTRIES:]) if quoted)


@lru_cache(maxsize=MAX_CACHED_TEXTS)
def _quoted(text: str) -> str:
    title = normalise(text, MAX_TITLE_CHARS).replace('"', "'")
    return f'"{title}"' if title else ""


def _unfit(text: str, fault: str) -> DataError:
    return DataError(
        Problem(
            "the prompt template cannot be used",
            "a template with {title} and, as you like, {liked}, {disliked} and {profile}",
            f"{fault} in {shown(text)}",
            f"write for example {TALLREC!r}",
            column="prompt",
        )
    )
