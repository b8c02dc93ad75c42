"""The catalogue of one scenario: ids, the text the language model reads, attributes, first days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from polyscene.core.errors import DataError, Problem
from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.core.settings.tables import ItemsSettings
from polyscene.core.text import shown
from polyscene.core.types import LongArray
from polyscene.data.reading.image_files import image_files
from polyscene.data.reading.templates import Template, joined
from polyscene.data.reading.vectors import media_of_table, vector_needs
from polyscene.data.schema import UNKNOWN_TIME, Catalogue, Ids
from polyscene.data.tables.columns import Need
from polyscene.data.tables.keyed import complain_if_empty, faults, read_keyed
from polyscene.data.tables.opening import open_table
from polyscene.data.tables.sources import same_rows
from polyscene.data.tables.table import Table
from polyscene.data.tables.times import IMPOSSIBLE, rule_for
from polyscene.data.tables.totals import RowLedger


def read_items(
    settings: ScenarioSettings, base: Path, problems: list[Problem], ledger: RowLedger | None = None
) -> Catalogue:
    """Read the catalogue of a scenario.

    Args:
        settings: the scenario's.
        base: the folder its paths start from.
        problems: takes what is wrong with rows and values; the catalogue leaves those out.
        ledger: counts the rows.

    Raises:
        DataError: the table cannot be read at all.
    """
    items = settings.items
    opened = open_items(settings, base, problems, ledger)
    table, frame, template = opened.table, opened.frame, opened.template
    if frame.is_empty():
        complain_if_empty(table, "items", problems)
    texts = item_texts(frame, items, template)
    _complain_of_silence(table, texts, problems)
    return Catalogue(
        ids=Ids(frame[_key(items).alias].alias("item")),
        text=texts,
        title=item_titles(frame, items, template),
        attributes=attributes(frame, items.categorical, items.numeric),
        since=_since(table, frame, opened.needs, problems),
        media=media_of_table(items, base, table, frame, problems),
        images=image_files(items, base, table.name, frame, problems),
    )


class OpenItems(NamedTuple):
    """A table of items whose rows have their ids, before texts are made of them."""

    table: Table
    frame: pl.DataFrame
    needs: Sequence[Need]
    template: Template | None


def open_items(
    settings: ScenarioSettings, base: Path, problems: list[Problem], ledger: RowLedger | None = None
) -> OpenItems:
    """Open the item table of a scenario; otherwise as `read_items`."""
    items = settings.items
    template, wrong = template_of(settings)
    needs = [*item_needs(items, template), *vector_needs(items)]
    try:
        table = open_table(items, base, [_key(items), *needs])
    except DataError as error:
        raise DataError([*wrong, *error.problems]) from None
    problems.extend([*wrong, *table.remarks])
    if ledger is not None:
        ledger.open(table)
    needs = [_with_rule(need, table, items) for need in needs]
    from_log = same_rows(items, settings.events)
    frame = read_keyed(table, _key(items), needs, items.on_duplicate, problems, from_log, ledger)
    return OpenItems(table, frame, needs, template)


def extended(catalogue: Catalogue, ids: pl.Series) -> Catalogue:
    """Return the catalogue with further items of which nothing but the id is known."""
    described = catalogue.attributes
    blank = described.clear(len(ids)) if described.width else pl.DataFrame(height=len(ids))
    return replace(
        catalogue,
        ids=Ids(pl.concat([catalogue.ids.values, ids.alias("item")])),
        text=(*catalogue.text, *[""] * len(ids)),
        title=(*catalogue.title, *ids.to_list()),
        attributes=pl.concat([described, blank]),
        since=np.concatenate([catalogue.since, np.full(len(ids), UNKNOWN_TIME)]),
        media={name: np.pad(known, ((0, len(ids)), (0, 0))) for name, known in catalogue.media.items()},
        images={
            medium: replace(files, names=(*files.names, *[""] * len(ids)))
            for medium, files in catalogue.images.items()
        },
    )


def attributes(frame: pl.DataFrame, categorical: Sequence[str], numeric: Sequence[str]) -> pl.DataFrame:
    """Return the attribute columns under their own names: text first, then numbers."""
    if not (categorical or numeric):
        return pl.DataFrame(height=frame.height)
    return frame.select(
        *(pl.col(Need("", name, "text").alias).alias(name) for name in categorical),
        *(pl.col(Need("", name, "number").alias).alias(name) for name in numeric if name not in categorical),
    )


def complain_of_twins(categorical: Sequence[str], numeric: Sequence[str], key: str) -> list[Problem]:
    """Report columns that are named as text and as numbers at once."""
    return [
        Problem(
            "a column is named as 'categorical' and as 'numeric'",
            "one of the two",
            shown(name),
            "take it out of one list",
            key=f"{key}.numeric",
        )
        for name in numeric
        if name in categorical
    ]


def template_of(settings: ScenarioSettings) -> tuple[Template | None, list[Problem]]:
    """Return the scenario's template, where one can be used, and what is wrong with the settings."""
    wrong = complain_of_twins(settings.items.categorical, settings.items.numeric, "items")
    if settings.template is None:
        return None, wrong
    try:
        return Template.parse(settings.template), wrong
    except DataError as error:
        return None, [*wrong, *error.problems]


