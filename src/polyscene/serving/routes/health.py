"""`/health` and `/metrics`: for what watches the service."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from polyscene.serving.answers import Plain, answer
from polyscene.serving.metrics import CONTENT_TYPE
from polyscene.serving.routes.state import service_of, tenants_of
from polyscene.serving.tenants import Tenants

router = APIRouter(tags=["health"])


@router.get("/health/live", summary="Does the process answer?")
async def live(request: Request) -> Response:
    """Return 200 as long as the process answers."""
    return answer({"status": "live"})


@router.get("/health/ready", summary="Can requests be sent here?")
async def ready(request: Request) -> Response:
    """Return 200 while events are taken and slates are given, else 503, and what is the matter.

    Of a service of several tenants it tells how many cannot be asked, and no more.
    """
    tenants = tenants_of(request)
    state, fine = _state(tenants), not tenants.stopping and not any(one.faults for one in tenants)
    status = "stopping" if tenants.stopping else "ready" if fine else "not ready"
    return answer({"status": status} | state, 200 if fine else 503)


def _state(tenants: Tenants) -> Plain:
    service = tenants.only
    if service is None:
        return {"tenants": len(tenants), "problems": sum(bool(one.faults) for one in tenants)}
    live = service.live
    return {
        "run": live.run.id,
        "offset": live.applied,
        "replayed": live.replayed,
        "unfit": live.unfit,
        "waiting": live.waiting + service.decisions.waiting,
        "problems": len(service.faults),
    }


@router.get("/metrics", summary="Measurements for Prometheus")
async def metrics(request: Request) -> Response:
    """Return latency, events, freshness, queue lengths and slates, in the text form of Prometheus."""
    return Response(service_of(request).metrics.text(), media_type=CONTENT_TYPE)
