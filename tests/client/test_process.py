"""The client against `polyscene serve` in a process of its own."""

from __future__ import annotations

import asyncio

from polyscene.client import AsyncClient, Client

USER = "u00003"


def test_a_click_changes_the_next_slate(served: str) -> None:
    with Client(served) as client:
        first = client.recommend(USER, "shop", 5).ids[0]
        assert client.send_event(USER, first, "shop", "purchase").accepted == 1
        assert first not in client.recommend(USER, "shop", 5).ids
        assert next(client.export_user(USER))["kind"] == "profile"


def test_many_are_awaited_at_once(served: str) -> None:
    async def asked() -> list[int]:
        async with AsyncClient(served) as client:
            slates = await asyncio.gather(*(client.recommend(f"u{n:05}", "shop", 4) for n in range(1, 30)))
            return [len(slate) for slate in slates]

    assert asyncio.run(asked()) == [4] * 29