def _key(items: ItemsSettings) -> Need:
    return Need("id", items.id, "id")


def item_needs(items: ItemsSettings, template: Template | None) -> list[Need]:
    """Return the columns that describe an item, its id apart."""
    return [
        *(Need("text", name, "text") for name in items.text),
        *(Need("template", name, "text") for name in (template.fields if template else ())),
        *(Need("categorical", name, "text") for name in items.categorical),
        *(Need("numeric", name, "number") for name in items.numeric),
        *([] if items.time is None else [Need("time", items.time, "time")]),
    ]


def _with_rule(need: Need, table: Table, items: ItemsSettings) -> Need:
    if need.kind != "time":
        return need
    sample = table.sample(need.column)
    return replace(need, rule=rule_for(sample, items.time_format, items.timezone, need.column))


def _column(frame: pl.DataFrame, name: str) -> list[str | None]:
    return frame[Need("", name, "text").alias].to_list()


def item_texts(frame: pl.DataFrame, items: ItemsSettings, template: Template | None) -> tuple[str, ...]:
    """Return the text of every row: the template filled in, or the text columns joined."""
    if template is None:
        if not items.text:
            return ("",) * frame.height
        return tuple(joined(row) for row in zip(*(_column(frame, name) for name in items.text), strict=True))
    columns = [_column(frame, name) for name in template.fields]
    return tuple(
        template.fill(dict(zip(template.fields, row, strict=True))) for row in zip(*columns, strict=True)
    )


def item_titles(frame: pl.DataFrame, items: ItemsSettings, template: Template | None) -> tuple[str, ...]:
    """Return the first words there are: a text column, a field of the template, the id."""
    names = dict.fromkeys((*items.text, *(template.fields if template else ())))
    first = pl.coalesce(*(Need("", name, "text").alias for name in names), _key(items).alias)
    return tuple(" ".join(title.split()) for title in frame.select(first).to_series().to_list())


def _complain_of_silence(table: Table, texts: Sequence[str], problems: list[Problem]) -> None:
    silent = sum(not text for text in texts)
    if not silent:
        return
    all_silent = silent == len(texts)
    problems.append(
        Problem(
            "no item has text" if all_silent else "an item has no text",
            "words in 'text' columns or in a template",
            "none" if all_silent else f"{silent:,} of {len(texts):,} items without any",
            "name columns with words in 'text', or fill them in: a language model needs words",
            file=table.name,
            key="items.text",
            count=silent,
            severity="warning",
        )
    )


def _since(table: Table, frame: pl.DataFrame, needs: Sequence[Need], problems: list[Problem]) -> LongArray:
    need = next((need for need in needs if need.kind == "time"), None)
    if need is None or need.rule is None:
        return np.full(frame.height, UNKNOWN_TIME)
    since = frame[need.alias]
    if (since == IMPOSSIBLE).any():
        bad_times = faults(table, [need], pl.col(need.alias) == IMPOSSIBLE)
        place = table.place(0 if bad_times is None else bad_times.first, need.column)
        problems.append(
            Problem(
                "an impossible time",
                need.rule.words + ", or nothing",
                place.found,
                "mend the value, or set 'time_format'",
                file=place.file,
                row=place.row,
                column=need.column,
                count=1 if bad_times is None else bad_times.count,
            )
        )
    known = since.set(since == IMPOSSIBLE, None).fill_null(UNKNOWN_TIME)
    return known.to_numpy().astype(np.int64)
