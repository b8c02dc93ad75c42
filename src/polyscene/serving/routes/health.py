"""`/health` and `/metrics`: for what watches the service."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from polyscene.serving.answers import answer
from polyscene.serving.metrics import CONTENT_TYPE
from polyscene.serving.routes.state import service_of

router = APIRouter(tags=["health"])


@router.get("/health/live", summary="Does the process answer?")
async def live(request: Request) -> Response:
    """Return 200 as long as the process answers."""
    return answer({"status": "live"})


@router.get("/health/ready", summary="Can requests be sent here?")
async def ready(request: Request) -> Response:
    """Return 200 while events are taken and slates are given, else 503, and what is the matter."""
    service = service_of(request)
    live = service.live
    problems = [text for text in (live.fault, service.decisions.fault) if text is not None]
    fine = live.ready and not problems
    state = {
        "status": "ready" if fine else "not ready",
        "run": live.run.id,
        "offset": live.applied,
        "replayed": live.replayed,
        "unfit": live.unfit,
        "problems": len(problems),
    }
    return answer(state, 200 if fine else 503)


@router.get("/metrics", summary="Measurements for Prometheus")
async def metrics(request: Request) -> Response:
    """Return latency, events, freshness, queue lengths and slates, in the text form of Prometheus."""
    return Response(service_of(request).metrics.text(), media_type=CONTENT_TYPE)
