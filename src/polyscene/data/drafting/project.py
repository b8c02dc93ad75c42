"""`polyscene init`: look at unknown tables and draft the `polyscene.toml` that describes them.

Names and values are weighed together; no rule knows a data set. Every guess carries its reason and how sure
it is, and what a person has to decide is marked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from polyscene.core.errors import DataError, Problem
from polyscene.core.settings.language import MINILM
from polyscene.core.text import one_line, shown
from polyscene.data.drafting.draft import Guess, ScenarioDraft, TableDraft
from polyscene.data.drafting.events import quoted
from polyscene.data.drafting.folders import passed_over, table_files
from polyscene.data.drafting.layout import Match, best_match, draft_scenario
from polyscene.data.drafting.long_tables import one_row_each
from polyscene.data.drafting.names import hint, slug, tokens
from polyscene.data.drafting.spoilt_ids import cut_ids, with_filled_zeros
from polyscene.data.drafting.spoken import Spoken, model_for, spoken_in
from polyscene.data.drafting.tables import Table, read_tables
from polyscene.data.drafting.toml import comment, guess_line, scenario_toml, text
from polyscene.data.drafting.widening import WideTable, widened
from polyscene.data.tables.formats import formats_by_ending

_MAX_DEPTH = 3
_MAX_FOLDERS = 200
_MAX_PARTS = 20
_MAX_TABLES = 60
_MAX_NAMED = 20
_RUN = "run.json"
"""Lies in the folder of a run, which is none of a person's tables."""


@dataclass(frozen=True)
class ProjectDraft:
    """A whole `polyscene.toml` in the making.

    Attributes:
        protocol: how runs are to be judged.
        language: the language model that reads the texts.
        notes: tables that were looked at and not used, and what was odd about files.
    """

    name: str
    scenarios: tuple[ScenarioDraft, ...]
    protocol: Guess
    language: Guess = Spoken(0, 0, {}).model
    notes: tuple[str, ...] = ()

    @property
    def decisions(self) -> tuple[str, ...]:
        """The settings that a person has to look at, such as `scenarios.shop.events.user`."""
        return tuple(path for path, guess in self._guesses() if guess.to_decide)

    @property
    def questions(self) -> tuple[tuple[str, str], ...]:
        """What has no guess and a person has to decide: the setting that would answer it, and the words."""
        return tuple(
            (path, guess.why) for path, guess in self._guesses() if not guess.value and guess.sure == 0
        )

    def to_toml(self, folder: Path | None = None) -> str:
        """Return the commented configuration.

        Args:
            folder: where the file will stand; paths are written relative to it. Default: the current one.
        """
        base = folder or Path.cwd()
        lines = [*self._head(), f"name = {text(self.name)}", "seed = 7", ""]
        lines += ["[language]", *self._model(), ""]
        alone = len({scenario.events.table.key for scenario in self.scenarios}) == 1
        for scenario in self.scenarios:
            lines += [*scenario_toml(scenario, base, alone), ""]
        lines += ["[evaluation]", *guess_line("protocol", self.protocol), "cutoffs = [5, 10, 20]"]
        return "\n".join(lines) + "\n"

    def _model(self) -> list[str]:
        lines = guess_line("model", self.language)
        if self.language.value != MINILM or self.language.instead:
            lines.append(comment("'multilingual' needs: pip install \"polyscene[languages]\" (125 MB)"))
        return lines

    def _head(self) -> list[str]:
        open_questions = len(self.decisions)
        lines = [
            "Drafted by `polyscene init` from names and values: every line below is a guess with its reason."
        ]
        if open_questions:
            lines.append(f"Look first at what says DECIDE: {', '.join(self.decisions)}.")
        lines.append("Mend what is wrong, then let `polyscene check` read every row.")
        lines += [f"Note: {note}." for note in self.notes]
        return [*(comment(line) for line in lines), ""]

    def _guesses(self) -> Iterator[tuple[str, Guess]]:
        for scenario in self.scenarios:
            for part, draft in scenario.parts.items():
                for key, guess in draft.guesses.items():
                    yield f"scenarios.{scenario.name}.{part}.{key}", guess
                for key, lines in draft.questions.items():
                    yield f"scenarios.{scenario.name}.{part}.{key}", Guess("", 0.0, " ".join(lines))
        yield "language.model", self.language
        yield "evaluation.protocol", self.protocol


