"""How an endpoint reaches the service that it belongs to, and tells the audit log what it did there."""

from __future__ import annotations

from fastapi import Request

from polyscene.serving import paths  # noqa: F401 - makes `{item:id}` known, of which routes speak
from polyscene.serving.audit import Act
from polyscene.serving.failures import RefusedError
from polyscene.serving.logs import REQUEST
from polyscene.serving.service import Service
from polyscene.serving.tenants import CALLER, Caller, Tenants


def tenants_of(request: Request) -> Tenants:
    """Return all services of the process."""
    tenants: Tenants = request.app.state.tenants
    return tenants


def caller_of(request: Request) -> Caller:
    """Return who asks: the tenant and the key."""
    caller: Caller = request.scope[CALLER]
    return caller


def service_of(request: Request) -> Service:
    """Return the service behind a request: that of its key, and no other."""
    return caller_of(request).service


def audit(request: Request, act: Act, subject: str, result: str = "done") -> None:
    """Write down what a request did; on the disk on return, so call it beside the loop, before the answer.

    Args:
        subject: id of what was acted on; that of a user is kept as a digest.
        result: `done`, or the code of the error.

    Raises:
        StoreError: it cannot be written; do not acknowledge what was done.
    """
    caller = caller_of(request)
    caller.service.audit.write(caller.name, act, subject, result, REQUEST.get())


async def demand_no_body(request: Request) -> None:
    """Refuse a body where nothing in it could count; an empty object, which many send unasked, says nothing.

    Raises:
        RefusedError: there is one.
    """
    if (await request.body()).strip() not in (b"", b"{}"):
        raise RefusedError(
            "invalid", "expected no body here, found one; what can be chosen stands in the query"
        )


def demand_batch(size: int, most: int) -> None:
    """Refuse a batch that is larger than the tenant's settings let it be.

    Raises:
        RefusedError: it is.
    """
    if size > most:
        raise RefusedError(
            "too_large", f"expected at most {most:,} events at once, found {size:,}; send less"
        )
