"""The process that listens: connections that dawdle are ended, and at the end nothing accepted is dropped.

uvicorn waits for ever for headers and for those who do not read; here both have their time.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import struct
import time
from types import FrameType
from typing import cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from polyscene.core.settings.service import ServiceSettings
from polyscene.serving.app import build_app
from polyscene.serving.tenants import Tenants

SECONDS_FOR_A_LATE_REQUEST = 0.25
"""What is on its way on an idle connection when the service stops is still answered."""

AT_ONCE = struct.pack("ii", 1, 0)
"""How a socket is told not to wait until its data has arrived."""


def serve_until_stopped(tenants: Tenants, listening: socket.socket) -> None:
    """Answer until SIGTERM or Ctrl-C.

    After SIGTERM the service says that it is not ready and asks every caller to leave, and answers on; then
    it takes no new connection, finishes what it has, writes what waits, and returns.
    """
    DrainingServer(Config(build_app(tenants), tenants.settings), tenants).run(sockets=[listening])


class Config(uvicorn.Config):
    """What uvicorn is told, and what its connections may take.

    Args:
        app: that answers.
        service: settings of the process.
    """

    def __init__(self, app: ASGIApp, service: ServiceSettings) -> None:
        self.service = service
        super().__init__(
            app,
            http=PatientProtocol,
            ws="none",
            access_log=False,
            log_config=None,
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=service.idle_seconds,
            timeout_graceful_shutdown=service.finish_seconds,
        )


class DrainingServer(uvicorn.Server):
    """Tells balancers first, and stops then."""

    def __init__(self, config: Config, tenants: Tenants) -> None:
        super().__init__(config)
        self._tenants, self._drain = tenants, config.service.drain_seconds
        self._leave_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; a second signal stops at once."""
        self._tenants.stopping = True
        if sig == signal.SIGTERM and self._leave_at is None:
            self._leave_at = time.monotonic() + self._drain
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Stop when balancers have had their time."""
        if self._leave_at is not None and time.monotonic() >= self._leave_at:
            self.should_exit = True
        return await super().on_tick(counter)


class PatientProtocol(HttpToolsProtocol):
    """A connection that is ended where headers never end, are too large, or an answer is not read."""

    _head_timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None
    _in_head, _head_size = True, 0

    @property
    def _limits(self) -> ServiceSettings:
        return cast(Config, self.config).service

    @property
    def _idle(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections:
            transport.abort()
        else:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self._head_arrived()
        self._answer_read()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; from its first byte, a request has its time to tell its headers."""
        if self._idle:
            self._expect_head()
        self._head_size += len(data)
        super().data_received(data)
        if self._in_head and self._head_size > self._limits.head_bytes:
            self.transport.abort()

    def on_message_complete(self) -> None:
        """Expect the next request."""
        self._in_head, self._head_size = True, 0
        super().on_message_complete()

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        self._in_head = False
        self._head_arrived()
        super().on_headers_complete()

    def pause_writing(self) -> None:
        """Wait for whoever reads, but not for ever."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(self._limits.write_seconds, self._reset)

    def resume_writing(self) -> None:
        """Go on writing."""
        self._answer_read()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """End an idle connection, even one that has not read its answer."""
        if self.transport.get_write_buffer_size():
            self._reset()
        else:
            super().timeout_keep_alive_handler()

    def shutdown(self) -> None:
        """Finish what is being answered; what is on its way gets a moment."""
        if self._idle:
            self.loop.call_later(SECONDS_FOR_A_LATE_REQUEST, super().shutdown)
        else:
            super().shutdown()

    def _reset(self) -> None:
        """End a connection whose other side does not read: what waits for it is thrown away."""
        connection: socket.socket | None = self.transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        self.transport.abort()

    def _expect_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self._limits.head_seconds, self.transport.abort)

    def _head_arrived(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _answer_read(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
