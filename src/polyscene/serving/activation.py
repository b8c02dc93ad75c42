"""Lets a run answer that was judged elsewhere: the log tells every server, or a running one is asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from polyscene.core.errors import PolysceneError, StoreError
from polyscene.core.files import write_text
from polyscene.serving.models import ACTIVE, MAX_HISTORY
from polyscene.serving.stores.contract import Batch, ChangeKind, LoggedChange
from polyscene.serving.stores.opening import open_stores

Activate = Callable[[str, Sequence[str]], None]
"""Lets a run answer, given the ids of those that did before, latest first; twice does no more than once.

Raises:
    StoreError: it does not answer; it may be tried again.
"""


def in_the_log(place: str | Path, namespace: str, folder: Path) -> Activate:
    """Return what tells it the log itself, which servers follow, or find when they start.

    Args:
        place: of the stores; SQLite files must not be held by a running service.
        namespace: of the service in a database.
        folder: of the service.
    """

    def activate(run: str, before: Sequence[str]) -> None:
        fields = {"run": run, "before": list(before[:MAX_HISTORY])}
        events, decisions = open_stores(place, namespace)
        try:
            events.append([Batch.of([LoggedChange(ChangeKind.model, "", "", fields, f"cycle/{run}")])])
        finally:
            events.close()
            decisions.close()
        if not isinstance(place, str):
            write_text(folder / ACTIVE, json.dumps(fields, indent=2) + "\n")

    return activate


def over_http(url: str, key: str | None) -> Activate:
    """Return what asks a running service for it.

    Args:
        url: of the service.
        key: of the scope `admin`; None: the service asks for none.
    """

    def activate(run: str, before: Sequence[str]) -> None:
        from polyscene.client.clients import Client  # speaks HTTP, which a cycle beside the log does not

        with Client(url, key) as client:
            try:
                client.activate_model(run, force=True)
            except PolysceneError as error:
                raise StoreError(
                    f"expected the service at {url} to activate {run}, found: {error}; see that it runs and "
                    "that the key has the scope admin, then cycle again"
                ) from error

    return activate
