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

    slate = opened(config).run(run).recommend(user, scenario, k, exclude)
    for note in slate.notes:
        tell(note)
    if json:
        places = [place_json(place) for place in slate]
        known = {"user_known": slate.user_known, "notes": list(slate.notes)}
        show_json({"user": user, "scenario": slate.scenario, "run": slate.run, **known, "items": places})
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
