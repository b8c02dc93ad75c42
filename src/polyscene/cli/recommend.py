"""`polyscene recommend`: what would this user be shown?"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from polyscene.cli.options import CONFIG, AsJson, Config, RunId, ScenarioName, Size, opened

User = Annotated[
    str, typer.Argument(metavar="USER", help="The user's id; somebody unknown gets what suits everybody.")
]
Exclude = Annotated[
    list[str], typer.Option("--exclude", metavar="ID", help="An item not to be shown; may be repeated.")
]


def recommend(
    user: User,
    config: Config = CONFIG,
    run: RunId = None,
    scenario: ScenarioName = None,
    k: Size = 10,
    exclude: Exclude = [],  # noqa: B006 - typer wants a list, and nobody changes it
    json: AsJson = False,
) -> None:
    """Return a slate for a user, each place with its score and the reason for it."""
    from polyscene.cli.console import show, show_json, tell
    from polyscene.cli.tables import slate_table
    from polyscene.core.text import shown

    opened_run = opened(config).run(run)
    slate = opened_run.recommend(user, scenario, k, exclude)
    users = opened_run.system.users
    if users.get(user) is None and users.get(f"{slate.scenario}/{user}") is None:
        tell(f"nobody called {shown(user)} is known: this is what suits everybody")
    if json:
        places = [place_json(place) for place in slate]
        show_json({"user": user, "scenario": slate.scenario, "run": slate.run, "items": places})
    else:
        show(slate_table(f"{slate.scenario} for {user}", slate.items))


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
