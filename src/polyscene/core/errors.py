"""The one error family.

Every error says what was expected, what was found and what to do. Each class also subclasses the
builtin it specialises, so a caller may catch either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "repaired"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the input, in the words of the person who has to mend it.

    Attributes:
        what: what is wrong, in a few words.
        expected: what Polyscene needed.
        found: what it met instead; hostile text is shortened and escaped.
        remedy: what the user can do.
        file: the file as the user named it, where there is one.
        row: 1-based data row (a header does not count), where one is known.
        column: the column, where one is known.
        count: how many rows or values have this problem.
        severity: "error" stops the work, "warning" does not, "repaired" was mended as asked.
        scenario: the scenario in which it was met, where there is one.
        mended: whether reading put it right or left the rows out, although it is more than "repaired" says:
            a warning that `check` shows and `train` repeats.
        key: the configuration's key, dotted, where it is what has to be mended.
    """

    what: str
    expected: str
    found: str
    remedy: str
    file: str | None = None
    row: int | None = None
    column: str | None = None
    count: int = 1
    severity: Severity = "error"
    scenario: str | None = None
    mended: bool = False
    key: str | None = None

    @property
    def place(self) -> str:
        """Return where it is, in words; "" where that is not known."""
        named = (("", self.file), ("row ", self.row), ("column ", self.column), ("key ", self.key))
        return ", ".join(f"{kind}{value}" for kind, value in named if value not in (None, ""))

    @property
    def sentence(self) -> str:
        """Return it in one line, without its place."""
        return f"{self._headline}: expected {self.expected}, found {self.found}; {self.remedy}"

    @property
    def _headline(self) -> str:
        times = f" ({self.count:,} times)" if self.count > 1 else ""
        return f"{self.what}{times}"

    def __str__(self) -> str:
        head = f"{self.place}: {self._headline}" if self.place else self._headline
        return f"{head}\n  expected: {self.expected}\n  found:    {self.found}\n  remedy:   {self.remedy}"


class PolysceneError(Exception):
    """The root of all errors that Polyscene raises on purpose."""


class ProblemsError(PolysceneError, ValueError):
    """One or more problems with what the user gave.

    Args:
        problems: at least one problem; all are shown.
    """

    def __init__(self, problems: Problem | Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ConfigError(ProblemsError):
    """The configuration cannot be used as it is written."""


class DataError(ProblemsError):
    """The tables cannot be used as they are."""


class ArgumentError(PolysceneError, TypeError, ValueError):
    """An argument of a call in Python is of the wrong type, or a value that it cannot be."""


class ModelError(PolysceneError, RuntimeError):
    """A language model cannot be found, verified or used."""


class UnknownIdError(PolysceneError, LookupError):
    """A user, item, scenario, signal or run that was asked for does not exist."""


class RunError(PolysceneError, RuntimeError):
    """A run folder is missing, incomplete or made by an incompatible version."""


class MissingExtraError(PolysceneError, ImportError):
    """An optional part is not installed; the text names the extra that brings it."""


class StoreError(PolysceneError, RuntimeError):
    """A store of events or decisions cannot be used now; what was refused may be sent again."""


class ConflictError(PolysceneError, ValueError):
    """Something else was sent before under the same key."""
