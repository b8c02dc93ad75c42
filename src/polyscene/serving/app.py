"""The application: every route, one shape of errors, and the guard before all of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp

from polyscene.serving.description import describe
from polyscene.serving.failures import handle_failures
from polyscene.serving.guard import Guard
from polyscene.serving.routes import (
    catalogue,
    events,
    explanations,
    health,
    items,
    jobs,
    models,
    movement,
    pages,
    predictions,
    recommendations,
    rights,
    rules,
    users,
)
from polyscene.serving.service import Service
from polyscene.serving.tenants import Tenants


def build_app(service: Service | Tenants) -> ASGIApp:
    """Return the application of a service, or of several, which are closed when the application stops."""
    tenants = service if isinstance(service, Tenants) else Tenants([service])
    return Guard(build_api(tenants), tenants)


def build_api(tenants: Tenants) -> FastAPI:
    """Return the application without its guard, behind which alone it can tell who asks."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        tenants.close()

    from polyscene import __version__

    app = FastAPI(
        title="Polyscene",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        debug=False,
    )
    app.state.tenants = tenants
    for part in (
        events,
        recommendations,
        items,
        movement,
        predictions,
        explanations,
        catalogue,
        rights,
        users,
        jobs,
        models,
        rules,
        health,
        pages,
    ):
        app.include_router(part.router)
    handle_failures(app)
    describe(app)
    return app
