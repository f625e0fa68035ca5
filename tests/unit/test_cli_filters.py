"""The pages of events that a command makes of those of a store."""

from __future__ import annotations

import pytest

from badge_bridge.cli_filters import full_page, pages
from badge_bridge.store.memory import MemoryStore
from badge_bridge.store.protocol import Listing
from badge_bridge.store.wanted import Place, Wanted
from support.stores import NOW, item


class Sparse(MemoryStore):
    """Ends each page after one event, as a store does that has looked at enough in vain."""

    async def list(self, wanted: Wanted = Wanted(), *, limit: int = 50, before: Place | None = None) -> Listing:  # noqa: B008 - it is frozen
        page = await super().list(wanted, limit=min(limit, 1), before=before)
        return Listing(page.events, page.more, reached=page.more and page.more[0])


@pytest.fixture
async def store() -> Sparse:
    store = Sparse()
    await store.open()
    await store.accept([item(f"s:{number:02}", received_at=NOW + number) for number in range(25)])
    return store


async def test_page_is_filled_from_several_of_the_store(store: Sparse) -> None:
    """It goes on where the last of them ended."""
    page = await full_page(store, Wanted(), limit=3, before=None)
    assert [event.key for event in page.events] == ["s:24", "s:23", "s:22"]
    assert page.more == (NOW + 22, "s:22")
    page = await full_page(store, Wanted(), limit=3, before=(NOW + 2, "s:02"))
    assert ([event.key for event in page.events], page.more) == (["s:01", "s:00"], None)


async def test_page_ends_before_it_is_full_when_that_takes_long(store: Sparse) -> None:
    """And says how far back it has looked."""
    page = await full_page(store, Wanted(), limit=20, before=None)
    assert len(page.events) == 10
    assert (page.more, page.reached) == ((NOW + 15, "s:15"), NOW + 15)


async def test_pages_are_all_there_are(store: Sparse) -> None:
    """To the last one."""
    found = [event.key async for page in pages(store, Wanted()) for event in page.events]
    assert found == [f"s:{number:02}" for number in reversed(range(25))]
