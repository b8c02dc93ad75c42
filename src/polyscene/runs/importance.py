"""What the results of a run rest on: its signals, the fields of its items, and its other scenarios."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from polyscene.core.disk import demand_room
from polyscene.core.errors import RunError
from polyscene.core.progress import Progress, Silent
from polyscene.core.seeds import generator
from polyscene.core.settings.project import Settings
from polyscene.data.reading.item_fields import TextFields
from polyscene.data.schema import Dataset
from polyscene.engine.state import ScenarioState
from polyscene.evaluation.importance import (
    DEAR_SHARE,
    ChoicesOf,
    Contribution,
    Cost,
    Importance,
    ScenarioImportance,
)
from polyscene.evaluation.judge import Case, judge
from polyscene.evaluation.provenance import machine, versions
from polyscene.evaluation.significance import Interval
from polyscene.learning.importance import (
    MAX_CHOICES,
    Measured,
    Measuring,
    fit_seconds,
    language_cost,
    measured_importance,
)
from polyscene.learning.open_project import OpenProject
from polyscene.recommenders.fusion.blocks import block_size
from polyscene.recommenders.fusion.withholding import WHOLE, Way
from polyscene.recommenders.registry import SIGNALS
from polyscene.recommenders.signal import Need
from polyscene.runs.field_importance import ItemFields
from polyscene.runs.folder import REMEDY
from polyscene.runs.judging import JudgedPart
from polyscene.runs.run import Run
from polyscene.runs.run_record import importance_path

TABLES = {Need.LINKS: "links", Need.KNOWLEDGE: "knowledge"}
"""What tables beside items and events are called among the fields."""


def measuring_of(settings: Settings, max_choices: int | None = MAX_CHOICES) -> Measuring:
    """Return how it is measured in a project."""
    evaluation = settings.evaluation
    cutoff = 10 if 10 in evaluation.cutoffs else evaluation.cutoffs[0]
    return Measuring(cutoff, evaluation.bootstrap, settings.seed, settings.runtime.blocks_mb, max_choices)


def of_scenarios(
    scenarios: Mapping[str, ScenarioImportance], choices_of: ChoicesOf, measuring: Measuring
) -> Importance:
    """Put together what was measured of all scenarios, with the machine that the costs belong to."""
    return Importance(
        scenarios,
        choices_of,
        measuring.cutoff,
        resamples=measuring.resamples,
        seed=measuring.seed,
        machine=machine(),
        versions=versions(),
    )


@dataclass(frozen=True)
class ImportanceRequest:
    """What is measured.

    Attributes:
        max_choices: at most so many of each scenario are ranked; None: all.
        fields: whether the fields of items are looked at, whose texts are encoded anew.
        dear_share: see `evaluation.importance.DEAR_SHARE`.
    """

    max_choices: int | None = MAX_CHOICES
    fields: bool = True
    dear_share: float = DEAR_SHARE


def importance_of(
    project: OpenProject, run: Run, choices_of: ChoicesOf, request: ImportanceRequest | None = None
) -> Importance:
    """Return what every part of a run carries, and keep what was measured in its folder.

    Raises:
        RunError: as of `measure_importance`; or the run was not trained to tell it.
    """
    request = request or ImportanceRequest()
    if choices_of == "valid":
        kept = run.importance("valid")
        if kept is None:
            raise RunError(
                f"expected a run that was trained with --importance, found {run.id}: its signals have "
                "learned from the valid choices since; train one, or ask for the test choices"
            )
        return kept.judged_by(request.dear_share)
    demand_room(run.folder, 0, REMEDY)
    importance = measure_importance(
        run, project.dataset, project.settings, project.base, request, project.progress
    )
    importance.save(importance_path(run.folder, "test"))
    return importance


def measure_importance(
    run: Run, dataset: Dataset, settings: Settings, base: Path, request: ImportanceRequest, progress: Progress
) -> Importance:
    """Measure on the test part what every part of a run carries.

    Args:
        base: the folder that the settings' paths start from.

    Raises:
        RunError: the run has learned from the test part, or was trained on other tables or another split.
        ModelError: texts are to be encoded anew, and the language model is not there.
    """
    part, measuring = JudgedPart.of(run, dataset, settings), measuring_of(settings, request.max_choices)
    scenarios = {}
    for name in run.system.scenarios:
        own = Run(run.folder, run.present, run.index) if part.learns_on else run
        place = own.system.scenario(name)
        case = part.case(place)
        case = replace(case, choices=measuring.sample(case.choices, name, in_order=part.learns_on))
        seconds = fit_seconds(fit_parts(run), name)
        learn = part.learning(case, place.fusion)
        measured = measured_importance(case, place.fusion, seconds, measuring, progress, learn)
        importance = with_tables(measured.importance)
        if request.fields and len(case.choices):
            texts = TextFields(settings.scenarios[name], base)
            fields = ItemFields.of(run, name, texts)
            importance = _FieldLosses(fields, measured, part, case, measuring).beside(importance, progress)
        scenarios[name] = importance
    return of_scenarios(scenarios, "test", measuring).judged_by(request.dear_share)


def fit_parts(run: Run) -> Mapping[str, float]:
    """Return the seconds of every part of a run's training; none of runs of earlier versions."""
    parts: Mapping[str, float] = run.manifest.get("budget", {}).get("parts", {})
    return parts


def with_tables(importance: ScenarioImportance) -> ScenarioImportance:
    """Return the same with tables among the fields that one signal alone reads: it carries what that does."""
    tables = [
        replace(part, kind="field", name=table)
        for part in importance.of("signal")
        for need, table in TABLES.items()
        if need in SIGNALS[part.name].needs
    ]
    return replace(importance, parts=(*importance.parts, *tables))


@dataclass(frozen=True)
class _FieldLosses:
    """Ranks the choices of a case again with each field of the items changed."""

    fields: ItemFields
    measured: Measured
    part: JudgedPart
    case: Case
    measuring: Measuring

    def beside(self, importance: ScenarioImportance, progress: Progress) -> ScenarioImportance:
        """Return what was measured of other parts, with the fields beside."""
        parts = (*importance.parts, *self._contributions(progress))
        return replace(importance, parts=parts, notes=(*importance.notes, *_field_notes(self.fields)))

    def _contributions(self, progress: Progress) -> Iterator[Contribution]:
        fields, scenario = self.fields, self.case.scenario
        order = fields.shuffled(generator(self.measuring.seed, "exchanged fields", scenario))
        reading = language_cost(fit_parts(fields.run), fields.run.scenarios)
        with progress.track(f"{scenario}: fields", 2 * len(fields.names), "rankings") as advance:
            for name in fields.names:
                losses = {}
                for way, items in ((Way.WITHHELD, None), (Way.ITEMS, order)):
                    losses[way] = self._loss(fields.changed(name, items))
                    advance(1)
                cost = reading if name == fields.whole_text else Cost()
                yield Contribution("field", name, losses[Way.WITHHELD], None, losses[Way.ITEMS], cost)

    def _loss(self, place: ScenarioState) -> Interval:
        fusion, own = place.fusion, replace(self.part.case(place), choices=self.case.choices)
        size, learn = block_size(fusion, self.measuring.blocks_mb), self.part.learning(own, fusion)
        judged = judge(own, lambda queries: {WHOLE: fusion.score(queries)}, size, 0, Silent(), learn)
        return self.measuring.loss(self.measured.judged, judged, WHOLE)


def _field_notes(fields: ItemFields) -> Sequence[str]:
    unread = fields.unread
    return [f"Nothing in this run reads {', '.join(unread)}"] if unread else []
