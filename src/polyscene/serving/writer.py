"""One thread that writes what many hand in, everything that waits in one go: a group commit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Condition, Event, Thread
from typing import Generic, TypeVar

from polyscene.core.errors import StoreError

Entry = TypeVar("Entry")


class GroupWriter(Generic[Entry]):
    """Hands what is put to one function, in its order, in groups, from one thread.

    Args:
        name: of the thread.
        write: takes a group; must not raise.
        most_waiting: beyond so many, more is refused.
        most_at_once: in a group.
        gather: seconds that the first of a group waits for others.
    """

    def __init__(
        self,
        name: str,
        write: Callable[[list[Entry]], None],
        most_waiting: int,
        most_at_once: int,
        gather: float = 0.0,
    ) -> None:
        self._name, self._write, self._gather = name, write, gather
        self._most_waiting, self._most_at_once = most_waiting, most_at_once
        self._waiting, self._changed = deque[Entry](), Condition()
        self._stopping = Event()
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, entry: Entry) -> None:
        """Hand something in.

        Raises:
            StoreError: too much is waiting already, or the service is stopping.
        """
        with self._changed:
            if self._stopping.is_set():
                raise StoreError(f"expected {self._name} to run, found it stopping; send it again later")
            if len(self._waiting) >= self._most_waiting:
                raise StoreError(
                    f"expected fewer than {self._most_waiting:,} to wait for {self._name}, found as many; "
                    "send it again later"
                )
            self._waiting.append(entry)
            self._changed.notify()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def alive(self) -> bool:
        """Whether what is put will be written."""
        return self._thread.is_alive() and not self._stopping.is_set()

    def close(self) -> None:
        """Write what waits, and stop."""
        with self._changed:
            self._stopping.set()
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while group := self._next():
            self._write(group)

    def _next(self) -> list[Entry]:
        """Wait for something; empty when it is over."""
        with self._changed:
            while not self._waiting and not self._stopping.is_set():
                self._changed.wait()
        if self._gather:
            self._stopping.wait(self._gather)
        with self._changed:
            size = min(len(self._waiting), self._most_at_once)
            return [self._waiting.popleft() for _ in range(size)]
