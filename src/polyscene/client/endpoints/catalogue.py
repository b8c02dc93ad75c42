"""Items as they are described and taken out, and the jobs that do it in bulk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from polyscene.client import answers, movement_answers
from polyscene.client.endpoint import Walk, endpoint
from polyscene.client.requests import Parts, Repeat, encoded


class Items:
    """Asks for items, and changes them."""

    @endpoint("GET /v1/items/{scenario}", answers.ItemsPage)
    def list_items(self, scenario: str, limit: int = 100, *, after: int | None = None) -> Parts:
        """Return a page of the items that are not taken out; `after` is `next` of the page before."""
        return Parts({"scenario": scenario}, {"limit": limit, "after": after})

    all_items = Walk(list_items, "after", lambda page: page.next, lambda page: page.items)

    @endpoint("GET /v1/items/{scenario}/{item}", answers.ItemDetails)
    def get_item(self, scenario: str, item: str) -> Parts:
        """Return all that is known of an item."""
        return Parts({"scenario": scenario, "item": item})

    @endpoint("PUT /v1/items/{scenario}/{item}", answers.ItemChange)
    def put_item(self, scenario: str, item: str, fields: Mapping[str, object]) -> Parts:
        """Describe a new item, or a known one wholly anew, by the columns of its table."""
        return Parts({"scenario": scenario, "item": item}, body={"fields": fields})

    @endpoint("PATCH /v1/items/{scenario}/{item}", answers.ItemChange)
    def patch_item(self, scenario: str, item: str, fields: Mapping[str, object]) -> Parts:
        """Put some fields over those that are known; None lets a field be missing."""
        return Parts({"scenario": scenario, "item": item}, body={"fields": fields})

    @endpoint("DELETE /v1/items/{scenario}/{item}", answers.ItemChange, Repeat.unless_done)
    def delete_item(self, scenario: str, item: str) -> Parts:
        """Take an item out: nobody is shown it until it is put again."""
        return Parts({"scenario": scenario, "item": item})

    @endpoint("POST /v1/items/{scenario}/bulk", answers.Job, Repeat.unless_done)
    def put_items(self, scenario: str, rows: Iterable[Mapping[str, object]]) -> Parts:
        """Put many items, each with its id, as a job that goes on in the background."""
        return Parts({"scenario": scenario}, lines=b"".join(encoded(row) + b"\n" for row in rows))

    @endpoint("GET /v1/items/{scenario}/{item}/movement", movement_answers.Movement, slow=True)
    def movement(
        self, scenario: str, item: str, limit: int = 20, *, since: str | None = None, until: str | None = None
    ) -> Parts:
        """Return what moved an item, and how far; `since` and `until` are ISO 8601."""
        query = {"limit": limit, "since": since, "until": until}
        return Parts({"scenario": scenario, "item": item}, query)

    @endpoint("POST /v1/items/{scenario}/{item}/rollback", movement_answers.Rollback, slow=True)
    def roll_back_item(
        self, scenario: str, item: str, *, to: str | None = None, offset: int | None = None
    ) -> Parts:
        """Set an item back to what was believed of it at a time (ISO 8601), or at an offset of the log."""
        body = {"to": to} if offset is None else {"offset": offset}
        return Parts({"scenario": scenario, "item": item}, body=body)


class Jobs:
    """Asks for work that goes on after its request was answered."""

    @endpoint("GET /v1/jobs", answers.Jobs)
    def list_jobs(self, limit: int = 20) -> Parts:
        """Return the latest jobs, latest first."""
        return Parts(query={"limit": limit})

    @endpoint("GET /v1/jobs/{job}", answers.Job)
    def get_job(self, job: str) -> Parts:
        """Return how far a job is."""
        return Parts({"job": job})

    @endpoint("POST /v1/jobs/{job}/cancel", answers.Job)
    def cancel_job(self, job: str) -> Parts:
        """Let a job end before its next block of rows; what was taken stays taken."""
        return Parts({"job": job})
