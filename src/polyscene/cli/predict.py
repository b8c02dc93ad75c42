"""`polyscene predict`: how likely is it that a user chooses these items next?"""

from __future__ import annotations

from typing import Annotated

import typer

from polyscene.cli.options import CONFIG, AsJson, Config, RunId, ScenarioName, opened

User = Annotated[str, typer.Argument(metavar="USER", help="The user's id.")]
ItemIds = Annotated[list[str], typer.Argument(metavar="ITEM...", help="The items' ids.")]


def predict(
    user: User,
    items: ItemIds,
    config: Config = CONFIG,
    run: RunId = None,
    scenario: ScenarioName = None,
    json: AsJson = False,
) -> None:
    """Tell for each item how likely it is the user's next choice, and what the signal `multitask` expects.

    Probabilities are calibrated on held-out choices: multiplied by a price they are what to expect of it.
    """
    from polyscene.cli.console import show, show_json
    from polyscene.cli.tables import plain_table
    from polyscene.engine.predicting import by_item

    opened_run = opened(config).run(run)
    tasks = opened_run.predictions(user, items, scenario)
    state = opened_run.system.scenario(scenario)
    if json:
        rows = by_item(items, tasks)
        show_json({"user": user, "scenario": state.name, "run": opened_run.id, "items": rows})
        return
    titles = [state.catalogue.titles[state.catalogue.code(item)] for item in items]
    lines = [
        (item, title, *(f"{values[row]:.3g}" for values in tasks.values()))
        for row, (item, title) in enumerate(zip(items, titles, strict=True))
    ]
    headings = ("item", "title", *(task.replace("_", " ") for task in tasks))
    show(plain_table(f"{state.name}: what to expect of {user}", headings, lines))
