"""`polyscene init`: draft a configuration from tables nobody has described yet, or from a public set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from polyscene.cli.console import show, tell
from polyscene.cli.options import CONFIG

if TYPE_CHECKING:
    from polyscene.data.drafting.draft import Guess
    from polyscene.data.drafting.project import ProjectDraft

Paths = Annotated[
    list[Path], typer.Argument(metavar="PATHS...", help="Tables and folders with tables.", show_default=False)
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="PATH", help="The file to write; with --from the folder. [polyscene.toml; SET]"
    ),
]
Name = Annotated[str | None, typer.Option("--name", help="The project's name; default: the folder's.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a configuration that is there already.")]
From = Annotated[
    str | None, typer.Option("--from", metavar="SET", help="Convert a public set; PATHS is its folder.")
]
Download = Annotated[bool, typer.Option("--download", help="With --from: fetch the set into PATHS first.")]
ListSets = Annotated[bool, typer.Option("--list-sets", help="List the public sets and stop.")]


def init(
    paths: Paths = [],  # noqa: B006 - typer wants a list, and nobody changes it
    out: Out = None,
    name: Name = None,
    force: Force = False,
    source: From = None,
    download: Download = False,
    list_sets: ListSets = False,
) -> None:
    """Look at tables and write the polyscene.toml that describes them, every guess with its reason."""
    if list_sets:
        _list_sets()
    elif source is not None:
        _convert(source, paths, out, download, bool(name or force))
    elif download:
        raise typer.BadParameter("--download goes with --from SET")
    elif not paths:
        raise typer.BadParameter("name the folder or the files with your events and items")
    else:
        _draft(paths, out or CONFIG, name, force)


def _draft(paths: list[Path], out: Path, name: str | None, force: bool) -> None:
    from polyscene.core.files import write_text
    from polyscene.data.drafting.project import guess_project

    _demand_free(out, force)
    draft = guess_project(paths, name)
    write_text(out, draft.to_toml(out.resolve().parent))
    describe(draft)
    show(
        f"wrote {out}",
        "next: look at it, then `polyscene check" + (f" --config {out}`" if out != CONFIG else "`"),
    )


def describe(draft: ProjectDraft) -> None:
    """Show what was guessed, why, and what a person has to decide."""
    from polyscene.cli.tables import plain_table

    for scenario in draft.scenarios:
        rows = [
            _row(part, key, guess)
            for part, table in (
                ("items", scenario.items),
                ("events", scenario.events),
                ("users", scenario.users),
            )
            if table is not None
            for key, guess in table.guesses.items()
        ]
        show(plain_table(f"scenario {scenario.name}", ("setting", "guess", "sure", "why"), rows))
    show(f"protocol: {draft.protocol.value} ({draft.protocol.why})")
    for note in draft.notes:
        tell(f"note: {note}")
    for path, question in draft.questions:
        tell(f"DECIDE {path}: {question}")
    if draft.decisions:
        show("please decide: " + ", ".join(draft.decisions))


def _row(part: str, key: str, guess: Guess) -> tuple[str, str, str, str]:
    value = ", ".join(guess.value) if isinstance(guess.value, tuple) else str(guess.value)
    instead = f"; or {', '.join(guess.instead)}" if guess.instead and guess.to_decide else ""
    return f"{part}.{key}", value, "DECIDE" if guess.to_decide else f"{guess.sure:.0%}", guess.why + instead


def _demand_free(out: Path, force: bool) -> None:
    from polyscene.core.errors import ConfigError, Problem

    if out.is_dir():
        remedy = f"name a file, e.g. --out {out / CONFIG}"
        raise ConfigError(Problem("this is a folder", "the file to write", "a folder", remedy, file=str(out)))
    if out.exists() and not force:
        remedy = "name another file with --out, or replace it with --force"
        found = "a configuration from before"
        raise ConfigError(Problem("this file is taken", "a new file", found, remedy, file=str(out)))


def _convert(name: str, paths: list[Path], out: Path | None, download: bool, others: bool) -> None:
    from polyscene.cli.progress import TerminalProgress
    from polyscene.data.public import registry

    if len(paths) != 1:
        raise typer.BadParameter("--from SET wants one folder: the one with the published files")
    if others:
        raise typer.BadParameter("--name and --force do not go with --from; name another folder with --out")
    progress = TerminalProgress()
    wanted = registry.public_set(name)
    source = registry.download(name, paths[0], progress) if download else paths[0]
    config = wanted.prepare(source, out or Path(name), progress)
    show(f"wrote {config}", f"licence: {wanted.licence}", f"cite: {wanted.citation}")
    show(f"next: polyscene check --config {config}")


def _list_sets() -> None:
    from polyscene.cli.tables import plain_table
    from polyscene.data.public.registry import public_sets

    rows = [
        (entry.name, entry.title, "yes" if entry.archive else "by hand", entry.licence, entry.homepage)
        for entry in public_sets().values()
    ]
    show(plain_table("public sets", ("set", "title", "--download", "licence", "home"), rows))