def guess_project(paths: Sequence[Path], name: str | None = None) -> ProjectDraft:
    """Look at tables and draft a project.

    Args:
        paths: files and folders with Parquet, CSV, TSV or JSON Lines tables, also gz and zst. A folder in a
            folder is a scenario of its own where it has events and items.
        name: the project's name; default: that of the first path.

    Raises:
        DataError: a path is missing, or no table looks like events.
    """
    _check_present(paths)
    scopes, notes = _scopes(paths)
    matches: list[tuple[str, Match, list[Table]]] = []
    for title, tables in scopes:
        for part, members in _by_prefix(title, tables):
            match = best_match(members)
            if match is not None:
                matches.append((part, match, members))
    if not matches:
        raise _nothing_found(paths, [table for _, tables in scopes for table in tables], notes)
    scenarios = tuple(_unique(_parted(matches)))
    notes += _unused(scopes, scenarios)
    title = name or (paths[0].resolve().name if paths[0].is_dir() else paths[0].name.split(".")[0])
    return ProjectDraft(
        slug(title, "my_project"), scenarios, _protocol(scenarios), _language(scenarios), tuple(notes)
    )


def _check_present(paths: Sequence[Path]) -> None:
    missing = [path for path in paths if not path.exists()]
    if missing or not paths:
        found = ", ".join(shown(str(path)) for path in missing) if missing else "no path at all"
        remedy = "give the folder or the files with your events and items"
        raise DataError(Problem("there is nothing to look at", "files or folders that exist", found, remedy))


def _scopes(paths: Sequence[Path]) -> tuple[list[tuple[str, list[Table]]], list[str]]:
    """Return groups of tables that may make one scenario each, and notes on unreadable files."""
    files = [path for path in paths if path.is_file()]
    groups: list[tuple[str, list[Path]]] = [(files[0].resolve().parent.name, files)] if files else []
    for path in paths:
        if path.is_dir():
            groups += _folders(path, [], 0)
    scopes: list[tuple[str, list[Table]]] = []
    notes: list[str] = []
    for title, members in groups[:_MAX_FOLDERS]:
        tables, odd = read_tables(members)
        tables = [widened(one_row_each(table)) for table in with_filled_zeros(tables)]
        notes += [note for note in odd if note not in notes]
        notes += [note for table in tables for note in (*table.notes, *cut_ids(table)) if note not in notes]
        if len(tables) > _MAX_TABLES:
            notes.append(f"only the first {_MAX_TABLES} tables of {shown(title)} were looked at")
        if tables:
            scopes.append((title, tables[:_MAX_TABLES]))
    return scopes, notes


def _folders(folder: Path, above: list[Path], depth: int) -> list[tuple[str, list[Path]]]:
    """Return a folder's tables, and those of its folders together with the ones that lie above them."""
    own = table_files(folder)
    groups = [(folder.resolve().name, [*own, *above])] if own else []
    if depth < _MAX_DEPTH:
        for child in sorted(folder.iterdir()):
            if _may_hold_tables(child):
                groups += _folders(child, [*above, *own], depth + 1)
    return groups


