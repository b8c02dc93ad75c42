"""A knowledge graph: triples, and which entity an item is, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from polyscene.core.errors import Problem
from polyscene.core.settings.links import EntitiesSettings, KnowledgeSettings
from polyscene.core.text import shown
from polyscene.core.types import IntArray
from polyscene.data.links import KnowledgeGraph
from polyscene.data.reading.row_faults import RowFault, each_once, missing, placed_rows, without_faults
from polyscene.data.schema import Catalogue
from polyscene.data.tables.columns import Need
from polyscene.data.tables.keyed import complain_if_empty, faults, read_keyed
from polyscene.data.tables.opening import open_table
from polyscene.data.tables.table import Table
from polyscene.data.tables.totals import Role, RowLedger

LINKED = "linked"
"""What the one relation of a graph without names of relations is called."""


def read_knowledge(
    settings: KnowledgeSettings,
    base: Path,
    catalogue: Catalogue,
    problems: list[Problem],
    ledgers: Mapping[Role, RowLedger],
) -> KnowledgeGraph:
    """Return the graph of a scenario.

    Args:
        settings: of its tables.
        base: the folder their paths start from.
        catalogue: of the scenario.
        problems: takes what is wrong with rows.
        ledgers: count the rows of its tables.

    Raises:
        DataError: a table cannot be read at all.
    """
    head, tail = Need("head", settings.head, "id"), Need("tail", settings.tail, "id")
    relation = None if settings.relation is None else Need("relation", settings.relation, "id")
    needs = [head, tail, *([] if relation is None else [relation])]
    table = open_table(settings, base, needs)
    problems.extend(table.remarks)
    ledger = ledgers.get("knowledge")
    if ledger is not None:
        ledger.open(table)
    frame = placed_rows(table, needs)
    if frame.is_empty():
        complain_if_empty(table, "triples", problems)
    frame = without_faults(table, frame, _faults(settings, needs), problems, ledger)
    frame = each_once(frame, [need.alias for need in needs], ledger)
    entity_of = {name: name for name in catalogue.ids.values.to_list()}
    if settings.entities is not None:
        entity_of = _entities(settings.entities, base, catalogue, problems, ledgers.get("entities"))
    entities, head_codes, tail_codes = _numbered(frame[head.alias], frame[tail.alias])
    known = {name: code for code, name in enumerate(entities)}
    of_item = [known.get(entity_of.get(item, ""), -1) for item in catalogue.ids.values.to_list()]
    graph = KnowledgeGraph(
        entities, *_relations(frame, relation, head_codes), tail_codes, np.array(of_item, np.int32)
    )
    _complain_of_strangers(table, settings, graph, catalogue, problems)
    return graph


def _numbered(head: pl.Series, tail: pl.Series) -> tuple[tuple[str, ...], IntArray, IntArray]:
    """Return the entities in the order of their names, and the codes of both ends."""
    names = pl.concat([head.alias("entity"), tail.alias("entity")]).unique().sort()
    numbers = pl.Enum(names)
    codes = [end.cast(numbers).to_physical().to_numpy().astype(np.int32) for end in (head, tail)]
    return tuple(names.to_list()), codes[0], codes[1]


def _relations(
    frame: pl.DataFrame, relation: Need | None, head: IntArray
) -> tuple[tuple[str, ...], IntArray, IntArray]:
    if relation is None:
        return (LINKED,), head, np.zeros(len(head), np.int32)
    names = frame[relation.alias].unique().sort()
    codes = frame[relation.alias].cast(pl.Enum(names)).to_physical().to_numpy().astype(np.int32)
    return tuple(names.to_list()), head, codes


def _faults(settings: KnowledgeSettings, needs: list[Need]) -> list[RowFault]:
    dropped = settings.on_bad_row == "drop"
    return [
        *(missing(need, f"a triple has no {need.key}", dropped) for need in needs),
        RowFault(
            pl.col(needs[0].alias) == pl.col(needs[1].alias),
            settings.tail,
            "a triple says something of an entity with itself",
            "two entities",
            "they were left out: they tell no two things apart",
            asked=True,
        ),
    ]


def _entities(
    settings: EntitiesSettings,
    base: Path,
    catalogue: Catalogue,
    problems: list[Problem],
    ledger: RowLedger | None,
) -> dict[str, str]:
    """Return the name of the entity of each item that has one."""
    key, entity = Need("item", settings.item, "id"), Need("entity", settings.entity, "id")
    table = open_table(settings, base, [key, entity])
    problems.extend(table.remarks)
    if ledger is not None:
        ledger.open(table)
    frame = read_keyed(table, key, [entity], settings.on_duplicate, problems, ledger=ledger)
    if frame.is_empty():
        complain_if_empty(table, "entities", problems)
    nameless = frame[entity.alias].is_null()
    known = frame[key.alias].is_in(catalogue.ids.values.implode())
    strangers = int((~known & ~nameless).sum())
    if strangers:
        problems.append(_unknown_items(table, settings, (key, entity), catalogue, strangers))
    if ledger is not None:
        ledger.leave_out(int(nameless.sum()), asked=True)
        ledger.leave_out(strangers, asked=settings.on_unknown_item == "drop")
    kept = frame.filter(known & ~nameless)
    return dict(zip(kept[key.alias].to_list(), kept[entity.alias].to_list(), strict=True))


def _unknown_items(
    table: Table, settings: EntitiesSettings, needs: tuple[Need, Need], catalogue: Catalogue, count: int
) -> Problem:
    key, entity = needs
    strange = ~pl.col(key.alias).is_in(catalogue.ids.values.implode()) & pl.col(entity.alias).is_not_null()
    first = faults(table, needs, strange)
    place = table.place(0 if first is None else first.first, key.column)
    dropped = settings.on_unknown_item == "drop"
    problem = Problem(
        "an entity belongs to an item that the catalogue does not have",
        "an id of the catalogue",
        place.found,
        "they were left out" if dropped else 'add the items, or set on_unknown_item = "drop"',
        file=place.file,
        row=place.row,
        column=key.column,
        count=count,
        severity="repaired" if dropped else "error",
    )
    return problem


def _complain_of_strangers(
    table: Table,
    settings: KnowledgeSettings,
    graph: KnowledgeGraph,
    catalogue: Catalogue,
    problems: list[Problem],
) -> None:
    """Report a graph that tells nothing of any item."""
    if not len(graph) or not len(catalogue) or (graph.of_item >= 0).any():
        return
    alone = settings.entities is None
    problems.append(
        Problem(
            "no item is an entity of the knowledge graph",
            f"ids of items such as {shown(catalogue.ids[0])} among its heads and tails"
            if alone
            else "entities of items among its heads and tails",
            shown(graph.entities[0]),
            "name the table that says which entity an item is: entities = { path = …, item = …, entity = … }"
            if alone
            else "check 'entity': it must name the column with the graph's own ids",
            file=table.name,
            column=settings.head,
            key="knowledge.entities",
        )
    )
