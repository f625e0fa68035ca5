"""Where the `serve` processes of a store are to be found: a note of their addresses, for commands beside them.

A process adds its own when it starts and takes it out when it ends. One that was killed leaves it behind, so whoever
asks tries whether somebody listens there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from badge_bridge.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from badge_bridge.store.protocol import Note

__all__ = ["CONSOLE", "HOOKS", "address", "announced"]

CONSOLE, HOOKS = "console/address", "hooks/address"
"""Of what: two notes."""

_MOST = 8
"""Addresses in a note; the oldest goes when there is one more."""

_TRIES = 10
_PATIENCE = 1.0
"""Seconds for a listener to take a connection."""


class _Notes(Protocol):
    """The part of the store that is needed; see `store/protocol.py`."""

    async def note(self, name: str) -> Note | None: ...
    async def write_note(self, name: str, text: str, *, version: int) -> bool: ...


@asynccontextmanager
async def announced(store: _Notes, url: str, *, of: str) -> AsyncIterator[None]:
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


async def address(store: _Notes, *, of: str) -> str:
    """Where somebody listens: of several the one that started last; empty where nobody does. An address of another
    machine, such as that of a proxy, is taken for good, since it may not be reached from here.

    Raises:
        StoreUnavailable: it cannot be read.
    """
    for url in reversed(_known(await store.note(of))):
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


async def _change(store: _Notes, of: str, change: Callable[[list[str]], list[str]]) -> None:
    for _ in range(_TRIES):
        note = await store.note(of)
        known = _known(note)
        changed = change(known)
        if changed == known:
            return
        if await store.write_note(of, "\n".join(changed), version=note.version if note else 0):
            return
    raise StoreUnavailable("an address of serve could not be written: others keep writing it")


def _known(note: Note | None) -> list[str]:
    return note.text.split() if note else []
