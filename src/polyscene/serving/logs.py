"""What a service writes to its log: no keys, no passwords, and the id of the request beside each line."""

from __future__ import annotations

import json
import logging
import sys
import threading
from contextvars import ContextVar
from datetime import UTC, datetime

from polyscene.core.text import redacted

ACCESS = "polyscene.access"
REQUEST: ContextVar[str] = ContextVar("polyscene_request", default="-")
"""The id of the request that is being answered."""

_access = logging.getLogger(ACCESS)
_log = logging.getLogger(__name__)


class RedactingFormatter(logging.Formatter):
    """Formats a record, its traceback too, and takes secrets out of the whole of it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record."""
        record.request = REQUEST.get()
        return redacted(super().format(record))


def set_up_logging(access: bool) -> None:
    """Let everything that is logged in this process go to standard error, redacted.

    Args:
        access: whether a line of JSON tells of every request, on standard output.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s [%(request)s] %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    threading.excepthook = _thread_died
    if access:
        lines = logging.StreamHandler(sys.stdout)
        lines.setFormatter(RedactingFormatter("%(message)s"))
        _access.handlers, _access.propagate = [lines], False
        _access.setLevel(logging.INFO)


def tell_access(
    tenant: str | None, key: str | None, method: str, endpoint: str, status: int, seconds: float
) -> None:
    """Write a line on an answered request: by its endpoint, never its path, which may name people."""
    if not _access.isEnabledFor(logging.INFO):
        return
    row = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "request": REQUEST.get(),
        "tenant": tenant,
        "key": key,
        "method": method,
        "endpoint": endpoint,
        "status": status,
        "seconds": round(seconds, 6),
    }
    _access.info(json.dumps(row, ensure_ascii=False))


def _thread_died(what: threading.ExceptHookArgs) -> None:
    if what.exc_value is not None:
        name = what.thread.name if what.thread else "?"
        _log.critical("the thread %r ended", name, exc_info=what.exc_value)
