"""Items and users that are described over HTTP: checked, read by the language model, taken in from the log.

A change holds all fields of what it is about. Its vectors are made when it is handed in and kept beside the
log, so that a replay neither needs the language model nor gives other numbers.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any

import msgspec
import numpy as np

from polyscene.core.errors import (
    ArgumentError,
    DataError,
    ModelError,
    PolysceneError,
    Problem,
    RunError,
    UnknownIdError,
)
from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.core.text import shown
from polyscene.core.types import FloatArray
from polyscene.data.reading.item_rows import ItemRows, rows_of
from polyscene.data.reading.items import item_needs, template_of
from polyscene.data.reading.vectors import field_of
from polyscene.engine.state import ItemDescription, ScenarioState
from polyscene.representation.item_space import ViewName
from polyscene.runs.described_items import descriptions_of, with_id_text
from polyscene.runs.item_encoder import ItemEncoder
from polyscene.runs.run import Run
from polyscene.serving.known import Fields, Known
from polyscene.serving.log_learner import ChangeHandler
from polyscene.serving.rule_changes import book_of
from polyscene.serving.stores.contract import ChangeKind, LoggedChange, erasure_of

MAX_PREPARED = 4_096
"""Descriptions that were checked and wait for their change to come back from the log."""


class CatalogueChanges:
    """Prepares changes of one run's catalogue and users, and takes them in.

    Args:
        run: that is live, or is to be.
        known: what the log's changes say at present.
        records: whether what comes from the log is new to `known`; not so while a second run learns the log.

    Attributes:
        activated: is called when the log says that a run was activated, which may be this one.
    """

    def __init__(self, run: Run, known: Known, records: bool = True) -> None:
        self.run, self.known, self.records = run, known, records
        self.activated: Callable[[], None] = lambda: None
        self._prepared: OrderedDict[bytes, ItemDescription] = OrderedDict()
        self._lock = Lock()

    @property
    def handlers(self) -> Mapping[ChangeKind, ChangeHandler]:
        """What takes changes into the live system, by what they are about."""
        return {
            ChangeKind.item: self._take_item,
            ChangeKind.user: self._take_user,
            ChangeKind.rules: self._take_rules,
            ChangeKind.model: self._take_model,
            ChangeKind.movement: self._take_rollback,
            ChangeKind.erasure: self._take_erasure,
        }

    def item(self, scenario: str, item: str, fields: Mapping[str, Any]) -> LoggedChange:
        """Check one item, read its text, and return the change that puts it.

        Args:
            scenario: its name.
            item: the id.
            fields: by the names of the columns of the scenario's item table; the id may be among them.

        Raises:
            UnknownIdError: no such scenario.
            DataError: the item cannot be read; all problems are listed.
            ModelError: the language model cannot be used.
        """
        column = self._settings(scenario).items.id
        if str(other := fields.get(column, item)) != item:
            raise DataError(
                Problem("the id differs", shown(item), shown(other), "leave it out", column=column)
            )
        (change,) = self.items(scenario, [{**fields, column: item}])
        if not isinstance(change, LoggedChange):
            raise change
        return change

    def items(
        self, scenario: str, rows: Sequence[Mapping[str, Any]], ids: Sequence[str] | None = None
    ) -> list[LoggedChange | PolysceneError]:
        """Check items one by one, read all texts together, and return a change or a complaint for each.

        Args:
            ids: by which the changes are known if they come again.

        Raises:
            UnknownIdError: no such scenario.
            ModelError: the language model cannot be used.
        """
        settings = self._settings(scenario)
        widths = self.run.system.scenario(scenario).space.description.widths
        checked = [_read(settings, row, widths) for row in rows]
        good = [one for one in checked if isinstance(one, ItemRows)]
        descriptions = iter(self._described(scenario, good))
        changes: list[LoggedChange | PolysceneError] = []
        for place, (one, row) in enumerate(zip(checked, rows, strict=True)):
            if not isinstance(one, ItemRows):
                changes.append(one)
                continue
            fields = {**row, settings.items.id: one.ids[0]}
            name = None if ids is None else ids[place]
            change = LoggedChange(ChangeKind.item, scenario, one.ids[0], fields, name)
            self._prepare(change, next(descriptions))
            changes.append(change)
        return changes

    def patched_item(self, scenario: str, item: str, fields: Mapping[str, Any]) -> LoggedChange:
        """Return the change that puts some fields of an item over what is known of it.

        Raises:
            UnknownIdError: no such scenario or item.
            DataError: the run does not keep all columns of the item's text, and not all of them are given.
            ModelError: the language model cannot be used.
        """
        known, missing = self.fields_of(scenario, item)
        lacking = [column for column in missing if column not in fields]
        if lacking:
            raise DataError(
                Problem(
                    "the run does not keep all columns that the text of this item was made of",
                    f"also {', '.join(lacking)}",
                    f"only {', '.join(fields)}" if fields else "no field",
                    "send them too, or put the whole item once; after that every field can be patched",
                )
            )
        return self.item(scenario, item, {**known, **fields})

    def removed_item(self, scenario: str, item: str) -> LoggedChange:
        """Return the change that takes an item out.

        Raises:
            UnknownIdError: no such scenario or item.
        """
        self.code(scenario, item)
        return LoggedChange(ChangeKind.item, scenario, item, None)

    def code(self, scenario: str, item: str) -> int:
        """Return the code of an item that was not taken out.

        Raises:
            UnknownIdError: no such scenario or item.
        """
        state = self.run.system.scenario(scenario)
        code = state.catalogue.code(item)
        if state.fusion.features.removed[code]:
            raise UnknownIdError(
                f"expected an item that is there, found {shown(item)}, which was taken out; put it again"
            )
        return code

    def fields_of(self, scenario: str, item: str) -> tuple[Fields, list[str]]:
        """Return the fields of an item, and the columns that belong to its text and are not kept.

        Raises:
            UnknownIdError: no such scenario or item.
        """
        code = self.code(scenario, item)
        latest = self.known.told(ChangeKind.item, scenario, item)
        if latest is not None and latest[1] is not None:
            return latest[1], []
        return fields_of_run(self.run.system.scenario(scenario), self._settings(scenario), code)

    def _settings(self, scenario: str) -> ScenarioSettings:
        return self.run.settings[self.run.system.scenario(scenario).name]

    def _record(self, change: LoggedChange) -> None:
        if self.records:
            self.known.put([change])

    def _take_item(self, change: LoggedChange) -> None:
        self._record(change)
        if change.fields is None:
            self.run.intake.remove(change.scenario, [change.name])
            return
        with self._lock:
            description = self._prepared.pop(_key(change), None)
        if description is None:
            widths = self.run.system.scenario(change.scenario).space.description.widths
            rows = rows_of(self._settings(change.scenario), [change.fields], widths)
            (description,) = self._described(change.scenario, [rows])
        self.run.intake.put(change.scenario, [description])

    def _take_user(self, change: LoggedChange) -> None:
        self._record(change)
        if change.fields is not None:
            self.run.intake.meet(change.name)

    def restore_rules(self) -> None:
        """Let the rules hold that were told last, wherever the live run began to learn the log."""
        for name in self.run.system.scenarios:
            latest = self.known.told(ChangeKind.rules, name, "")
            if latest is not None:
                self._let_hold(name, latest[1])

    def _take_rules(self, change: LoggedChange) -> None:
        self._record(change)
        self._let_hold(change.scenario, change.fields)

    def _let_hold(self, scenario: str, fields: Mapping[str, Any] | None) -> None:
        state = self.run.system.scenario(scenario)
        state.rules = book_of(self.run, scenario, fields)

    def _take_rollback(self, change: LoggedChange) -> None:
        self._record(change)
        self.run.intake.roll_back(change.scenario, change.name, (change.fields or {})["beliefs"])

    def _take_model(self, change: LoggedChange) -> None:
        self._record(change)
        if self.records:
            self.activated()

    def _take_erasure(self, change: LoggedChange) -> None:
        def is_erased(user: str) -> bool:
            return erasure_of(user, change.name) == change

        if self.records:
            self.known.forget(is_erased)
        self.run.intake.forget(is_erased)

    def _prepare(self, change: LoggedChange, description: ItemDescription) -> None:
        with self._lock:
            self._prepared[_key(change)] = description
            if len(self._prepared) > MAX_PREPARED:
                self._prepared.popitem(last=False)

    def _described(self, scenario: str, items: Sequence[ItemRows]) -> list[ItemDescription]:
        """Return items, each alone in its rows, with their vectors."""
        has_text = self.run.system.scenario(scenario).space.has_text
        texts = [rows.texts[0] for rows in items]
        encoded = self._encoded(scenario, texts) if has_text and texts else {}
        return [
            descriptions_of(rows, {view: vectors[place : place + 1] for view, vectors in encoded.items()})[0]
            for place, rows in enumerate(items)
        ]

    def _encoded(self, scenario: str, texts: Sequence[str]) -> dict[ViewName, FloatArray]:
        """Return (n, d) by view: kept vectors, and for the other texts new ones, kept from now on."""
        views = list(self._encoder.views(scenario))
        keys = {view: [self._vector_key(scenario, view, text) for text in texts] for view in views}
        wanted = [key for row in keys.values() for key in row]
        kept = self.known.vectors(wanted)
        if missing := [
            text for place, text in enumerate(texts) if any(keys[v][place] not in kept for v in views)
        ]:
            distinct = list(dict.fromkeys(missing))
            vectors = self._encoder.encode(scenario, distinct)
            self.known.keep(
                {
                    self._vector_key(scenario, view, text): vectors[view][place]
                    for view in views
                    for place, text in enumerate(distinct)
                }
            )
            kept = self.known.vectors(wanted)  # the first that was kept counts, whoever made it
        return {view: np.stack([kept[key] for key in keys[view]]) for view in views}

    @property
    def _encoder(self) -> ItemEncoder:
        try:
            return self.run.encoder
        except RunError as error:
            raise ModelError(
                f"expected a run that can read new texts, found {self.run.id}, an early one; train again"
            ) from error

    def _vector_key(self, scenario: str, view: str, text: str) -> bytes:
        parts = (self.run.id, scenario, view, text)
        return hashlib.sha256(msgspec.json.encode(parts)).digest()


def fields_of_run(state: ScenarioState, settings: ScenarioSettings, code: int) -> tuple[Fields, list[str]]:
    """Return what a run keeps of an item by the names of its table's columns, and which columns it lacks."""
    (item,) = state.catalogue.items([code])
    fields: Fields = {settings.items.id: item.id, **item.attributes}
    template, _ = template_of(settings)
    if template is None and len(settings.items.text) == 1:
        fields[settings.items.text[0]] = state.catalogue.texts[code]
    for medium, vectors in state.space.media.items():
        if medium in settings.items.vectors and vectors[code].any():
            fields[field_of(settings.items, medium)] = vectors[code].tolist()
    described = {need.column for need in item_needs(settings.items, template) if need.kind != "time"}
    return fields, sorted(described - fields.keys())


def _read(
    settings: ScenarioSettings, row: Mapping[str, Any], widths: Mapping[str, int]
) -> ItemRows | PolysceneError:
    try:
        return rows_of(settings, [with_id_text(row, settings.items.id)], widths)
    except ArgumentError as error:
        return DataError(Problem("the id cannot be used", "text or a whole number", str(error), "mend it"))
    except PolysceneError as error:
        return error


def _key(change: LoggedChange) -> bytes:
    return hashlib.sha256(msgspec.json.encode((change.scenario, change.name, change.fields))).digest()
