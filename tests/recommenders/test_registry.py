from __future__ import annotations

from polyscene.core.settings.signals import RENAMED, USUAL_SIGNALS
from polyscene.recommenders.registry import SIGNALS


def test_every_signal_is_known_by_its_own_name() -> None:
    assert [*SIGNALS] == [*USUAL_SIGNALS, "attributes", "text_ranker", "sequence", "multitask", "posterior"]
    assert [SIGNALS[name].name for name in SIGNALS] == [*SIGNALS]


def test_names_of_earlier_versions_lead_to_present_ones() -> None:
    assert set(RENAMED.values()) <= set(SIGNALS)
    assert set(RENAMED).isdisjoint(SIGNALS)
