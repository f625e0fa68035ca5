"""The note of where the processes of a store listen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from badge_bridge.store.memory import MemoryStore
from badge_bridge.whereabouts import CONSOLE, HOOKS, address, announced
from support.programs import free_port


@pytest.fixture
async def store() -> AsyncIterator[MemoryStore]:
    store = MemoryStore()
    await store.open()
    yield store
    await store.close()


@asynccontextmanager
async def listening() -> AsyncIterator[str]:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_the_one_that_started_last_is_told_as_long_as_it_runs(store: MemoryStore) -> None:
    """Then the one before it, and nothing when both have ended; the two notes have nothing to do with each other."""
    async with listening() as one, listening() as two:
        async with announced(store, one, of=CONSOLE):
            async with announced(store, two, of=CONSOLE):
                assert await address(store, of=CONSOLE) == two
                assert await address(store, of=HOOKS) == ""
            assert await address(store, of=CONSOLE) == one
        assert await address(store, of=CONSOLE) == ""


async def test_address_that_a_kill_has_left_is_passed_over(store: MemoryStore) -> None:
    """Nobody listens there; an address of another machine cannot be tried from everywhere, and counts."""
    gone = f"http://127.0.0.1:{free_port()}"
    async with listening() as one, announced(store, one, of=CONSOLE), announced(store, gone, of=CONSOLE):
        assert await address(store, of=CONSOLE) == one
        async with announced(store, "https://bridge.example.com", of=CONSOLE):
            assert await address(store, of=CONSOLE) == "https://bridge.example.com"


async def test_addresses_that_kills_have_left_do_not_pile_up(store: MemoryStore) -> None:
    """The oldest go."""
    for number in range(20):
        await announced(store, f"http://127.0.0.1:{number + 1}", of=CONSOLE).__aenter__()
    note = await store.note(CONSOLE)
    assert note is not None
    assert len(note.text.split()) == 8
