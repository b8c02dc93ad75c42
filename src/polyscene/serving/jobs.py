"""Work that goes on after its request was answered: items in bulk, one job after the other, through restarts.

A job lies in two files: the rows as they were sent, and how far it is. Every row has an id in the log, so a
row that was taken just before a process ended is not taken twice by the next one.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from threading import Condition, Thread
from typing import Any

import msgspec
from pydantic import ValidationError

from polyscene.core.errors import PolysceneError, StoreError, UnknownIdError
from polyscene.core.files import write_bytes
from polyscene.core.text import one_line, shown
from polyscene.core.validation import first_refusal_of, refusal_of
from polyscene.serving.field_bodies import FIELD_VALUES, ID
from polyscene.serving.stores.contract import Entry, LoggedChange, Receipt

_log = logging.getLogger(__name__)

ROWS_PER_BLOCK = 16
"""Rows whose texts are read together."""
CHANGES_PER_BATCH = 1
"""So many are handed in at once: learning several in a row leaves no moment for requests between them."""
MAX_JOBS_WAITING = 20
MAX_JOBS_KEPT = 200
"""The oldest finished ones beyond these are forgotten."""
MAX_REFUSALS_KEPT = 100
MAX_REASON_LENGTH = 300
SECONDS_BEFORE_RETRY = 1.0
REST = 1.0
"""After all that it does the thread rests so many times as long as that took: requests come first."""
ROWS, STATE = ".jsonl", ".json"

Prepare = Callable[[str, Sequence[dict[str, Any]], Sequence[str]], list[LoggedChange | PolysceneError]]
Submit = Callable[[Sequence[Entry]], Future[Receipt]]


class JobStatus(StrEnum):
    """How far a job is."""

    waiting = "waiting"
    running = "running"
    done = "done"
    cancelled = "cancelled"
    failed = "failed"
    """what it needs is not there; `fault` says what"""


FINISHED = (JobStatus.done, JobStatus.cancelled, JobStatus.failed)


@dataclass(frozen=True)
class Refusal:
    """A row that was not taken: its number, from 1, and why."""

    row: int
    reason: str


@dataclass(frozen=True)
class Job:
    """What is known of a job.

    Attributes:
        made: microseconds since 1970, UTC.
        rows: how many there are.
        read: how many were looked at; `taken` and `refused` add up to it.
        refusals: of the first that were refused, why.
    """

    id: str
    scenario: str
    made: int
    rows: int
    status: JobStatus = JobStatus.waiting
    read: int = 0
    taken: int = 0
    refused: int = 0
    refusals: tuple[Refusal, ...] = field(default=())
    fault: str | None = None

    def plain(self) -> dict[str, Any]:
        """Return it as an answer."""
        return asdict(self)


class Jobs:
    """The queue of jobs, and the one thread that does them.

    Args:
        folder: where they lie; what was left unfinished there goes on.
        prepare: makes changes of rows.
        submit: hands changes in.
    """

    def __init__(self, folder: Path, prepare: Prepare, submit: Submit) -> None:
        self._folder, self._prepare, self._submit = folder, prepare, submit
        self._jobs = {job.id: job for job in _kept(folder)}
        self._changed, self._stopping = Condition(), threading.Event()
        self._thread = Thread(target=self._run, name="jobs", daemon=True)
        self._thread.start()

    def add(self, scenario: str, rows: bytes) -> Job:
        """Take a job; it is durable on return.

        Args:
            rows: JSON Lines, an item in each.

        Raises:
            StoreError: too many are waiting, or the disk cannot take it.
        """
        lines = [line for line in rows.split(b"\n") if line.strip()]
        job = Job(secrets.token_hex(16), scenario, time.time_ns() // 1000, len(lines))
        with self._changed:
            if sum(one.status not in FINISHED for one in self._jobs.values()) >= MAX_JOBS_WAITING:
                raise StoreError(f"expected fewer than {MAX_JOBS_WAITING} jobs to wait; send it again later")
            try:
                write_bytes(self._path(job.id, ROWS), b"\n".join(lines))
            except OSError as error:
                raise StoreError(f"expected room for a job, found {error.strerror}; send it later") from error
            self._keep(job)
            self._forget_oldest()
            self._changed.notify_all()
        return job

    def find(self, name: str) -> Job:
        """Return a job.

        Raises:
            UnknownIdError: there is none of that id.
        """
        job = self._jobs.get(name)
        if job is None:
            raise UnknownIdError(
                f"expected the id of a job, found {shown(name)}; finished ones are forgotten"
            )
        return job

    def latest(self, limit: int) -> list[Job]:
        """Return the latest jobs, latest first."""
        with self._changed:
            return sorted(self._jobs.values(), key=lambda job: job.made, reverse=True)[:limit]

    def cancel(self, name: str) -> Job:
        """Let a job end before its next block; what was taken stays taken.

        Raises:
            UnknownIdError: there is none of that id.
        """
        with self._changed:
            job = self.find(name)
            if job.status not in FINISHED:
                job = self._keep(replace(job, status=JobStatus.cancelled))
        return job

    @property
    def waiting(self) -> int:
        """How many rows wait to be looked at."""
        return sum(job.rows - job.read for job in list(self._jobs.values()) if job.status not in FINISHED)

    def wait(self, name: str, seconds: float) -> Job:
        """Return a job when it is finished, or as it is when the time is over.

        Raises:
            UnknownIdError: there is none of that id.
        """
        with self._changed:
            self._changed.wait_for(lambda: self.find(name).status in FINISHED, seconds)
            return self.find(name)

    def close(self) -> None:
        """Stop after the present batch; the next service goes on where this one stopped."""
        with self._changed:
            self._stopping.set()
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while (job := self._next()) is not None:
            try:
                self._do(job)
            except StoreError:  # the disk is full, the service is stopping: the rows wait
                self._stopping.wait(SECONDS_BEFORE_RETRY)
            except Exception as error:  # noqa: BLE001 - the thread lives on, and whoever asks is told
                _log.exception("a job failed")
                fault = str(error) if isinstance(error, PolysceneError) else "a bug; the log says more"
                self._update(job.id, status=JobStatus.failed, fault=one_line(fault, MAX_REASON_LENGTH))

    def _next(self) -> Job | None:
        """Wait for a job that is to be done; None when it is over."""

        def unfinished() -> Job | None:
            waiting = (job for job in self._jobs.values() if job.status not in FINISHED)
            return min(waiting, key=lambda job: (job.made, job.id), default=None)

        with self._changed:
            self._changed.wait_for(lambda: self._stopping.is_set() or unfinished() is not None)
            return None if self._stopping.is_set() else unfinished()

    def _do(self, job: Job) -> None:
        lines = self._path(job.id, ROWS).read_bytes().split(b"\n") if job.rows else []
        while not self._stopping.is_set() and self.find(job.id).status not in FINISHED:
            job = self.find(job.id)
            block = lines[job.read : job.read + ROWS_PER_BLOCK]
            if not block:
                self._update(job.id, status=JobStatus.done)
                return
            taken, refusals = self._block(job, block)
            self._update(
                job.id,
                status=JobStatus.running,
                read=job.read + len(block),
                taken=job.taken + taken,
                refused=job.refused + len(refusals),
                refusals=(*job.refusals, *refusals)[:MAX_REFUSALS_KEPT],
            )

    def _block(self, job: Job, lines: Sequence[bytes]) -> tuple[int, list[Refusal]]:
        """Take a block of rows; return how many were taken, and the others."""
        rows, numbers, refusals = list[dict[str, Any]](), list[int](), list[Refusal]()
        for number, line in enumerate(lines, job.read + 1):
            row = _row(line)
            if isinstance(row, str):
                refusals.append(Refusal(number, row))
            else:
                rows.append(row)
                numbers.append(number)
        with self._rest_after():
            prepared = self._prepare(job.scenario, rows, [f"{job.id}/{number}" for number in numbers])
        changes = list[LoggedChange]()
        for number, change in zip(numbers, prepared, strict=True):
            reason = _complaint(change)
            if reason is None and isinstance(change, LoggedChange):
                changes.append(change)
            else:
                refusals.append(Refusal(number, one_line(str(reason), MAX_REASON_LENGTH)))
        for start in range(0, len(changes), CHANGES_PER_BATCH):
            with self._rest_after():
                self._submit(changes[start : start + CHANGES_PER_BATCH]).result()
        return len(changes), sorted(refusals, key=lambda refusal: refusal.row)

    @contextmanager
    def _rest_after(self) -> Iterator[None]:
        start = time.monotonic()
        yield
        self._stopping.wait(REST * (time.monotonic() - start))

    def _update(self, name: str, **values: Any) -> None:  # noqa: ANN401 - the fields of a job
        with self._changed:
            job = self.find(name)
            if job.status in FINISHED:  # cancelled meanwhile: what was taken is counted all the same
                values.pop("status", None)
            self._keep(replace(job, **values))
            self._changed.notify_all()

    def _keep(self, job: Job) -> Job:
        try:
            write_bytes(self._path(job.id, STATE), msgspec.json.encode(job.plain()))
        except OSError as error:
            raise StoreError(f"expected room for a job, found {error.strerror}; send it later") from error
        self._jobs[job.id] = job
        return job

    def _forget_oldest(self) -> None:
        finished = sorted(
            (job for job in self._jobs.values() if job.status in FINISHED), key=lambda job: job.made
        )
        for job in finished[: max(len(self._jobs) - MAX_JOBS_KEPT, 0)]:
            del self._jobs[job.id]
            for ending in (STATE, ROWS):
                self._path(job.id, ending).unlink(missing_ok=True)

    def _path(self, name: str, ending: str) -> Path:
        return self._folder / f"{name}{ending}"


def _row(line: bytes) -> dict[str, Any] | str:
    """Return the fields that a line holds, or what is wrong with it."""
    try:
        return FIELD_VALUES.validate_python(msgspec.json.decode(line))
    except msgspec.DecodeError as error:
        return f"expected an item in JSON, found something else: {error}"
    except ValidationError as error:
        return first_refusal_of(error)


def _complaint(change: LoggedChange | PolysceneError) -> str | None:
    if isinstance(change, PolysceneError):
        return str(change)
    try:
        ID.validate_python(change.name)
    except ValidationError as error:
        return f"the id: {refusal_of(error.errors()[0])}"
    return None


def _kept(folder: Path) -> list[Job]:
    """Return the jobs of a folder."""
    jobs = []
    for path in sorted(folder.glob(f"*{STATE}")) if folder.is_dir() else []:
        values = msgspec.json.decode(path.read_bytes())
        refusals = tuple(Refusal(**one) for one in values.pop("refusals"))
        jobs.append(Job(**values | {"status": JobStatus(values["status"]), "refusals": refusals}))
    return jobs
