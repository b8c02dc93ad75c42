"""With which statuses each endpoint refuses, for its description: no other comes, short of a bug.

What any path can give that is none of ours (404, 405), and what a bug gives (500), is not told here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polyscene.serving.rights import OPEN

EVERYWHERE = (403, 503)
WITH_A_KEY = (401, 429)
WITH_A_BODY = (400, 408, 413)
UNKNOWN_ID = frozenset(
    {
        "POST /v1/recommendations",
        "POST /v1/predictions",
        "GET /v1/explanations",
        "GET /v1/explanations/why-not",
        "POST /v1/explanations/why-not",
        "GET /v1/decisions/{decision}",
        "GET /v1/decisions/{decision}/replay",
        "GET /v1/items/{scenario}",
        "GET /v1/items/{scenario}/{item}",
        "PUT /v1/items/{scenario}/{item}",
        "PATCH /v1/items/{scenario}/{item}",
        "DELETE /v1/items/{scenario}/{item}",
        "GET /v1/items/{scenario}/{item}/similar",
        "GET /v1/items/{scenario}/{item}/movement",
        "POST /v1/items/{scenario}/{item}/rollback",
        "POST /v1/items/{scenario}/bulk",
        "GET /v1/jobs/{job}",
        "POST /v1/jobs/{job}/cancel",
        "GET /v1/scenarios/{scenario}/popular",
        "GET /v1/scenarios/{scenario}/latest",
        "GET /v1/users/{user}",
        "DELETE /v1/users/{user}",
        "GET /v1/users/{user}/similar",
        "GET /v1/erasures/{receipt}",
        "GET /v1/rules/{scenario}",
        "PUT /v1/rules/{scenario}",
        "DELETE /v1/rules/{scenario}",
        "POST /v1/models/{run}/activate",
    }
)
"""What names something that may not be there; an event that does is refused with 422."""
CONFLICT = frozenset(
    {
        "POST /v1/events",
        "POST /v1/events/batch",
        "GET /v1/erasures/{receipt}",
        "GET /v1/items/{scenario}/{item}/movement",
        "POST /v1/items/{scenario}/{item}/rollback",
        "POST /v1/models/{run}/activate",
        "POST /v1/models/rollback",
    }
)
OTHER_KIND = frozenset({"POST /v1/items/{scenario}/bulk"})
"""Takes a body of one kind and says so; elsewhere a body that is no JSON is `invalid`."""


def refusals(line: str, operation: Mapping[str, Any]) -> list[int]:
    """Return the statuses with which an endpoint refuses.

    Args:
        line: method and path.
        operation: as the description has it.
    """
    takes_body = "requestBody" in operation
    asked = takes_body or bool(operation.get("parameters")) or line.startswith("POST ")
    statuses = {
        **dict.fromkeys(EVERYWHERE, True),
        **dict.fromkeys(WITH_A_KEY, line.partition(" ")[2] not in OPEN),
        **dict.fromkeys(WITH_A_BODY, takes_body),
        404: line in UNKNOWN_ID,
        409: line in CONFLICT,
        415: line in OTHER_KIND,
        422: asked,
    }
    return sorted(status for status, applies in statuses.items() if applies)
