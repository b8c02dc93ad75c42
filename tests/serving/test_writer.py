from __future__ import annotations

from threading import Event, Thread

import pytest

from polyscene.core.errors import StoreError
from polyscene.serving.writer import GroupWriter


def test_everything_is_written_once_in_order() -> None:
    groups: list[list[int]] = []
    writer = GroupWriter[int]("a log", groups.append, 10_000, 7)
    for number in range(500):
        writer.put(number)
    writer.close()
    assert [number for group in groups for number in group] == list(range(500))
    assert max(map(len, groups)) <= 7


def test_what_waits_is_written_together() -> None:
    groups: list[list[int]] = []
    first, go_on = Event(), Event()

    def write(group: list[int]) -> None:
        groups.append(group)
        first.set()
        assert go_on.wait(10)

    writer = GroupWriter[int]("a log", write, 100, 100)
    writer.put(0)
    assert first.wait(10)
    for number in range(1, 6):
        writer.put(number)
    assert len(writer) == 5
    go_on.set()
    writer.close()
    assert groups == [[0], [1, 2, 3, 4, 5]]


def test_gathering_ends_when_it_stops() -> None:
    groups: list[list[int]] = []
    writer = GroupWriter[int]("a log", groups.append, 100, 100, gather=3_600.0)
    writer.put(1)
    writer.close()
    assert groups == [[1]]
    assert not writer.alive
    with pytest.raises(StoreError, match="stopping"):
        writer.put(2)


def test_many_threads_put() -> None:
    groups: list[list[int]] = []
    writer = GroupWriter[int]("a log", groups.append, 10_000, 100)

    def put_all(start: int) -> None:
        for row in range(100):
            writer.put(start + row)

    threads = [Thread(target=put_all, args=(start,)) for start in range(0, 800, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    written = [number for group in groups for number in group]
    assert sorted(written) == list(range(800))
    for start in range(0, 800, 100):
        mine = [number for number in written if start <= number < start + 100]
        assert mine == sorted(mine)
