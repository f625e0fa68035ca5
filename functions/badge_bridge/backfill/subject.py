"""One portal whose lost calls are fetched: whether it can be asked, and what its rows mean for the bridge."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from badge_bridge.accepting import Accepting
from badge_bridge.backfill.found import Found
from badge_bridge.errors import AccessRefused, Impossible
from badge_bridge.portal import Portal
from badge_bridge.portal.codes import STATISTICS
from badge_bridge.portal.ended_calls import EndedCall
from badge_bridge.portal.oauth import OAuthKeyring
from badge_bridge.sources.base import Reading
from badge_bridge.store.clock import reached

if TYPE_CHECKING:
    from badge_bridge.sources.bitrix24 import Bitrix24

__all__ = ["EVERY", "OLDEST", "VERIFIED", "Subject"]

logger = logging.getLogger("badge_bridge.backfill")

EVERY = 60.0
"""Seconds between two looks at a portal."""

OLDEST = 7 * 86400.0
"""Seconds. Nobody is helped by a badge for a call that was missed longer ago."""

VERIFIED = f"fetched from the portal: {STATISTICS}"


@dataclass(slots=True)
class Subject:
    """A portal, the source that its calls are events of, and what this process knows of it.

    `domain` is the portal's host.
    """

    portal: Portal
    source: Bitrix24
    domain: str
    looked_at: float | None = None
    """When this process has looked last, in unix seconds."""
    taken: set[int] = field(default_factory=set)
    """Rows above the watermark that are stored, so that they need not be offered again while a gap is waited for."""

    @property
    def name(self) -> str:
        return self.portal.name

    def is_due(self, now: float) -> bool:
        """Whether this process has not looked for so long, by a clock that says `now`."""
        return self.looked_at is None or reached(self.looked_at + EVERY, now=now, longest=EVERY)

    async def locked_out(self) -> AccessRefused | None:
        """Why there is no credential; None where there is one. Without one every call would pause the portal, and
        everybody knows already.

        Raises:
            StoreUnavailable: it cannot be read.
        """
        keyring = self.portal.keyring
        if not isinstance(keyring, OAuthKeyring):
            return None
        try:
            if keyring.grant is None:
                await keyring.look()
            keyring.installed()
        except AccessRefused as error:
            return error
        return None

    async def take(self, accepting: Accepting, calls: Sequence[EndedCall], found: Found, *, now: float) -> None:
        """Offer calls to the store, which knows those whose event has come.

        Raises:
            StoreUnavailable: nothing was stored.
        """
        readings = list(self._read(calls, found, now).values())
        if not readings:
            return
        try:
            found.new += await accepting.take(readings, verified=VERIFIED, at=now)
        except Impossible:
            # One of them cannot be written down; the others must not wait for it for ever.
            for reading in readings:
                await self._take_alone(accepting, reading, found, now)

    async def _take_alone(self, accepting: Accepting, reading: Reading, found: Found, now: float) -> None:
        try:
            found.new += await accepting.take([reading], verified=VERIFIED, at=now)
        except Impossible as error:
            found.unreadable += 1
            logger.debug("portal %s: call %s: %s", self.name, reading.event.id, error)

    def _read(self, calls: Sequence[EndedCall], found: Found, now: float) -> dict[str, Reading]:
        """Each call once, by its id; those that are too old are left out."""
        readings: dict[str, Reading] = {}
        for call in calls:
            try:
                one = self.source.read_row(call.columns, member_id=self._member_id, domain=self.domain, at=now)
            except Impossible as error:
                found.unreadable += 1
                logger.debug("portal %s: row %d of its calls: %s", self.name, call.id, error)
                continue
            if now - one.event.time.timestamp() > OLDEST:
                found.old += 1
                continue
            readings.setdefault(one.event.id, one)
        return readings

    @property
    def _member_id(self) -> str:
        keyring = self.portal.keyring
        grant = keyring.grant if isinstance(keyring, OAuthKeyring) else None
        return self.source.options.member_id or (grant.member_id if grant is not None else "")
