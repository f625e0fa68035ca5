"""Where the `serve` processes of a store are to be found: a note of their addresses, for commands beside them.

A process adds its own when it starts and takes it out when it ends. One that was killed leaves it behind, so whoever
asks tries whether somebody listens there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from badge_bridge.errors import StoreUnavailable
from badge_bridge.noted import Notes, change_note

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["CONSOLE", "HOOKS", "address", "announced"]

CONSOLE, HOOKS = "console/address", "hooks/address"
"""Of what: two notes."""

_MOST = 8
"""Addresses in a note; the oldest goes when there is one more."""

_PATIENCE = 1.0
"""Seconds for a listener to take a connection."""


@asynccontextmanager
async def announced(store: Notes, url: str, *, of: str) -> AsyncIterator[None]:
    """While the block runs, commands find this address.

    Raises:
        StoreUnavailable: it cannot be written.
    """
    await _change(store, of, lambda known: [*(one for one in known if one != url), url][-_MOST:])
    try:
        yield
    finally:
        with suppress(StoreUnavailable):  # who asks finds out that nobody listens there
            await _change(store, of, lambda known: [one for one in known if one != url])


async def address(store: Notes, *, of: str) -> str:
    """Where somebody listens: of several the one that started last; empty where nobody does. An address of another
    machine, such as that of a proxy, is taken for good, since it may not be reached from here.

    Raises:
        StoreUnavailable: it cannot be read.
    """
    note = await store.note(of)
    for url in reversed(note.text.split() if note else []):
        if await _listens(url):
            return url
    return ""


async def _listens(url: str) -> bool:
    place = urlsplit(url)
    if place.port is None or not _is_here(place.hostname or ""):
        return True
    try:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_connection(place.hostname, place.port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def _is_here(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


async def _change(store: Notes, of: str, change: Callable[[list[str]], list[str]]) -> None:
    if not await change_note(store, of, lambda text: "\n".join(change(text.split()))):
        raise StoreUnavailable("an address of serve could not be written: others keep writing it")
