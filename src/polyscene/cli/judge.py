"""`polyscene judge`: what would another policy have earned?"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from polyscene.cli.logs import Data, Database
from polyscene.cli.options import CONFIG, Config, JsonFile, ScenarioName, Seed, opened

if TYPE_CHECKING:
    from rich.console import RenderableType

    from polyscene.evaluation.offpolicy.comparison import Difference
    from polyscene.evaluation.offpolicy.interval import Interval
    from polyscene.serving.judging import ScenarioJudgement


class Bounds(StrEnum):
    """How bounds are made."""

    normal = "normal"
    percentile = "percentile"


PolicyText = Annotated[
    str,
    typer.Option(
        "--policy",
        metavar="NAME[:VALUE]",
        help="As in the configuration: greedy, epsilon:0.1, plackett_luce:0.5; learned: one that half of the "
        "users teach, judged on the others.",
    ),
]
Against = Annotated[
    str, typer.Option("--against", metavar="NAME[:VALUE]", help="logged: the policy of the log itself.")
]
LogFile = Annotated[
    Path | None,
    typer.Option("--log", metavar="FILE", help="Read exported lines in place of the logs of a service."),
]
Actions = Annotated[
    list[str],
    typer.Option("--action", metavar="NAME", help="Counts as a reward; may be repeated. [the choices]"),
]
Hours = Annotated[
    float, typer.Option("--hours", min=1e-6, max=8_760, help="Rewards come so long after a decision.")
]
Estimators = Annotated[
    list[str],
    typer.Option("--estimator", metavar="NAME", help="May be repeated; the first is believed first."),
]
Level = Annotated[float, typer.Option("--level", min=0.5, max=0.999, help="Of the intervals.")]


def judge(
    policy: PolicyText,
    against: Against = "logged",
    config: Config = CONFIG,
    scenario: ScenarioName = None,
    data: Data = None,
    database: Database = None,
    log: LogFile = None,
    action: Actions = [],  # noqa: B006 - typer wants a list, and nobody changes it
    hours: Hours = 24.0,
    estimator: Estimators = [],  # noqa: B006 - as above
    interval: Bounds = Bounds.normal,
    level: Level = 0.95,
    json: JsonFile = None,
    seed: Seed = None,
) -> None:
    """Say what another policy would have earned on the decisions of a service, and how sure that is.

    Reads the logs whether or not the service is running. Both policies choose by the scores that were logged.
    """
    from json import dumps

    from polyscene.cli.console import show
    from polyscene.cli.logs import demand_extra, place_of
    from polyscene.core.files import write_text

    demand_extra()
    from polyscene.serving.judging import ServiceLog
    from polyscene.serving.judging import judge as judged
    from polyscene.serving.service import NAMESPACE
    from polyscene.serving.stores.copies import stores_to_read

    project = opened(config, seed)
    if log is not None:
        if not log.is_file():
            raise typer.BadParameter(f"expected a file of exported lines, found none at {log}")
        known = ServiceLog.of_file(log)
    else:
        with stores_to_read(place_of(project, data, database), project.settings.name or NAMESPACE) as stores:
            known = ServiceLog.of_stores(*stores)
    judgements = judged(
        known,
        project.settings.scenarios,
        policy,
        against,
        scenario=scenario,
        actions=action,
        hours=hours,
        estimators=estimator,
        interval=interval.value,
        level=level,
        seed=project.settings.seed,
    )
    if json is not None:
        text = dumps({"scenarios": [one.plain() for one in judgements]}, indent=2, ensure_ascii=False)
        write_text(json, text + "\n")
    for one in judgements:
        show(*_shown(one, policy, against), "")


def _shown(judgement: ScenarioJudgement, policy: str, against: str) -> list[RenderableType]:
    """Return what is shown of one scenario: values, support, what became of the log, and the answer."""
    from polyscene.cli.tables import plain_table

    comparison = judgement.comparison
    values = [
        (one.estimator, _bounds(one.policy), _bounds(one.against), _apart(one.difference))
        for one in comparison.estimates
    ]
    support = [
        (
            word,
            f"{one.effective_sample_size:,.0f} of {comparison.decisions:,}",
            f"{one.largest_weight:.3g}",
            f"{one.untried:.1%}",
        )
        for word, one in zip((policy, against), comparison.support.values(), strict=True)
    ]
    level = f"{comparison.answer.difference.level:.0%}"
    taught = [f"learned: policy = {judgement.policy}"] if policy == "learned" else []
    return [
        *taught,
        plain_table(
            f"{judgement.scenario}: rewards per decision ({', '.join(judgement.actions) or 'no action'} "
            f"within {judgement.window:g} h), {level} intervals over {comparison.users:,} users; "
            f"the log earned {comparison.earned:.4f}",
            ("estimator", policy, against, "difference"),
            values,
        ),
        plain_table("support", ("policy", "effective decisions", "largest weight", "never tried"), support),
        plain_table("the log", ("what", "count"), ((k, f"{v:,}") for k, v in judgement.counts.items() if v)),
        *(f"{name} was left out: {reason}" for name, reason in comparison.left_out.items()),
        *_sentences(judgement, policy, against),
    ]


def _sentences(judgement: ScenarioJudgement, policy: str, against: str) -> list[str]:
    comparison = judgement.comparison
    warnings = [f"warning: {text}" for text in comparison.warnings]
    for word, one in zip((policy, against), comparison.support.values(), strict=True):
        warnings += [f"warning: {word}: {text}" for text in one.warnings]
    warnings += [f"clipping: {text}" for text in _clips(comparison.answer.policy)]
    verdict = comparison.answer.difference.verdict
    words = {"better": "earns more than", "worse": "earns less than", "undecided": "cannot be told from"}
    if not comparison.supported:
        return [*warnings, f"No answer: this log does not support a comparison of {policy} with {against}."]
    return [*warnings, f"{policy} {words[verdict]} {against}, by {comparison.answer.estimator}."]


def _clips(interval: Interval) -> list[str]:
    return [f"weights are not clipped; {interval.method}" if not interval.bias_bound else interval.method]


def _bounds(interval: Interval) -> str:
    return f"{interval.value:.4f} [{interval.low:.4f}, {interval.high:.4f}]"


def _apart(difference: Difference) -> str:
    return f"{difference.value:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]"
