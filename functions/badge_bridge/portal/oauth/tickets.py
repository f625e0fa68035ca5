"""Texts that go through other hands and come back: who brings one was given it by us, lately, and for this.

    main.authorize.1767225600.6f1c0a....<mac>

The portal's name, what it is for, until when it is good (unix seconds) and a number used once, signed with a key that
is derived from ENCRYPTION_KEY. So any process can read what another one issued, and nothing has to be stored for links
that nobody follows.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["LIFETIME", "Purpose", "Ticket", "Tickets"]

Purpose = Literal["authorize", "test"]

LIFETIME = 600
"""Seconds that a ticket is good for: time to log in to Bitrix24, or for an event to pass through its queue."""

_LONGEST = 500
_DERIVED_FOR = b"badge-bridge: tickets"


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket that is genuine and not expired."""

    portal: str
    nonce: str
    expires: int


class Tickets:
    """Issues and reads the tickets of one portal. The first key signs, any of them is accepted."""

    def __init__(self, portal: str, keys: Sequence[str]) -> None:
        self._portal = portal
        self._keys = [hmac.digest(key.encode(), _DERIVED_FOR, hashlib.sha256) for key in keys]

    def issue(self, purpose: Purpose, *, nonce: str, now: float) -> str:
        """A ticket that is good for `LIFETIME`; `nonce` has letters, digits, - and _."""
        said = f"{self._portal}.{purpose}.{int(now) + LIFETIME}.{nonce}"
        return f"{said}.{_mac(self._keys[0], said)}"

    def read(self, text: str, purpose: Purpose, *, now: float) -> Ticket | None:
        """The ticket in a text; None where it is not ours, for another portal or purpose, or no longer good."""
        said, _, mac = text.rpartition(".")
        if len(text) > _LONGEST or not text.isascii():
            return None
        genuine = [hmac.compare_digest(_mac(key, said), mac) for key in self._keys]
        if not any(genuine):
            return None
        portal, meant, expires, nonce = said.split(".")
        if (portal, meant) != (self._portal, purpose) or not now < int(expires) <= now + LIFETIME:
            return None
        return Ticket(portal, nonce, int(expires))


def _mac(key: bytes, said: str) -> str:
    return base64.urlsafe_b64encode(hmac.digest(key, said.encode(), hashlib.sha256)).rstrip(b"=").decode("ascii")
