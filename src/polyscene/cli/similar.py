"""`polyscene similar`: which items are most like this one?"""

from __future__ import annotations

from typing import Annotated

import typer

from polyscene.cli.options import CONFIG, AsJson, Config, RunId, ScenarioName, Size, opened

ItemId = Annotated[str, typer.Argument(metavar="ITEM", help="The item's id.")]


def similar(
    item: ItemId,
    config: Config = CONFIG,
    run: RunId = None,
    scenario: ScenarioName = None,
    k: Size = 10,
    json: AsJson = False,
) -> None:
    """Return the items most like one, in meaning and by what people choose together."""
    from polyscene.cli.console import show, show_json
    from polyscene.cli.recommend import place_json
    from polyscene.cli.tables import slate_table

    trained = opened(config).run(run)
    places = trained.similar(item, scenario, k)
    place = trained.system.scenario(scenario)
    if json:
        show_json({"item": item, "scenario": place.name, "items": [place_json(near) for near in places]})
    else:
        title = place.catalogue.titles[place.catalogue.code(item)]
        show(slate_table(f"{place.name}: like {title}", places, "likeness"))
