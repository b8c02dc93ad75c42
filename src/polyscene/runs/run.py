"""One training run, ready to answer: what `Project.train` returns and `Project.run` opens."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from polyscene.core.errors import RunError
from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.core.types import Event, Recommendation, Slate
from polyscene.engine import recommending
from polyscene.engine.decision import Request
from polyscene.engine.recommending import Explanation
from polyscene.engine.state import System
from polyscene.engine.updates import Intake
from polyscene.runs.folder import MANIFEST
from polyscene.runs.system_files import load_system

FORMAT = 2
METRICS = "metrics.json"
REPORT = "report.html"


class Run:
    """A run folder.

    Attributes:
        id: the run's name, which sorts by time.
        folder: where it lies.
        manifest: configuration, versions, seed, learning curves and notes, as they were when it was trained.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.id = folder, folder.name
        try:
            self.manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"expected a run in {folder}, found {error}; train again") from error
        if self.manifest.get("format") != FORMAT:
            raise RunError(
                f"expected a run of format {FORMAT} in {folder}, found {self.manifest.get('format')!r}; "
                "train again with this version"
            )

    @cached_property
    def system(self) -> System:
        """The fitted system, read from the folder when it is first needed."""
        system = load_system(self.folder, self.manifest["system"])
        if self.manifest.get("readers"):
            from polyscene.runs.reranker_files import (
                restore_readers,  # language models, loaded only if asked for
            )

            restore_readers(system, self.folder, self.manifest)
        return system

    @property
    def scenarios(self) -> tuple[str, ...]:
        """The names of the scenarios."""
        return tuple(self.manifest["system"]["scenarios"])

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of this run, each a sentence."""
        return tuple(self.manifest["notes"])

    @property
    def metrics(self) -> Mapping[str, Any] | None:
        """What the last evaluation of this run found, as `evaluate --json` writes it; None before it."""
        path = self.folder / METRICS
        if not path.is_file():
            return None
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found

    def recommend(
        self,
        user: str,
        scenario: str | None = None,
        k: int = 10,
        exclude: Collection[str] = (),
        reasons: bool = True,
    ) -> Slate:
        """Return a slate of at most k items for a user; a stranger gets what suits everybody.

        Args:
            user: the user's id.
            scenario: may be left out where there is only one.
            k: at least 1.
            exclude: item ids that shall not be shown.
            reasons: whether every place gets its reason; a slate without them takes half the time.

        Raises:
            UnknownIdError: no such scenario or excluded item.
            ModelError: a reader of texts needs the language model, which is not there.
            ValueError: k is below 1.
        """
        request = Request(str(user), scenario, _size(k), tuple(exclude), reasons=reasons)
        return recommending.recommend(self.system, self.id, request)

    @cached_property
    def intake(self) -> Intake:
        """Takes events and items into the system."""
        scenarios = self.manifest["settings"]["scenarios"]
        return Intake(self.system, {name: ScenarioSettings(**one) for name, one in scenarios.items()})

    def observe(self, *events: Event) -> None:
        """Take in events, all or none of them: the next request sees them.

        What is observed is kept in memory, and by `save`.

        Raises:
            UnknownIdError: no such scenario or item; `put_items` makes items known.
            DataError: a value is not a number, or a time does not suit the scenario's clock.
        """
        self.intake.observe(events)

    def similar(self, item: str, scenario: str | None = None, k: int = 10) -> list[Recommendation]:
        """Return the k items most like one item.

        Raises:
            UnknownIdError: no such scenario or item.
            ValueError: k is below 1.
        """
        return recommending.similar(self.system, str(item), scenario, _size(k))

    def explain(self, user: str, item: str, scenario: str | None = None) -> Explanation:
        """Return why an item stands where it stands for a user.

        Raises:
            UnknownIdError: no such scenario or item.
        """
        return recommending.explain(self.system, str(user), str(item), scenario)


def _size(k: int) -> int:
    if k < 1:
        raise ValueError(f"expected k of at least 1, found {k}")
    return k
