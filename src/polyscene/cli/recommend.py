"""`polyscene recommend`: what would this user be shown, or every user of a list?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polyscene.cli.options import CONFIG, AsJson, Config, RunId, ScenarioName, Size, opened

if TYPE_CHECKING:
    from polyscene.runs.run import Run

User = Annotated[
    str | None,
    typer.Argument(metavar="[USER]", help="The user's id; somebody unknown gets what suits everybody."),
]
Exclude = Annotated[
    list[str], typer.Option("--exclude", metavar="ID", help="An item not to be shown; may be repeated.")
]
Items = Annotated[
    str | None,
    typer.Option("--items", metavar="A,B,C", help="Recommend out of these items alone."),
]
Where = Annotated[
    str | None,
    typer.Option("--where", metavar="SQL", help="Only items that meet a condition, as \"genre = 'jazz'\"."),
]
History = Annotated[
    str | None,
    typer.Option(
        "--history", metavar="A,B,C", help="Items, oldest first, in place of what the user did; USER may go."
    ),
]
Users = Annotated[
    Path | None,
    typer.Option(
        "--users",
        metavar="FILE",
        help="Slates of many users: a text file with an id a line, - is standard input.",
    ),
]
AllUsers = Annotated[
    bool, typer.Option("--all-users", help="Slates of everybody who has done something in the scenario.")
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="With many users: where slates go; .parquet, .csv or .jsonl."),
]


def recommend(
    user: User = None,
    config: Config = CONFIG,
    run: RunId = None,
    scenario: ScenarioName = None,
    k: Size = 10,
    exclude: Exclude = [],  # noqa: B006 - typer wants a list, and nobody changes it
    items: Items = None,
    where: Where = None,
    history: History = None,
    users: Users = None,
    all_users: AllUsers = False,
    out: Out = None,
    json: AsJson = False,
) -> None:
    """Return a slate for a user, each place with its score and the reason for it; or slates for many users.

    With --users or --all-users the slates of all go to --out, a row per place: user, rank, item, score.
    """
    many = users is not None or all_users
    _demand_sense(user, history, users, all_users, out, json)
    opened_run = opened(config).run(run)
    only = None if items is None else _listed(items)
    if many:
        names = None if users is None else _names(users)
        _recommend_many(
            opened_run, names, out, scenario=scenario, k=k, exclude=exclude, items=only, where=where
        )
        return
    past = None if history is None else _listed(history)
    _recommend_one(
        opened_run, user, json, scenario=scenario, k=k, exclude=exclude, items=only, where=where, history=past
    )


def _demand_sense(
    user: str | None, history: str | None, users: Path | None, all_users: bool, out: Path | None, json: bool
) -> None:
    """Refuse what contradicts itself, before anything is opened."""
    from polyscene.core.columns import WRITERS

    one, many = user is not None or history is not None, users is not None or all_users
    if one == many or (users is not None and all_users):
        raise typer.BadParameter("name one of USER (or --history), --users FILE and --all-users")
    if many and (out is None or out.suffix not in WRITERS):
        raise typer.BadParameter(f"many users want --out FILE that ends in {', '.join(WRITERS)}")
    if not many and out is not None:
        raise typer.BadParameter("--out goes with --users or --all-users; use > FILE")
    if many and json:
        raise typer.BadParameter("--json is for one user; name a .jsonl file with --out")


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _names(file: Path) -> list[str]:
    """Return the ids of a text file with one a line, in order; blank lines say nothing."""
    import sys

    text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8-sig")
    return [line.strip() for line in text.splitlines() if line.strip()]


def _recommend_many(run: Run, names: list[str] | None, out: Path | None, **asked: Any) -> None:  # noqa: ANN401
    from polyscene.cli.console import show, tell
    from polyscene.cli.progress import TerminalProgress

    slates = run.recommend_many(names, progress=TerminalProgress(), **asked)
    strangers = len(slates) - int(slates.known.sum())
    if strangers:
        tell(f"{strangers:,} of the {len(slates):,} users are unknown: they get what suits everybody")
    if out is not None:
        show(f"{len(slates):,} slates, {len(slates.items):,} rows: {slates.write(out)}")


def _recommend_one(run: Run, user: str | None, json: bool, **asked: Any) -> None:  # noqa: ANN401
    from polyscene.cli.console import show, show_json, tell
    from polyscene.cli.tables import slate_table

    slate = run.recommend(user, **asked)
    for note in slate.notes:
        tell(note)
    if json:
        places = [place_json(place) for place in slate]
        known = {"user_known": slate.user_known, "notes": list(slate.notes)}
        show_json({"user": user, "scenario": slate.scenario, "run": slate.run, **known, "items": places})
    else:
        whom = "a history" if user is None else user
        show(slate_table(f"{slate.scenario} for {whom}", slate.items))


def place_json(place: Any) -> dict[str, Any]:  # noqa: ANN401 - a Recommendation, whose module loads numpy
    """Return one place as plain values."""
    return {
        "id": place.item.id,
        "title": place.item.text,
        "attributes": dict(place.item.attributes),
        "score": place.score,
        "propensity": place.propensity,
        "reason": place.reason,
        "signals": dict(place.signals),
    }
