from __future__ import annotations

import pytest

from polyscene.sample.world import SampleWorld


@pytest.fixture(scope="session")
def world() -> SampleWorld:
    return SampleWorld.generate()


@pytest.fixture(scope="session")
def small() -> SampleWorld:
    return SampleWorld.generate(seed=3, users=60, items_per_scenario=40, days=10)
