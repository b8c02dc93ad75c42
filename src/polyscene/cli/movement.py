"""`polyscene movement`: what has moved an item, and how far?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from polyscene.cli.logs import Data, Database
from polyscene.cli.options import CONFIG, AsJson, Config, RunId, ScenarioName, opened

if TYPE_CHECKING:
    from rich.console import RenderableType

    from polyscene.engine.movement import ItemMove, Movement, Person
    from polyscene.project import Project
    from polyscene.recommenders.posterior.movement import Ledger
    from polyscene.runs.run import Run
    from polyscene.serving.movement import Source

ItemId = Annotated[str, typer.Argument(metavar="ITEM", help="The item's id.")]
Limit = Annotated[int, typer.Option("--limit", min=0, help="The longest moves, so many.")]
Since = Annotated[datetime | None, typer.Option("--since", help="Moves before it are passed over; UTC.")]
Until = Annotated[datetime | None, typer.Option("--until", help="Moves after it are passed over; UTC.")]
Alone = Annotated[
    bool, typer.Option("--run-alone", help="What the run has learned, without any service's log.")
]
Users = Annotated[bool, typer.Option("--users", help="Name those who moved it furthest, by their ids.")]
SvgFile = Annotated[
    Path | None, typer.Option("--svg", metavar="FILE", help="Also draw its distance from its text over time.")
]


def movement(
    item: ItemId,
    config: Config = CONFIG,
    run: RunId = None,
    scenario: ScenarioName = None,
    data: Data = None,
    database: Database = None,
    limit: Limit = 20,
    since: Since = None,
    until: Until = None,
    run_alone: Alone = False,
    users: Users = False,
    svg: SvgFile = None,
    json: AsJson = False,
) -> None:
    """Show which events and edits have moved what is believed of an item, and from where to where.

    The run's events and the log of its service are learned once more; both are only read.
    """
    from polyscene.cli.console import show, show_json
    from polyscene.core.files import write_text
    from polyscene.engine.movement import movement_of
    from polyscene.recommenders.posterior.movement import Ledger

    project, ledger = opened(config), Ledger(limit)
    ledger.since, ledger.until = _micro(since, ledger.since), _micro(until, ledger.until)
    if run_alone:
        alone = project.run(run)
        history, system = movement_of(alone.system, item, scenario, ledger), alone.system
        names = [(one, system.users[one.code]) for one in history.people]
    else:
        history, names = _of_service(project, run, scenario, item, ledger, data, database)
    if svg is not None:
        write_text(svg, _drawn(history))
    if json:
        named = {"users": {one.person: name for one, name in names}} if users else {}
        show_json(history.plain() | named)
        return
    show(*_shown(history), *(f"person {one.person}: {name}" for one, name in names if users))


def _of_service(
    project: Project,
    run: str | None,
    scenario: str | None,
    item: str,
    ledger: Ledger,
    data: Path | None,
    database: str | None,
) -> tuple[Movement, list[tuple[Person, str]]]:
    from polyscene.cli.logs import demand_extra, folder_of, place_of

    demand_extra()
    from polyscene.serving.models import active_run
    from polyscene.serving.movement import Retracing

    folder = folder_of(project, data)
    asked = project.run(run or active_run(folder, project.runs_folder))
    with _source(project, asked, folder, place_of(project, data, database)) as source:
        name = asked.system.scenario(scenario).name
        retracing = Retracing(source, name, item, ledger)
        history = retracing.movement()
        return history, [(one, retracing.users[one.code]) for one in history.people]


@contextmanager
def _source(project: Project, run: Run, folder: Path, place: str | Path) -> Iterator[Source]:
    """Open what a history is told from; what a running service holds is copied."""
    from tempfile import TemporaryDirectory

    from polyscene.serving.known import Known
    from polyscene.serving.management import KNOWN
    from polyscene.serving.movement import Source
    from polyscene.serving.service import NAMESPACE
    from polyscene.serving.snapshots import SNAPSHOTS
    from polyscene.serving.stores.copies import copy_of, stores_to_read

    namespace = project.settings.name or NAMESPACE
    with TemporaryDirectory(prefix="polyscene-known-") as home, stores_to_read(place, namespace) as stores:
        if (folder / KNOWN).is_file():
            copy_of(folder / KNOWN, Path(home) / KNOWN)
        known = Known(Path(home) / KNOWN)
        try:
            yield Source(run, stores[0], known, folder / SNAPSHOTS)
        finally:
            known.close(stores[0].identity)


def _micro(moment: datetime | None, otherwise: int) -> int:
    if moment is None:
        return otherwise
    since = moment.replace(tzinfo=moment.tzinfo or UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _shown(history: Movement) -> Iterator[RenderableType]:
    """Yield what is shown: where it stands, sums, the longest moves and who moved it."""
    from polyscene.cli.tables import plain_table

    place = f"{history.distance or 0:.3f} from its text, bias {history.bias or 0:+.3f}"
    yield f"{history.title or history.item}: {place}"
    sums = [(kind, f"{one['moves']:,}", f"{one['path']:.3f}") for kind, one in history.kinds.items()]
    yield plain_table("moves", ("by", "how many", "lengths together"), sums)
    head = ("when", "log", "by", "person", "length", "from its text", "bias", "nearest after")
    yield plain_table("the longest", head, [_row(move, history.clock) for move in history.moves])
    people = [(str(one.person), f"{one.moves:,}", f"{one.path:.3f}") for one in history.people]
    yield plain_table(
        f"who moved it furthest, of {history.n_people:,}", ("person", "how often", "lengths together"), people
    )
    yield from history.notes


def _row(move: ItemMove, clock: str) -> tuple[str, ...]:
    when = str(move.time)
    if clock == "time":
        when = f"{datetime.fromtimestamp(move.time / 1e6, UTC):%Y-%m-%d %H:%M}"
    return (
        when,
        "" if move.offset is None else str(move.offset),
        f"{move.kind} {move.action or ''}".strip(),
        "" if move.person is None else str(move.person),
        f"{move.length:.3f}",
        f"{move.distance_before:.3f} to {move.distance_after:.3f}",
        f"{move.bias_before:+.3f} to {move.bias_after:+.3f}",
        "; ".join(near.title for near in move.nearest_after[:2]),
    )


def _drawn(history: Movement) -> str:
    """Return the curve as a drawing."""
    from polyscene.evaluation.report.drawing import Drawing

    drawing = Drawing("movement", f"How far {history.title or history.item} stood from its text.", 220)
    axes = drawing.axes()
    moments = [time for time, _, _ in history.curve]
    first = moments[0] if moments else 0
    unit = 86_400_000_000 if history.clock == "time" else 1
    axes.plot([(time - first) / unit for time in moments], [distance for _, distance, _ in history.curve])
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel("days since its first move" if unit > 1 else "events since its first move")
    axes.set_ylabel("distance from its text")
    return drawing.svg()
