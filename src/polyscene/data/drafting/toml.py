"""A draft as TOML that is pleasant to read: every guess with its reason, what is open marked DECIDE."""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from polyscene.core.text import printable, shown
from polyscene.data.drafting.draft import Guess, ScenarioDraft, TableDraft, Value
from polyscene.data.drafting.tables import Table
from polyscene.data.drafting.widening import WideTable

_WIDTH = 118
_MAX_PATHS = 8


def text(value: str) -> str:
    """Return a TOML basic string."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def key(name: str) -> str:
    """Return a TOML key, quoted where it has to be."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else text(name)


def comment(words: str) -> str:
    """Return a comment on one line, whatever hostile text was woven into it."""
    return "# " + printable(words, keep="", instead="?")


def value_of(value: Value) -> str:
    """Return a string, a list of strings or a number as TOML."""
    return _literal(list(value) if isinstance(value, tuple) else value)


def scenario_toml(scenario: ScenarioDraft, folder: Path, alone: bool) -> list[str]:
    """Return the lines of one scenario; `alone` says that no other has a log of its own."""
    head = f"scenarios.{key(scenario.name)}"
    lines = [f"[{head}]"]
    if scenario.template:
        lines += setting("template", text(scenario.template), "what the language model reads of an item")
    if not alone:
        lines.append(
            comment("whoever has the same id in another scenario is the same person; where that is wrong:")
        )
        lines.append(comment("users_are_local = true"))
    lines += _objectives(scenario)
    for part, draft in scenario.parts.items():
        lines += ["", f"[{head}.{part}]", *_table(draft, folder)]
    return lines


def _objectives(scenario: ScenarioDraft) -> list[str]:
    seen = [shown(action, 30) for action in scenario.actions_seen]
    if not seen:
        return []
    lines = [comment("actions found: " + ", ".join(seen[:12]) + ("" if len(seen) <= 12 else ", …"))]
    if not scenario.objectives:
        lines.append(comment("each of them counts as a choice; to want only some, or some more than others:"))
        lines.append(comment(f"objectives = [{{ action = {text(scenario.actions_seen[0])}, weight = 1.0 }}]"))
        return lines
    wanted = ", ".join(f"{{ action = {text(action)} }}" for action in scenario.objectives)
    lines += setting(
        "objectives", f"[{wanted}]", "what is recommended for; add weight = 2.0 to want one more"
    )
    if scenario.actions:
        weights = ", ".join(f"{key(action)} = {weight}" for action, weight in scenario.actions.items())
        lines += setting("actions", f"{{ {weights} }}", "0: read, but nothing to learn a liking from")
    return lines


def _table(draft: TableDraft, folder: Path) -> list[str]:
    table = draft.table
    lines = [f"path = {_paths(table.paths, folder)}"]
    if table.looked_at is not None:
        lines.insert(
            0, comment(f"looked at: {table.looked_at}; what is guessed from them alone says 'so far'")
        )
    lines += [f"{name} = {value}" for name, value in _reading(table)]
    if isinstance(table, WideTable) and table.joined:
        others = ", ".join(_joined(other, on, folder) for other, on in table.joined)
        lines.append(f"join = [{others}]  " + comment("adds its columns to the rows with the same id"))
    if draft.where is not None and "where" not in draft.guesses:
        lines.append(f"where = {text(draft.where)}")
    for name, guess in draft.guesses.items():
        if name == "where" and draft.where is not None:
            guess = replace(guess, value=f"{draft.where} and {guess.value}")
        lines += guess_line(name, guess, partial=table.looked_at is not None)
    return _aligned(lines) + [comment(line) for line in [*_questions(draft), *draft.hints]]


def _questions(draft: TableDraft) -> list[str]:
    return [
        f"DECIDE: {line}" if place == 0 else line
        for lines in draft.questions.values()
        for place, line in enumerate(lines)
    ]


def _joined(other: Table, on: str, folder: Path) -> str:
    words = [f"path = {_paths(other.paths, folder)}", f"on = {text(on)}"]
    words += [f"{name} = {value.split('  # ')[0]}" for name, value in _reading(other)]
    return "{ " + ", ".join(words) + " }"


def _reading(table: Table) -> list[tuple[str, str]]:
    """Return the settings that say how the files are read, each with its reason."""
    written = table.settings.model_dump(exclude_defaults=True, exclude={"path", "where", "join"})
    lines = []
    for name, value in written.items():
        why = table.reasons.get(name)
        lines.append((name, _literal(value) + (f"  {comment(why)}" if why else "")))
    return lines


def _literal(value: object) -> str:
    """Return a setting's value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key(name)} = {_literal(part)}" for name, part in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_literal(part) for part in value) + "]"
    return text(value) if isinstance(value, str) else str(value)


def guess_line(name: str, guess: Guess, partial: bool = False) -> list[str]:
    """Return a setting with its reason, how sure it is and what else it could be.

    Args:
        name: of the setting.
        guess: its value.
        partial: whether it rests on a part of the table.
    """
    words = "DECIDE" if guess.to_decide else "sure" if guess.sure >= 0.85 else "likely"
    why = f"{words} ({guess.sure:.0%}{', so far' if partial else ''}): {guess.why}"
    if guess.instead:
        why += "; or " + ", ".join(text(shown(other, 40).strip("'\"")) for other in guess.instead) + "?"
    return setting(name, value_of(guess.value), why)


def setting(name: str, value: str, why: str) -> list[str]:
    """Return `name = value  # why`, the comment on a line of its own where it would be too long."""
    line = f"{key(name)} = {value}"
    if len(line) + len(why) + 8 <= _WIDTH:
        return [f"{line}  {comment(why)}"]
    return [comment(why), line]


def _aligned(lines: list[str]) -> list[str]:
    """Align the equal signs of simple settings."""
    pairs = [re.match(r"([A-Za-z_]+) = ", line) for line in lines]
    width = max((len(pair.group(1)) for pair in pairs if pair), default=0)
    return [
        f"{pair.group(1):<{width}} = {line[pair.end() :]}" if pair else line
        for pair, line in zip(pairs, lines, strict=True)
    ]


def _paths(paths: Sequence[Path], folder: Path) -> str:
    names = [_relative(path, folder) for path in paths]
    if len(names) == 1:
        return text(names[0])
    if len(names) <= _MAX_PATHS:
        return value_of(tuple(names))
    pattern = _glob_of(names)
    meant = {path.resolve() for path in paths}
    matched = {Path(name).resolve() for name in glob.glob(str(folder / pattern)) if Path(name).is_file()}
    return text(pattern) if matched == meant else value_of(tuple(names))


def _glob_of(names: Sequence[str]) -> str:
    """Return what all names begin with, and the endings of the first."""
    first, last = min(names), max(names)
    same = next((place for place, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), 0)
    return first[:same] + "*" + "".join(Path(first).suffixes)


def _relative(path: Path, folder: Path) -> str:
    try:
        relative = Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    except ValueError:  # another drive
        return path.resolve().as_posix()
    return path.resolve().as_posix() if relative.startswith("../../..") else relative
