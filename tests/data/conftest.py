"""A small project on disk, which tests break in one place at a time."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import polars as pl
import pytest

from polyscene.core.errors import Problem
from polyscene.core.settings.project import Settings
from polyscene.data.reading.check import CheckReport, check_project
from polyscene.data.reading.dataset import read_dataset
from polyscene.data.schema import Dataset

ITEMS = "id,title,brand,price\na,Apple,Acme,1.5\nb,Bread,,2\nc,Cake,Baker,\n"
EVENTS = (
    "who,what,kind,stars,at\n"
    "u1,a,view,1,2024-01-01 10:00:00\n"
    "u2,b,buy,2,2024-01-02 10:00:00\n"
    "u1,c,buy,3,2024-01-03 10:00:00\n"
)
ITEM_KEYS = {
    "path": "items.csv",
    "id": "id",
    "text": ["title"],
    "categorical": ["brand"],
    "numeric": ["price"],
}
EVENT_KEYS = {
    "path": "events.csv",
    "user": "who",
    "item": "what",
    "action": "kind",
    "value": "stars",
    "time": "at",
}


@dataclass(frozen=True)
class Shop:
    """A folder with one scenario's tables, sound until a test breaks them."""

    folder: Path

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def settings(
        self, items: Mapping[str, Any] = {}, events: Mapping[str, Any] = {}, **scenario: Any
    ) -> Settings:
        tables = {"items": _known({**ITEM_KEYS, **items}), "events": _known({**EVENT_KEYS, **events})}
        return Settings.parse({"scenarios": {"shop": {**tables, **scenario}}})

    def check(
        self, items: Mapping[str, Any] = {}, events: Mapping[str, Any] = {}, **scenario: Any
    ) -> CheckReport:
        return check_project(self.settings(items, events, **scenario), self.folder)

    def problem(
        self, items: Mapping[str, Any] = {}, events: Mapping[str, Any] = {}, **scenario: Any
    ) -> Problem:
        """Return the only problem there is."""
        problems = self.check(items, events, **scenario).problems
        assert len(problems) == 1, "\n".join(map(str, problems))
        return problems[0]

    def read(self, items: Mapping[str, Any] = {}, events: Mapping[str, Any] = {}, **scenario: Any) -> Dataset:
        return read_dataset(self.settings(items, events, **scenario), self.folder)


def _known(keys: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in keys.items() if value is not None}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    shop = Shop(tmp_path)
    shop.write("items.csv", ITEMS)
    shop.write("events.csv", EVENTS)
    return shop


_WORKBOOK = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/></Types>',
    "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="r1" Target="xl/workbook.xml" Type="http://schemas.openxmlformats.org/'
    'officeDocument/2006/relationships/officeDocument"/></Relationships>',
}
_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def _cell(value: object) -> str:
    if value is None:
        return "<c/>"
    if isinstance(value, int | float):
        return f"<c><v>{value}</v></c>"
    return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(str(value))}</t></is></c>'


def _write_workbook(path: Path, sheets: Mapping[str, pl.DataFrame]) -> None:
    """Write the smallest workbook that spreadsheets open."""
    names = "".join(
        f'<sheet name="{escape(name)}" sheetId="{n}" r:id="r{n}"/>' for n, name in enumerate(sheets, 1)
    )
    links = "".join(
        f'<Relationship Id="r{n}" Target="worksheets/sheet{n}.xml" Type="{_OFFICE}/worksheet"/>'
        for n in range(1, len(sheets) + 1)
    )
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    parts = {
        **_WORKBOOK,
        "xl/workbook.xml": f'<workbook {_MAIN} xmlns:r="{_OFFICE}"><sheets>{names}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}">{links}</Relationships>',
    }
    for number, frame in enumerate(sheets.values(), 1):
        rows = "".join(
            f"<row>{''.join(_cell(value) for value in row)}</row>" for row in [frame.columns, *frame.rows()]
        )
        parts[f"xl/worksheets/sheet{number}.xml"] = (
            f"<worksheet {_MAIN}><sheetData>{rows}</sheetData></worksheet>"
        )
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


@pytest.fixture
def write_workbook() -> Callable[[Path, Mapping[str, pl.DataFrame]], None]:
    return _write_workbook
