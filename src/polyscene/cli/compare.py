"""`polyscene compare`: the forms in which scenarios and tasks may share a network, in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from polyscene.cli.options import CONFIG, Config, JsonFile, Seed, opened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polyscene.core.settings.multitask import MultitaskSettings
    from polyscene.learning.sharing_comparison import ComparedForm

HEAD = ("form", "weighting", "NDCG@10", "AUC", "log loss", "RMSE / sd", "seconds", "numbers")
COLUMNS = ("ndcg", "auc", "log_loss", "rmse")

Forms = Annotated[
    list[str] | None, typer.Option("--form", metavar="NAME", help="A form of sharing; may be given again.")
]
Weightings = Annotated[
    list[str] | None,
    typer.Option("--weighting", metavar="NAME", help="A way to balance losses; may be given again."),
]


def compare(
    config: Config = CONFIG,
    form: Forms = None,
    weighting: Weightings = None,
    json: JsonFile = None,
    seed: Seed = None,
) -> None:
    """Compare how scenarios and tasks may share the network of the signal `multitask`.

    Every form learns all scenarios together from the past and is judged on what came after, never on the test
    part, with the language model as it came. The configuration is left as it is: what to copy into it is
    shown. Without names: all forms with the present weighting, then all weightings with the present form.
    """
    from polyscene.cli.console import show
    from polyscene.cli.tables import plain_table
    from polyscene.core.files import write_text

    project = opened(config, seed)
    compared = project.compare_forms(form or (), weighting or ())
    present = project.settings.multitask
    ordered = sorted(compared, key=lambda one: -one.worth)
    if json is not None:
        write_text(json, _json(ordered))
    show(plain_table("forms of sharing, best first", HEAD, [_row(one, present) for one in ordered]))
    show(*_sentences(ordered, present))


def _row(one: ComparedForm, present: MultitaskSettings) -> tuple[str, ...]:
    mark = " (present)" if (one.form, one.weighting) == (present.form, present.weighting) else ""
    values = (f"{one.mean(measure):.4f}".replace("nan", "-") for measure in COLUMNS)
    return one.form + mark, one.weighting, *values, f"{one.seconds:.0f}", f"{one.weights:,}"


def _sentences(ordered: Sequence[ComparedForm], present: MultitaskSettings) -> list[str]:
    """Return what the table leaves to be said."""
    best = ordered[0]
    counts = ", ".join(f"{name} {count:,}" for name, count in best.choices.items())
    lines = [
        f"Means over the scenarios, judged on what came after the past: {counts} meetings. One training each."
    ]
    if (best.form, best.weighting) == (present.form, present.weighting):
        return [*lines, "The present form is the best of these."]
    copied = f'[multitask]\nform = "{best.form}"\nweighting = "{best.weighting}"'
    flattered = (
        "The best of many is flattered by what picked it: copy, train and evaluate before you believe it."
    )
    return [*lines, flattered, "", copied]


def _json(ordered: Sequence[ComparedForm]) -> str:
    from dataclasses import asdict
    from json import dumps
    from math import isfinite

    from polyscene.evaluation.provenance import machine, versions

    def known(values: Any) -> Any:  # noqa: ANN401 - whatever JSON may hold
        if isinstance(values, dict):
            return {name: known(value) for name, value in values.items()}
        return None if isinstance(values, float) and not isfinite(values) else values

    rows = [
        known(asdict(one) | {"means": {measure: one.mean(measure) for measure in COLUMNS}}) for one in ordered
    ]
    document = {"forms": rows, "machine": machine(), "versions": versions()}
    return dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
