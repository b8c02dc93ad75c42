"""One way for all sets: convert, load the settings, read every row by them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from polyscene.core.settings.project import Settings
from polyscene.data.public.registry import public_set
from polyscene.data.reading.dataset import read_dataset


@pytest.fixture
def prepared() -> Callable[[str, Path, Path], Settings]:
    """Prepare a set and make sure that what came of it can be read without a remark."""

    def prepare(name: str, source: Path, out: Path) -> Settings:
        settings = Settings.load(public_set(name).prepare(source, out))
        dataset = read_dataset(settings, out)
        assert dataset.notes == ()
        assert all(
            len(scenario.events) and len(scenario.catalogue) for scenario in dataset.scenarios.values()
        )
        return settings

    return prepare
