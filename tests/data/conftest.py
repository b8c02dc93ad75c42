"""A small project on disk, which tests break in one place at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
