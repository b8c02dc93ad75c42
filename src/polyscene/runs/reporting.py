"""Gathers what the report shows of a run: results, curves, exposure, a map of items, sample slates."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from polyscene.core.errors import RunError
from polyscene.core.seeds import generator
from polyscene.engine.state import ScenarioState
from polyscene.evaluation.report.content import (
    CurvePoint,
    DataCard,
    Exposure,
    ItemMap,
    LearningCurve,
    ReportData,
    SampleSlate,
    ScenarioReport,
    ScenarioResults,
    SlateEntry,
)
from polyscene.evaluation.report.page import write_report
from polyscene.evaluation.report.palette import CATEGORIES
from polyscene.evaluation.transfer import TransferMatrix
from polyscene.runs.judging import load_exposure
from polyscene.runs.run import Run
from polyscene.runs.run_record import REPORT

SAMPLES = 3
SLATE = 5
HISTORY = 5
MAPPED = 2000
USE_STEPS = (1, 3, 10, 100, 1000)
USES = ("none", "1 or 2", "3 to 9", "10 to 99", "100 to 999", "1,000 and more")
"""Classes of items by their events, between the steps."""
MIN_EVENTS = 3
"""A user shown in the report has done at least so much."""


def written_report(run: Run) -> Path:
    """Write the HTML report of a judged run into its folder and return its path."""
    path = run.folder / REPORT
    write_report(report_of(run), path)
    return path


def report_of(run: Run) -> ReportData:
    """Return everything the report shows.

    Raises:
        RunError: the run has not been evaluated.
    """
    metrics = run.metrics
    if metrics is None:
        raise RunError(
            f"expected an evaluated run, found {run.id} without metrics; `polyscene evaluate` first"
        )
    manifest = run.manifest
    repairs = tuple(manifest.get("repairs", ()))
    importance = run.importance()
    return ReportData(
        title=manifest["project"],
        scenarios=tuple(
            ScenarioReport(
                ScenarioResults.from_json(name, metrics["scenarios"][name]),
                Exposure(place.fusion.features.counts.astype(np.int64), load_exposure(run.folder, number)),
                _map(place),
                tuple(sample_slates(run, name)),
                importance,
            )
            for number, (name, place) in enumerate(run.system.scenarios.items())
        ),
        run=run.id,
        made=manifest["created"],
        curves=tuple(_curve(name, curve) for name, curve in manifest["curves"].items()),
        card=DataCard(
            {name: _counts(place) for name, place in run.system.scenarios.items()},
            repairs,
            manifest["machine"],
            manifest["versions"],
            _settings_text(manifest["settings"]),
        ),
        remarks=tuple(note for note in run.notes if note not in repairs),
        transfer=None if manifest.get("transfer") is None else TransferMatrix.from_json(manifest["transfer"]),
    )


def sample_slates(run: Run, scenario: str, samples: int = SAMPLES) -> list[SampleSlate]:
    """Return slates for a few users who have done something here, drawn by the run's seed."""
    system = run.system
    place = system.scenario(scenario)
    active = np.flatnonzero(np.bincount(place.log.events().user, minlength=len(system.users)) >= MIN_EVENTS)
    stream = generator(int(run.manifest["seed"]), "samples", scenario)
    chosen = stream.choice(active, min(samples, len(active)), replace=False)
    slates = []
    for code in chosen:
        user = system.users[int(code)]
        past = place.timeline.history(int(code), HISTORY).items
        slate = run.recommend(user, scenario, SLATE)
        chance = any(place.propensity < 1 for place in slate)
        slates.append(
            SampleSlate(
                user,
                tuple(place.catalogue.titles[int(item)] for item in past),
                tuple(SlateEntry(it.item.text, it.reason, it.propensity if chance else None) for it in slate),
            )
        )
    return slates


def _map(place: ScenarioState) -> ItemMap | None:
    """Return the items along the two main directions of their vectors, coloured by what parts them best."""
    every = place.space.view("tuned").vectors
    if not place.space.has_text or len(every) < 3:
        return None
    step = max(len(every) // MAPPED, 1)
    vectors = every[::step]
    _, _, axes = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    points = ((vectors - vectors.mean(axis=0)) @ axes[:2].T).astype(np.float32)
    kind, categories = _colours(place, len(every))
    return ItemMap(points, categories[::step], coloured_by=kind)


def _colours(place: ScenarioState, n_items: int) -> tuple[str, tuple[str, ...]]:
    """Return what tells the items apart best in a few colours, and its value for each of n items.

    That is the categorical column whose few most frequent values cover the most items, evenly; how often an
    item was used where no column parts them.
    """
    attributes = place.catalogue.attributes()
    worth: dict[str, tuple[float, tuple[str, ...]]] = {}
    for column in attributes.columns:
        if attributes[column].dtype == pl.String:
            values = tuple(_first(value) for value in attributes[column].fill_null("").to_list())
            worth[column] = _spread(values), values
    best = max(worth, key=lambda column: worth[column][0], default=None)
    if best is not None and worth[best][0] > 0:
        return best, worth[best][1]
    used = place.fusion.features.counts[:n_items]
    levels = np.array(USES)[np.searchsorted(USE_STEPS, used, side="right")]
    return (
        ("events of the item", tuple(levels.tolist()))
        if len(set(levels.tolist())) > 1
        else ("", ("",) * n_items)
    )


def _first(value: str) -> str:
    """Return the first of several values in one cell, as in `Drama|Comedy`."""
    return re.split(r"[|;,/]", value, maxsplit=1)[0].strip()


def _spread(values: Sequence[str]) -> float:
    """Return how well the most frequent values part the items: their entropy in bits; 0 where they do not.

    Rare values are one colour, items without a value none.
    """
    counts = Counter(value for value in values if value)
    common = [count for _, count in counts.most_common(len(CATEGORIES))]
    if len(common) < 2:
        return 0.0
    shares = np.array(common) / len(values)
    return float(-(shares * np.log2(shares)).sum())


def _counts(place: ScenarioState) -> dict[str, int | str]:
    events = place.log.events()
    return {
        "items": len(place.catalogue),
        "users": len(np.unique(events.user)),
        "events": len(events),
        "actions": ", ".join(events.actions),
        "signals": len(place.fusion.fitted()),
    }


def _curve(name: str, curve: dict[str, list[float]]) -> LearningCurve:
    points = tuple(
        CurvePoint(step + 1, loss, held)
        for step, (loss, held) in enumerate(zip(curve["training"], curve["validation"], strict=True))
    )
    if name.startswith("language model"):
        gains = tuple(
            CurvePoint(point.step, point.loss, None if point.metric is None else -point.metric)
            for point in points
        )
        return LearningCurve(name, gains, "NDCG@10 of the content signal on held-out choices")
    return LearningCurve(f"fusion, {name}", points, "loss on held-out choices")


def _settings_text(settings: dict[str, Any]) -> str:
    lines = []
    for key, value in settings.items():
        lines.append(f"{key} = {value}")
    return "\n".join(lines)
