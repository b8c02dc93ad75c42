"""Locks for state that many read and one changes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from threading import Lock
from types import TracebackType


class ReadWriteLock:
    """Many readers or one writer; a waiting writer goes before readers that come after it.

    Not reentrant: a thread that holds it in either way must not ask for it again.

    Source: the readers-writers solution with a turnstile of A. Downey, The Little Book of Semaphores, 4.2.3.
    """

    def __init__(self) -> None:
        self._turnstile, self._room, self._counting = Lock(), Lock(), Lock()
        self._readers = 0
        self._reading, self._writing = _Reading(self), _Writing(self)

    def reading(self) -> AbstractContextManager[None]:
        """Hold the lock beside other readers."""
        return self._reading

    def writing(self) -> AbstractContextManager[None]:
        """Hold the lock alone."""
        return self._writing

    def enter_to_read(self) -> None:
        """Wait until nobody writes or waits to."""
        with self._turnstile:
            pass
        with self._counting:
            self._readers += 1
            if self._readers == 1:
                self._room.acquire()

    def leave_after_reading(self) -> None:
        """Let a writer in, if nobody reads any more."""
        with self._counting:
            self._readers -= 1
            if self._readers == 0:
                self._room.release()

    def enter_to_write(self) -> None:
        """Keep new readers out, and wait until those inside have left."""
        self._turnstile.acquire()
        self._room.acquire()

    def leave_after_writing(self) -> None:
        """Let others in."""
        self._room.release()
        self._turnstile.release()


class _Held:
    """One way to hold the lock, by any number of threads."""

    def __init__(self, lock: ReadWriteLock) -> None:
        self._lock = lock


class _Reading(_Held):
    def __enter__(self) -> None:
        self._lock.enter_to_read()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.leave_after_reading()


class _Writing(_Held):
    def __enter__(self) -> None:
        self._lock.enter_to_write()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.leave_after_writing()
