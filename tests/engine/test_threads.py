"""Many ask while one writes: nobody sees half an event, an unknown item, or an error."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from polyscene.core.types import Event as Happening
from polyscene.engine.decision import Request
from polyscene.engine.pipeline import decide
from polyscene.engine.recommending import explain, recommend, similar
from polyscene.engine.state import System
from polyscene.engine.updates import Intake
from polyscene.recommenders.fusion.candidates import SMALL_CATALOGUE
from polyscene.recommenders.registry import SIGNALS

if TYPE_CHECKING:
    from tests.engine.conftest import Describe, MakeSystem

READERS = 4
STEPS = 60
REQUESTS_AT_LEAST = 10
"""Of each reader, even where the writer is done sooner."""
EVERY_SIGNAL = tuple(name for name in SIGNALS if name not in ("linear", "factors"))
CASES: dict[str, dict[str, Any]] = {
    "small": {"n_items": 40, "names": tuple(SIGNALS)},
    "read again": {"n_items": 40, "reread": True},
    "large": {"n_items": SMALL_CATALOGUE + 1, "names": EVERY_SIGNAL},
}


class Traffic:
    """One writer, and readers that ask as long as it writes."""

    def __init__(self, system: System, intake: Intake, describe: Describe) -> None:
        self.system, self.intake, self.describe = system, intake, describe
        self.done, self.start = Event(), Barrier(READERS + 1)
        self.new = {f"new-{step}" for step in range(STEPS)}
        shop = system.scenarios["shop"]
        self.allowed = {shop.catalogue.ids[code] for code in range(len(shop.catalogue))} | self.new

    def write(self) -> None:
        """Put an item, change one, and let people choose both and others."""
        draws = np.random.default_rng(0)
        self.start.wait()
        try:
            for step in range(STEPS):
                vectors = draws.normal(size=(2, 6)).astype(np.float32)
                changed = f"shop-{step % 30}"
                pair = zip((f"new-{step}", changed), vectors, strict=True)
                self.intake.put("shop", [self.describe(item, f"{item} {step}", one) for item, one in pair])
                chosen = [f"new-{step}", changed, f"new-{draws.integers(step + 1)}"]
                people = (f"u{step % 7}", f"later-{step % 5}", f"u{draws.integers(30)}")
                self.intake.observe(
                    [Happening(user, item, "shop") for user, item in zip(people, chosen, strict=True)]
                    + [Happening(people[0], f"radio-{step % 40}", "radio")]
                )
        finally:
            self.done.set()

    def read(self, number: int) -> int:
        """Ask for slates, reasons and likenesses until the writer is done; return how often."""
        self.start.wait()
        asked, shop = 0, self.system.scenarios["shop"]
        while not self.done.is_set() or asked < REQUESTS_AT_LEAST:
            user = f"u{(asked + number) % 30}" if asked % 3 else f"later-{asked % 5}"
            slate = recommend(self.system, "", Request(user, "shop", 8, reasons=asked % 2 == 0))
            assert len(slate) == len(set(slate.ids)) == 8
            assert self.allowed.issuperset(slate.ids)
            assert all(shop.catalogue.ids.get(item) is not None for item in slate.ids)
            assert np.isfinite([place.score for place in slate]).all()
            why = explain(self.system, user, slate.ids[0], "shop")
            assert why.item.id == slate.ids[0]
            assert similar(self.system, slate.ids[-1], "shop", 3)
            recommend(self.system, "", Request("u1", "radio", 5))
            asked += 1
        return asked


@pytest.mark.parametrize("case", CASES)
def test_readers_and_a_writer_do_not_disturb_each_other(
    make_system: MakeSystem, make_intake: Callable[..., Intake], describe: Describe, case: str
) -> None:
    system = make_system(**CASES[case])
    shop = system.scenarios["shop"]
    n_items, n_events = len(shop.catalogue), len(shop.log)
    traffic = Traffic(system, make_intake(system), describe)
    with ThreadPoolExecutor(READERS + 1) as pool:
        readers = [pool.submit(traffic.read, number) for number in range(READERS)]
        writer = pool.submit(traffic.write)
        writer.result(timeout=300)
        assert all(reader.result(timeout=300) >= REQUESTS_AT_LEAST for reader in readers)
    assert len(shop.catalogue) == len(shop.space) == len(shop.fusion.features) == n_items + STEPS
    assert len(shop.log) == len(shop.log.events()) == n_events + 3 * STEPS
    assert shop.catalogue.texts[shop.catalogue.code("shop-3")] == "shop-3 33"


def test_all_events_of_a_call_are_seen_or_none(
    make_system: MakeSystem, make_intake: Callable[..., Intake]
) -> None:
    system = make_system()
    intake = make_intake(system)
    size, calls, before, start = 5, 40, system.position, Barrier(READERS + 1)
    done = Event()

    def write() -> None:
        start.wait()
        try:
            for step in range(calls):
                intake.observe(
                    [Happening("crowd", f"shop-{(step + row) % 40}", "shop") for row in range(size)]
                )
        finally:
            done.set()

    def read() -> set[int]:
        start.wait()
        seen: set[int] = set()
        while not done.is_set() or not seen:
            decision = decide(system, Request("crowd", "shop", 1, reasons=False))
            seen.add(len(decision.queries.history.items))
            assert decision.position == before + len(decision.queries.history.items)
        return seen

    with ThreadPoolExecutor(READERS + 1) as pool:
        readers = [pool.submit(read) for _ in range(READERS)]
        pool.submit(write).result(timeout=300)
        for reader in readers:
            assert all(length % size == 0 for length in reader.result(timeout=300))
