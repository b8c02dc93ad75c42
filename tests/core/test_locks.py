from __future__ import annotations

from threading import Barrier, Event, Thread

import pytest

from polyscene.core.locks import ReadWriteLock

PATIENCE = 10.0


def started(*threads: Thread) -> None:
    for thread in threads:
        thread.start()


def ended(*threads: Thread) -> None:
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_readers_hold_it_together() -> None:
    lock, together = ReadWriteLock(), Barrier(3)

    def read() -> None:
        with lock.reading():
            together.wait(PATIENCE)  # breaks unless all three are inside

    readers = [Thread(target=read) for _ in range(3)]
    started(*readers)
    ended(*readers)
    assert not together.broken


def test_no_reader_sees_half_a_change() -> None:
    torn: list[tuple[int, ...]] = []
    lock, pair = ReadWriteLock(), [0, 0]

    def write() -> None:
        for value in range(1, 301):
            with lock.writing():
                pair[0] = value
                pair[1] = value

    def read() -> None:
        while any(writer.is_alive() for writer in writers):
            with lock.reading():
                if pair[0] != pair[1]:
                    torn.append(tuple(pair))

    writers = [Thread(target=write) for _ in range(2)]
    readers = [Thread(target=read) for _ in range(2)]
    started(*writers, *readers)
    ended(*writers, *readers)
    assert torn == []


def test_writers_exclude_each_other() -> None:
    lock, total = ReadWriteLock(), [0]

    def add() -> None:
        for _ in range(500):
            with lock.writing():
                seen = total[0]
                total[0] = seen + 1

    writers = [Thread(target=add) for _ in range(4)]
    started(*writers)
    ended(*writers)
    assert total == [2000]


def test_a_waiting_writer_goes_before_later_readers() -> None:
    order: list[str] = []
    lock = ReadWriteLock()
    inside, leave = Event(), Event()

    def first_reader() -> None:
        with lock.reading():
            inside.set()
            leave.wait(PATIENCE)

    def writer() -> None:
        with lock.writing():
            order.append("writer")

    def late_reader() -> None:
        with lock.reading():
            order.append("reader")

    early, write, late = Thread(target=first_reader), Thread(target=writer), Thread(target=late_reader)
    early.start()
    assert inside.wait(PATIENCE)
    write.start()
    while not lock._turnstile.locked():  # until the writer stands in line
        pass
    late.start()
    leave.set()
    ended(early, write, late)
    assert order == ["writer", "reader"]


@pytest.mark.parametrize("way", ["reading", "writing"])
def test_an_error_inside_gives_it_back(way: str) -> None:
    lock = ReadWriteLock()
    with pytest.raises(ZeroDivisionError), getattr(lock, way)():
        raise ZeroDivisionError
    with lock.writing():
        pass
    with lock.reading():
        pass
