"""Deleting what the rules file does not keep any longer, a little at a time, beside everything else.

Only what has ended is deleted (`Store.forget`). Of each event a hash stays, by which an old delivery that is
sent again is known, for as long as the rules file has its source. What is over is decided by the time that has passed
for certain (`certain_time`), and not by a clock that may have jumped.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from badge_bridge.archive import drop_unused
from badge_bridge.certain_time import NOTE, CertainTime
from badge_bridge.doubts import loop_time
from badge_bridge.errors import StoreUnavailable
from badge_bridge.observability.retention_line import log_deleted
from badge_bridge.rulesfile import RulesFile
from badge_bridge.store.clock import reached
from badge_bridge.store.protocol import Store

__all__ = ["EVERY", "PORTION", "Deleted", "Retention"]

logger = logging.getLogger("badge_bridge.retention")

EVERY = 600.0
"""Seconds between two looks, whoever takes them."""

PORTION = 100
"""Events that are deleted together. What comes in meanwhile waits for them, a few milliseconds."""

PAUSE = 0.05
"""Seconds between two portions, for everybody else."""

_HASHES = 1_000
"""Hashes of a source that is gone which are dropped together."""

_TICK = 5.0
"""Seconds between two looks at whether one is due."""

_NAME = "retention"


@dataclass(slots=True)
class Deleted:
    """What a look has come to."""

    events: int = 0
    hashes: int = 0
    """Of events of sources that the rules file does not have any more."""
    rules: int = 0
    """Rules files of before that no event refers to any more."""
    more: bool = False
    """There was no time for all; the next look goes on."""


class Retention:
    """One process at a time deletes (`Store.hold`).

    `clock` returns unix seconds, `steady` seconds that only ever pass, `new_holder` a name that nobody else has.
    """

    def __init__(
        self,
        *,
        rules: RulesFile,
        store: Store,
        clock: Callable[[], float],
        steady: Callable[[], float] = loop_time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        new_holder: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        self._rules = rules
        self._store = store
        self._clock = clock
        self._steady = steady
        self._sleep = sleep
        self._new_holder = new_holder
        self._looked_at: float | None = None
        self._counted = steady()
        """Until when the steady clock was counted by."""

    async def run(self) -> None:
        """Look whenever it is time, for ever."""
        while True:
            await self.look()
            await self._sleep(_TICK)

    async def look(self, seconds: float = float("inf")) -> Deleted:
        """Delete what is over, within so many seconds; nothing where somebody has looked a short time ago.

        Raises nothing of ours: what fails is tried again with the next look.
        """
        deleted = Deleted()
        now = self._clock()
        if self._looked_at is not None and not reached(self._looked_at + EVERY, now=now, longest=EVERY):
            return deleted
        self._looked_at = now
        try:
            # Under a name of its own each time, so that nobody's turn is lengthened, and kept until it runs out.
            holder = self._new_holder()
            if not await self._store.hold(_NAME, holder=holder, now=now, seconds=EVERY):
                return deleted
            certain = await self._certain_time(now)
            if certain is None:
                return deleted
            await self._delete(deleted, certain, asyncio.get_running_loop().time() + seconds)
            if deleted.more:
                self._looked_at = None
                await self._store.let_go(_NAME, holder=holder)
        except StoreUnavailable as error:
            logger.warning("what is over cannot be deleted now: %s", error)
        except Exception:
            # What runs for ever must not end for one event that nobody has foreseen.
            logger.exception("deleting what is over failed unexpectedly")
        finally:
            if deleted.events or deleted.hashes or deleted.rules:
                log_deleted(events=deleted.events, hashes=deleted.hashes, rules=deleted.rules, more=deleted.more)
        return deleted

    async def _certain_time(self, now: float) -> float | None:
        """By what is deleted, in unix seconds; None where another process has a clock of its own and looks just now."""
        if self._rules.retention is None:
            return now
        note = await self._store.note(NOTE)
        before = CertainTime.parse(note.text) if note else None
        if before is None:
            before = CertainTime.beginning(await self._newest(), now=now)
        counted = self._steady()
        passed, self._counted = counted - self._counted, counted
        certain = before.after(passed, now=now)
        if not await self._store.write_note(NOTE, certain.model_dump_json(), version=note.version if note else 0):
            return None
        if certain.is_doubted and not (before.is_doubted and certain.agreed):
            logger.warning("retention: %s", certain)
        return certain.known

    async def _newest(self) -> float | None:
        """When the newest event was received."""
        newest = (await self._store.list(limit=1)).events
        return newest[0].received_at if newest else None

    async def _delete(self, deleted: Deleted, now: float, end: float) -> None:
        if self._rules.retention is not None:
            before = now - self._rules.retention
            while await self._goes_on(deleted, end):
                forgotten = await self._store.forget(before=before, limit=PORTION)
                deleted.events += forgotten.events
                if not forgotten.more:
                    break
            if not deleted.more:
                deleted.rules = await drop_unused(self._store, self._rules, now=now, kept=self._rules.retention)
        gone = [source for source in await self._store.remembered() if source not in self._rules.sources]
        for source in gone:
            while await self._goes_on(deleted, end):
                dropped = await self._store.drop(source, limit=_HASHES)
                deleted.hashes += dropped
                if not dropped:
                    break

    async def _goes_on(self, deleted: Deleted, end: float) -> bool:
        """Whether there is time for another portion. The deliveries that came in meanwhile go first."""
        deleted.more = asyncio.get_running_loop().time() >= end
        if not deleted.more:
            await self._sleep(PAUSE)
        return not deleted.more
