"""Links that let an operator into the console of `serve`: each is good once, and for ten minutes.

Who may write to the store may issue one: `badge-bridge console` beside a running `serve`, as the same user. What
is stored is the hash of each link's ticket, in a note, and taking it out of there is what makes the link used, so that
of two who follow it one gets in. A copy of the store gives nobody a ticket.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable
from typing import Protocol

from badge_bridge.errors import StoreUnavailable
from badge_bridge.store.protocol import Note

__all__ = ["LIFETIME", "MOST", "issue", "redeem"]

LIFETIME = 600
"""Seconds that a link is good for."""

MOST = 16
"""Links that are good at the same time; the oldest goes when there is one more."""

_LINKS = "console/links"
_TRIES = 10


class Notes(Protocol):
    """The part of the store that is needed; see `store/protocol.py`."""

    async def note(self, name: str) -> Note | None: ...
    async def write_note(self, name: str, text: str, *, version: int) -> bool: ...


async def issue(store: Notes, *, now: float, new_ticket: Callable[[], str] = lambda: secrets.token_urlsafe(32)) -> str:
    """The ticket of a new link, durably; `now` is in unix seconds.

    Raises:
        StoreUnavailable: it cannot be written.
    """
    ticket = new_ticket()

    def add(links: dict[str, float]) -> None:
        links[_hash(ticket)] = now + LIFETIME

    await _change(store, now, add)
    return ticket


async def redeem(store: Notes, ticket: str, *, now: float) -> bool:
    """Use a ticket up; whether it was good.

    Raises:
        StoreUnavailable: it cannot be read or written.
    """
    wanted, was_good = _hash(ticket), False

    def take_out(links: dict[str, float]) -> None:
        nonlocal was_good
        was_good = links.pop(wanted, None) is not None

    await _change(store, now, take_out)
    return was_good


async def _change(store: Notes, now: float, change: Callable[[dict[str, float]], None]) -> None:
    for _ in range(_TRIES):
        note = await store.note(_LINKS)
        links = _good(note.text, now) if note else {}
        before = dict(links)
        change(links)
        if links == before:
            return
        latest = sorted(links.items(), key=lambda link: link[1])[-MOST:]
        if await store.write_note(_LINKS, json.dumps(dict(latest)), version=note.version if note else 0):
            return
    raise StoreUnavailable("the links to the console could not be written: others keep writing them")


def _good(text: str, now: float) -> dict[str, float]:
    # A moment further ahead than a link lasts was written by a clock that has been set back since.
    return {ticket: until for ticket, until in json.loads(text).items() if now < until <= now + LIFETIME}


def _hash(ticket: str) -> str:
    return hashlib.sha256(ticket.encode("utf-8", "surrogatepass")).hexdigest()
