"""`polyscene explain`: why does an item stand where it stands for a user?"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from polyscene.cli.options import CONFIG, AsJson, Config, RunId, ScenarioName, Size, opened

User = Annotated[str, typer.Argument(metavar="USER", help="The user's id.")]
ZERO = ("+0.0000", "-0.0000", "+0.000", "-0.000")
"""What rounds to this says nothing, and is left out."""

WhyNotFlag = Annotated[
    bool, typer.Option("--why-not", help="Show what keeps the item out of the user's slate.")
]
ItemId = Annotated[str, typer.Argument(metavar="ITEM", help="The item's id.")]


def explain(
    user: User,
    item: ItemId,
    config: Config = CONFIG,
    run: RunId = None,
    scenario: ScenarioName = None,
    why_not: WhyNotFlag = False,
    k: Size = 10,
    json: AsJson = False,
) -> None:
    """Show what every signal says of an item, and which past items of the user stand behind it.

    With --why-not: what keeps the item out of the user's slate, and the least that lets it in.
    """
    from polyscene.cli.console import show, show_json, tell
    from polyscene.cli.tables import plain_table
    from polyscene.core.text import shown

    opened_run = opened(config).run(run)
    if why_not:
        _show_why_not(opened_run.why_not(user, item, scenario, k), k, json)
        return
    why = opened_run.explain(user, item, scenario)
    if json:
        show_json(_plain(why))
        return
    spokesmen = {signal: past.text for signal, past in why.past}
    rows = [
        (name, f"{share:+.4f}", f"{why.scores[name]:+.3f}", spokesmen.get(name, ""))
        for name, share in sorted(why.shares.items(), key=lambda pair: -pair[1])
        if f"{share:+.4f}" not in ZERO or f"{why.scores[name]:+.3f}" not in ZERO or name in spokesmen
    ]
    title = f"{why.item.text} for {why.user}"
    show(plain_table(title, ("signal", "adds to the score", "its own score", "because of"), rows))
    if why.parts:
        show(
            "The item's vector: "
            + ", ".join(f"{name} {share:.0%}" for name, share in why.parts.items())
            + "."
        )
    if not why.user_known:
        tell(f"nobody called {shown(user)} is known: the item is judged as for everybody")
    show(f"{_standing(why)} {why.reason}")


def _show_why_not(why: Any, k: int, json: bool) -> None:  # noqa: ANN401 - a WhyNot, whose module loads numpy
    from dataclasses import asdict

    from polyscene.cli.console import show, show_json
    from polyscene.cli.tables import plain_table

    if json:
        show_json(asdict(why))
        return
    if why.place is not None:
        show(f"It is in the slate: place {why.place:,} of {k:,}.")
        return
    rows = [
        (
            one.stage,
            one.sentence,
            ", ".join(f"{name}: {_worded(value)}" for name, value in one.change.items()),
        )
        for one in why.obstacles
    ]
    show(
        plain_table(
            f"{why.item} for {why.user}", ("stage", "what keeps it out", "what would let it in"), rows
        )
    )
    if why.enough:
        show("With all of this changed it is in the slate.")


def _worded(value: object) -> str:
    if isinstance(value, float):
        return f"+{value:.4f}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _standing(why: Any) -> str:  # noqa: ANN401 - an Explanation, whose module loads numpy
    if why.rank is None:
        return f"It is not among the {why.candidates:,} items that may be shown to this user."
    return f"Place {why.rank:,} of {why.candidates:,}."


def _plain(why: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    return {
        "user": why.user,
        "item": why.item.id,
        "scenario": why.item.scenario,
        "rank": why.rank,
        "candidates": why.candidates,
        "score": why.score,
        "reason": why.reason,
        "shares": why.shares,
        "scores": why.scores,
        "user_known": why.user_known,
        "times_had": why.times_had,
        "parts": why.parts,
        "past": [{"signal": signal, "item": past.id, "title": past.text} for signal, past in why.past],
    }
