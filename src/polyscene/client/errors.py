"""What can go wrong with a request, as errors. None of them holds the key."""

from __future__ import annotations

from dataclasses import dataclass

from polyscene.core.errors import PolysceneError


class ClientError(PolysceneError):
    """The root of what a client raises."""


@dataclass(frozen=True)
class Detail:
    """Where in a request something is wrong, and what."""

    where: str
    message: str


class ApiError(ClientError, RuntimeError):
    """The service refused a request.

    Args:
        code: for programs, as the service's page on errors lists them, such as `unknown_id`.
        status: of HTTP.
        message: for people.
        details: where in the request, and what; empty where there is no more to say.
        request_id: by which the service's log names the request; empty where the answer has none.
    """

    def __init__(
        self, code: str, status: int, message: str, details: tuple[Detail, ...] = (), request_id: str = ""
    ) -> None:
        super().__init__(code, status, message, details, request_id)
        self.code, self.status, self.message = code, status, message
        self.details, self.request_id = details, request_id

    def __str__(self) -> str:
        lines = [f"{self.code} ({self.status}): {self.message}"]
        lines += [f"  {one.where}: {one.message}" for one in self.details]
        return "\n".join([*lines, *([f"  request {self.request_id}"] if self.request_id else [])])


class LostAnswerError(ClientError, ConnectionError):
    """No answer came, also where it was asked again; whether the service did the work is not known."""


class UnreadableAnswerError(ClientError, ValueError):
    """What answered is not the service, or speaks another version."""
