from __future__ import annotations

from typing import get_args

from polyscene.core.settings.signals import SignalName
from polyscene.recommenders.registry import SIGNALS


def test_the_registry_holds_what_the_settings_offer() -> None:
    assert set(SIGNALS) == set(get_args(SignalName))
