from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from polyscene.serving.stores.opening import EVENTS
from polyscene.serving.stores.sqlite_events import SqliteEventStore

Script = Callable[[str], ModuleType]


@pytest.fixture(autouse=True)
def no_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is killed takes events and gives slates; a language model would only be loaded again and again."""
    monkeypatch.setenv("POLYSCENE_SERVICE__LOAD_ENCODER", "false")


def test_kills_do_no_harm_and_harm_would_be_noticed(
    script: Script, village_tables: Callable[[Path], Path], tmp_path: Path
) -> None:
    durability = script("durability")
    village_tables(tmp_path / "durability")
    test = durability.DurabilityTest(tmp_path / "durability", seed=1)
    kills = [test.kill(number, 0.05) for number in range(2)]
    assert all(kill.harmless for kill in kills)
    assert all(kill.acknowledged for kill in kills)
    assert "lost" in durability.shown(kills)

    store = SqliteEventStore(test.data / EVENTS)
    with store._file.transaction() as connection:
        connection.execute("DELETE FROM events WHERE id = ?", (test._batches[0][0],))
    store.close()
    harm = test._looked(0.0, 0.0, [])
    assert (harm.lost, harm.harmless) == (1, False)
    test.close()


def test_a_database_may_crash_and_another_server_goes_on(
    script: Script,
    village_tables: Callable[[Path], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    durability = script("durability")
    monkeypatch.setattr(durability, "SECONDS_TO_FOLLOW", 30.0)  # how fast it follows is measured, not tested
    village_tables(tmp_path / "durability")
    with script("postgres_server").temporary_server() as server:
        test = durability.DurabilityTest(tmp_path / "durability", 1, server)
        kill = test.kill(durability.ROUNDS_PER_CRASH - 1, 0.05)
        test.close()
    assert kill.crashed
    assert kill.harmless
    assert kill.acknowledged
