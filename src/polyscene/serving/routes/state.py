"""How an endpoint reaches the service that it belongs to."""

from __future__ import annotations

from fastapi import Request

from polyscene.serving.service import Service


def service_of(request: Request) -> Service:
    """Return the service behind a request."""
    service: Service = request.app.state.service
    return service
