"""Users: who is known, what is known of them, and their rights."""

from __future__ import annotations

from collections.abc import Mapping

from polyscene.client import admin_answers
from polyscene.client.endpoint import Walk, endpoint, lines_endpoint
from polyscene.client.requests import Parts, Repeat


class Users:
    """Asks for users, and changes what is known of them."""

    @endpoint("GET /v1/users", admin_answers.UsersPage)
    def list_users(self, limit: int = 20, *, after: int | None = None) -> Parts:
        """Return a page of the ids of all users; `after` is `next` of the page before."""
        return Parts(query={"limit": limit, "after": after})

    all_users = Walk(list_users, "after", lambda page: page.next, lambda page: page.users)

    @endpoint("GET /v1/users/{user}", admin_answers.User)
    def get_user(self, user: str) -> Parts:
        """Return the fields of a user, and in which scenarios anything is known of them."""
        return Parts({"user": user})

    @endpoint("PUT /v1/users/{user}", admin_answers.UserChange)
    def put_user(self, user: str, fields: Mapping[str, object]) -> Parts:
        """Let these be all fields of a user; who is new becomes known."""
        return Parts({"user": user}, body={"fields": fields})

    @endpoint("PATCH /v1/users/{user}", admin_answers.UserChange)
    def patch_user(self, user: str, fields: Mapping[str, object]) -> Parts:
        """Put some fields over those that are known; None lets a field be missing."""
        return Parts({"user": user}, body={"fields": fields})

    @endpoint("DELETE /v1/users/{user}", admin_answers.UserChange, Repeat.unless_done)
    def delete_user(self, user: str) -> Parts:
        """Remove the fields of a user; what they did stays known."""
        return Parts({"user": user})


class Rights:
    """Exports and erases users."""

    @lines_endpoint("GET /v1/users/{user}/export", slow=True)
    def export_user(self, user: str) -> Parts:
        """Return all that is known of a user, line by line as it comes; `kind` tells what a line is."""
        return Parts({"user": user})

    @endpoint("POST /v1/users/{user}/erasure", admin_answers.Erasure, Repeat.unless_done, slow=True)
    def erase_user(self, user: str) -> Parts:
        """Remove a user from everything that the service holds, and return the receipt."""
        return Parts({"user": user})

    @endpoint("GET /v1/erasures/{receipt}", admin_answers.VerifiedErasure, slow=True)
    def verify_erasure(self, receipt: str, user: str | None = None) -> Parts:
        """Return a receipt and, given the id that was erased, search every file for it."""
        return Parts({"receipt": receipt}, {"user": user})