def _may_hold_tables(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith((".", "_")) and not (path / _RUN).is_file()


def _by_prefix(title: str, tables: list[Table]) -> list[tuple[str, list[Table]]]:
    """Part `shop_items, shop_events, news_items, news_clicks` into two scenarios of two tables."""
    groups: dict[str, list[Table]] = {}
    for table in tables:
        words = tokens(table.stem)
        role = (
            any(hint(words[-1], kind) for kind in ("items_file", "events_file", "users_file"))
            if words
            else False
        )
        groups.setdefault(" ".join(words[:-1]) if role else "", []).append(table)
    shared = groups.pop("", [])
    if len(groups) < 2 or any(len(members) < 2 or best_match(members) is None for members in groups.values()):
        return [(title, tables)]
    return [(prefix, [*members, *shared]) for prefix, members in groups.items()]


def _parted(matches: list[tuple[str, Match, list[Table]]]) -> Iterator[ScenarioDraft]:
    """Yield a scenario per match, or one per value where a column parts it into several."""
    for title, match, tables in matches:
        scenario = draft_scenario(slug(title), match, tables)
        if match.scenario is None:
            yield scenario
            continue
        for value in match.events.distinct(match.scenario, _MAX_PARTS):
            condition = f"{quoted(match.scenario)} = '{value.replace(chr(39), chr(39) * 2)}'"
            yield scenario.narrowed(slug(value), condition)


def _unique(scenarios: Iterator[ScenarioDraft]) -> Iterator[ScenarioDraft]:
    """Yield scenarios under names of their own, each pair of tables once."""
    names: set[str] = set()
    seen: set[tuple[object, ...]] = set()
    for scenario in scenarios:
        made_of = (scenario.events.table.key, scenario.items.table.key, scenario.events.where)
        if made_of in seen:
            continue
        seen.add(made_of)
        name, count = scenario.name, 2
        while name in names:
            name, count = f"{scenario.name}_{count}", count + 1
        names.add(name)
        yield replace(scenario, name=name)


def _unused(scopes: list[tuple[str, list[Table]]], scenarios: Sequence[ScenarioDraft]) -> list[str]:
    used = set()
    for scenario in scenarios:
        used |= {draft.table.key for draft in scenario.parts.values()}
        for table in (scenario.items.table, scenario.events.table):
            used |= {other.key for other, _ in table.joined} if isinstance(table, WideTable) else set()
    tables = {table.key: table for _, members in scopes for table in members if table.key not in used}
    return [
        f"{shown(table.name)} is not used; its columns: "
        + ", ".join(shown(c, 30) for c in list(table.columns)[:6])
        for table in tables.values()
    ]


def _protocol(scenarios: Sequence[ScenarioDraft]) -> Guess:
    """Guess how to judge: by the tables' own split, by time, or by each user's last event."""
    logs = [scenario.events.guesses for scenario in scenarios]
    if all("split" in log for log in logs):
        return Guess("given", 0.95, "the events say which rows are for testing", ("temporal",))
    timed = [
        log
        for log in logs
        if "time" in log and str(getattr(log.get("time_format"), "value", "")) != "sequence"
    ]
    if len(timed) == len(logs):
        return Guess(
            "temporal", 0.9, "events have times: the latest are judged", ("progressive", "leave_last_out")
        )
    if any("time" in log for log in logs):
        return Guess("leave_last_out", 0.85, "sequence numbers order events but are no times")
    return Guess("leave_last_out", 0.55, "nothing says when: each user's last row counts as the newest")


def _language(scenarios: Sequence[ScenarioDraft]) -> Guess:
    """Guess the language model by what the texts of the catalogues are written in."""
    return model_for({scenario.name: spoken_in(_texts(scenario.items)) for scenario in scenarios})


def _texts(items: TableDraft) -> Iterator[str]:
    columns = [name for name in items.columns("text") if name in items.table.sample.columns]
    for row in items.table.sample.select(columns).iter_rows():
        yield " ".join(str(value) for value in row if value is not None)


def _nothing_found(paths: Sequence[Path], tables: Sequence[Table], notes: Sequence[str]) -> DataError:
    """Say of every table and file that was met why it is not the log."""
    seen = [f"{table.name} ({', '.join(list(table.columns)[:8])})" for table in tables[:_MAX_NAMED]]
    folders = [path for path in paths if path.is_dir()]
    odd = dict.fromkeys([*notes, *(note for folder in folders for note in passed_over(folder))])
    found = "; ".join([*seen, *list(odd)[:_MAX_NAMED]])
    read = ", ".join(formats_by_ending())
    return DataError(
        Problem(
            "no table looks like events",
            "a table with a row per event (a user, an item), or a row per choice (a user, a list of items)",
            one_line(found, 2_000) if found else "no file at all",
            "name the table of events as well, or write polyscene.toml by hand: see the README"
            + ("" if seen else f'; files that end in {read} are read, others with format = "csv" or another'),
            file=str(paths[0]),
        )
    )
