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

from badge_bridge.errors import StoreUnavailable
from badge_bridge.noted import Notes, change_note

__all__ = ["LIFETIME", "MOST", "issue", "redeem"]

LIFETIME = 600
"""Seconds that a link is good for."""

MOST = 16
"""Links that are good at the same time; the oldest goes when there is one more."""

_LINKS = "console/links"


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
    def changed(text: str) -> str:
        links = _good(text, now) if text else {}
        before = dict(links)
        change(links)
        return text if links == before else json.dumps(dict(sorted(links.items(), key=lambda link: link[1])[-MOST:]))

    if not await change_note(store, _LINKS, changed):
        raise StoreUnavailable("the links to the console could not be written: others keep writing them")


def _good(text: str, now: float) -> dict[str, float]:
    # A moment further ahead than a link lasts was written by a clock that has been set back since.
    return {ticket: until for ticket, until in json.loads(text).items() if now < until <= now + LIFETIME}


def _hash(ticket: str) -> str:
    return hashlib.sha256(ticket.encode("utf-8", "surrogatepass")).hexdigest()
