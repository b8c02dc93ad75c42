"""`[service]`: what one request, one key and one connection may take, and how the service stops."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from polyscene.core.settings.block import Strict

Rate = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,6}/(second|minute|hour|day)$")]
Origin = Annotated[str, StringConstraints(pattern=r"^https?://[A-Za-z0-9.\-\[\]:]+$")]


class ServiceSettings(Strict):
    """What one request, one key and one connection may take, and how the service stops."""

    rate_per_key: Rate | None = Field(None, description="requests that one key may send, such as 100/second")
    rate_per_tenant: Rate | None = Field(None, description="requests that all keys may send together")
    failures_per_address: Rate = "30/minute"
    body_bytes: int = Field(1_048_576, ge=1_024, le=268_435_456)
    body_seconds: float = Field(10.0, gt=0, description="a body that takes longer to arrive is refused")
    batch_events: int = Field(1_000, ge=1, le=1_000)
    requests_at_once: int = Field(256, ge=1)
    connections: int = Field(1_000, ge=1)
    head_bytes: int = Field(65_536, ge=1_024, description="of a request line and its headers")
    head_seconds: float = Field(10.0, gt=0, description="headers that take longer end the connection")
    idle_seconds: int = Field(30, ge=1, description="a connection without a request is closed")
    write_seconds: float = Field(30.0, gt=0, description="an answer that nobody reads ends the connection")
    drain_seconds: float = Field(2.0, ge=0, description="after SIGTERM, 'not ready' is told so long first")
    finish_seconds: int = Field(10, ge=1, description="requests that are being answered get so long")
    load_encoder: bool = Field(True, description="load the language model after the start")
    origins: list[Origin] = Field(default_factory=list, description="pages of which sites may ask")
    access_log: bool = False
    audit_bytes: int = Field(10_485_760, ge=1_024, description="a longer audit log is begun anew")
    audit_files: int = Field(10, ge=1, description="so many earlier ones are kept")
    clock: Literal["system", "events"] = Field(
        "system",
        description="events: a request is asked at the moment of the latest event, as replays and "
        "simulations want it; all events then need times of their own",
    )
