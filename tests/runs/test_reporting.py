"""What the report shows of a run: colours where something parts the items, chances where there are any."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl
import pytest

from polyscene.core.types import Slate
from polyscene.runs import reporting
from polyscene.runs.reporting import report_of, sample_slates

if TYPE_CHECKING:
    from polyscene.runs.run import Run


def test_the_map_is_coloured_by_what_parts_the_items_best(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    place = run.system.scenarios["shop"]
    n = len(place.catalogue)
    table = pl.DataFrame(
        {
            "constant": ["same"] * n,
            "unique": [f"only {row}" for row in range(n)],
            "genres": [("Drama|Crime", "Comedy", "Horror|Comedy")[row % 3] for row in range(n)],
            "mostly": [None] * (n - 2) + ["a", "b"],
        }
    )
    monkeypatch.setattr(place.catalogue, "attributes", lambda: table)
    kind, categories = reporting._colours(place, n)
    assert kind == "genres"
    assert set(categories) == {"Drama", "Comedy", "Horror"}


def test_without_a_category_the_map_is_coloured_by_use(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    place = run.system.scenarios["shop"]
    n = len(place.catalogue)
    monkeypatch.setattr(place.catalogue, "attributes", lambda: pl.DataFrame({"constant": ["same"] * n}))
    kind, levels = reporting._colours(place, n)
    assert kind == "events of the item"
    counts = place.fusion.features.counts
    assert len(set(levels)) > 1
    for count, level in zip(counts.tolist(), levels, strict=True):
        assert (
            level
            == ("none", "1 or 2", "3 to 9", "10 to 99", "100 to 999")[
                sum(count >= step for step in (1, 3, 10, 100))
            ]
        )


def test_a_certain_choice_has_no_chance_beside_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(place.propensity is None for slate in sample_slates(run, "shop") for place in slate.places)
    certain = run.recommend

    def drawn(*words: object, **more: object) -> Slate:
        slate = certain(*words, **more)  # type: ignore[arg-type]
        return replace(slate, items=(replace(slate[0], propensity=0.25), *slate[1:]))

    monkeypatch.setattr(run, "recommend", drawn)
    chances = [place.propensity for place in sample_slates(run, "shop", 1)[0].places]
    assert chances[0] == 0.25
    assert set(chances[1:]) == {1.0}


def test_only_repairs_stand_among_the_repairs(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    repair, advice = "shop: events.csv: rows were left out (3 times).", "shop: 'linear' is used alone."
    monkeypatch.setitem(run.manifest, "notes", [repair, advice])
    monkeypatch.setitem(run.manifest, "repairs", [repair])
    report = report_of(run)
    assert report.card.notes == (repair,)
    assert report.remarks == (advice,)
    monkeypatch.delitem(run.manifest, "repairs")  # a run of an earlier version
    assert report_of(run).card.notes == ()
    assert report_of(run).remarks == (repair, advice)
