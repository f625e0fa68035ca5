"""Looks at each portal's call statistics, about once a minute, for calls whose event did not come.

One process at a time looks at a portal (`Store.hold`). A page of rows is stored before the watermark moves over it, so
that a crash between the two repeats a page and loses none. What the portal holds when it is seen for the first time is
history and stays it; so is a call that began longer than `OLDEST` ago, whatever the number of its row.

`Backfill.catch_up` makes the same looks one after the other, for somebody who waits for them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from badge_bridge.accepting import Accepting
from badge_bridge.backfill.found import Course, Found, Told
from badge_bridge.backfill.notebook import Notebook, note_of
from badge_bridge.backfill.subject import Subject
from badge_bridge.backfill.watermark import REST, Place, Refused, Watermark
from badge_bridge.errors import (
    AccessRefused,
    BridgeError,
    CallRefused,
    NotFound,
    PortalError,
    PortalPaused,
    StoreUnavailable,
)
from badge_bridge.observability.backfill_line import log_fetched
from badge_bridge.portal import Portal
from badge_bridge.portal.ended_calls import EndedCall, ended_calls, newest_call
from badge_bridge.portal_address import host_of
from badge_bridge.rulesfile import RulesFile
from badge_bridge.rulesfile.usage import fetching
from badge_bridge.sources.base import Source
from badge_bridge.store.protocol import Store

if TYPE_CHECKING:
    from badge_bridge.sources.bitrix24 import Bitrix24

__all__ = ["BUDGET", "PAGES", "Backfill"]

logger = logging.getLogger("badge_bridge.backfill")

HOLD = 50.0
"""Seconds for which nobody else looks: less than `subject.EVERY`, so that a look is not left out for a clock's sake."""

BUDGET = 40.0
"""Seconds that a look takes at most."""

PAGES = 20
"""Pages of 50 rows that a look reads at most; the next one goes on there. Less than half of what a portal takes at once
(Bitrix24 docs, "Limits"), so that catching up after a long absence holds no event up."""

_TICK = 5.0
"""Seconds between two looks at whether a portal is due, or installed by now."""


class Backfill:
    """Fetches for each of the `portals` that has a source which takes what is found (`rulesfile.usage`).

    `clock` returns unix seconds, `holder` names this process in the store and no other.
    """

    def __init__(
        self,
        *,
        rules: RulesFile,
        sources: Mapping[str, Source[Any]],
        portals: Mapping[str, Portal],
        accepting: Accepting,
        store: Store,
        clock: Callable[[], float],
        holder: str,
    ) -> None:
        self._accepting = accepting
        self._store = store
        self._clock = clock
        self._holder = holder
        self._subjects = []
        for name, wanted in fetching(rules).items():
            if name not in portals:
                continue
            if wanted.source:
                # By name and not by type: the provider's module is imported only where the rules name it.
                source = cast("Bitrix24", sources[wanted.source])
                self._subjects.append(Subject(portals[name], source, host_of(rules.portals[name].url)))
            elif wanted.is_undecided:
                logger.warning("portal %s: lost calls are not fetched: %s", name, wanted.why_not)

    async def run(self) -> None:
        """Look at each portal when it is due, for ever."""
        while self._subjects:
            now = self._clock()
            await self._look_at([one for one in self._subjects if one.is_due(now)])
            await asyncio.sleep(_TICK)

    async def fetch(self) -> int:
        """Look at every portal now; how many calls were new. Raises nothing of ours: what fails is tried again."""
        return await self._look_at(self._subjects)

    async def catch_up(self, portal: str, told: Told) -> Found:
        """Read one portal's statistics to their end, for somebody who asks for it: look by look, each of which is
        bounded as all are, and in spite of a refusal of a short time ago.

        Whoever cancels it loses nothing; the next look goes on where it was. Raises nothing of ours: `Found` says what
        has failed.
        """
        subject = next(one for one in self._subjects if one.name == portal)
        course, came = Course(told), Found(more=True)
        try:
            while came.more and not came.has_failed:
                came.add(await self._look(subject, course))
        finally:
            with suppress(StoreUnavailable):  # they end by themselves
                for name in (note_of(portal), _asked_for(portal)):
                    await self._store.let_go(name, holder=self._holder)
        return came

    async def _look_at(self, subjects: Sequence[Subject]) -> int:
        return sum(found.new for found in await asyncio.gather(*(self._look(one) for one in subjects)))

    async def _look(self, subject: Subject, course: Course | None = None) -> Found:
        """One look; `course` hears how far it is, and is there where somebody has asked for it."""
        found = Found()
        try:
            found.error = await subject.locked_out()
            if found.error is None:
                subject.looked_at = self._clock()
                async with asyncio.timeout(BUDGET):
                    await self._read(subject, found, course)
        except TimeoutError:
            logger.info("portal %s: its call statistics take long, and are read on later", subject.name)
            found.more = True
            if not found.read:
                found.error = BridgeError(f"portal {subject.name}: nothing of its calls came within {BUDGET:g} s")
        except StoreUnavailable as error:
            logger.warning("portal %s: lost calls cannot be fetched now: %s", subject.name, error)
            found.error = error
        except PortalError as error:
            # A portal that rests or fails is told of by its lanes, and is due again in a minute like any other.
            logger.debug("portal %s: lost calls cannot be fetched now: %s", subject.name, error)
            found.error = error
        except Exception:
            # What runs for ever must not end for one page that nobody has foreseen.
            logger.exception("portal %s: fetching lost calls failed unexpectedly", subject.name)
            found.error = BridgeError(f"portal {subject.name}: fetching lost calls failed unexpectedly")
        finally:
            if found.new or found.unreadable:
                name = subject.source.name
                log_fetched(portal=subject.name, source=name, new=found.new, unreadable=found.unreadable)
        return found

    async def _may_look(self, subject: Subject, *, asked: bool) -> bool:
        """Whether it is this process's turn. Whoever looks by himself keeps his turn for most of a minute, though his
        look is over in a moment mostly. So who was asked takes it where it is free, and else does without: two who read
        the same pages lose nothing. Only another who was asked is left alone.
        """
        now = self._clock()
        has_turn = await self._store.hold(note_of(subject.name), holder=self._holder, now=now, seconds=HOLD)
        if not asked:
            return has_turn
        return await self._store.hold(_asked_for(subject.name), holder=self._holder, now=now, seconds=HOLD)

    async def _read(self, subject: Subject, found: Found, course: Course | None) -> None:
        if not await self._may_look(subject, asked=course is not None):
            found.elsewhere = True
            return
        notebook = Notebook(self._store, note_of(subject.name))
        known = await notebook.read()
        credential = subject.portal.keyring.mark
        if course is None and known.rests(self._clock(), credential=credential):
            return
        try:
            if known.base is None:
                await self._see_first(subject, notebook, found)
            else:
                await self._read_on(subject, notebook, found, course)
        except PortalError as error:
            found.refused = _refusal(error)
            if found.refused is None:
                raise
            if course is not None:
                return  # who has asked is told; who looks by himself finds out, and tells of it in the log
            refused = Refused(why=found.refused.code, credential=credential, until=self._clock() + REST)
            if not refused.repeats(known.refused):
                _tell_refused(subject, found.refused)
            await notebook.write(notebook.known.model_copy(update={"refused": refused}))

    async def _see_first(self, subject: Subject, notebook: Notebook, found: Found, *, anew: bool = False) -> None:
        newest = await newest_call(subject.portal.client)
        subject.taken.clear()
        found.begins, found.more = "anew" if anew else "first", False
        if await notebook.write(Watermark.starting(_place(newest) if newest is not None else Place())):
            logger.info("portal %s: from now on calls whose event does not come are fetched", subject.name)

    async def _read_on(self, subject: Subject, notebook: Notebook, found: Found, course: Course | None) -> None:
        for _ in range(PAGES):
            start = notebook.known.start
            page = await ended_calls(subject.portal.client, first=start.id)
            if start.id and not await self._goes_on(subject, start, page.calls):
                logger.warning(
                    "portal %s: the numbers of its calls are not those of before, so it counts as seen for the first "
                    "time: calls that it did not tell of before now are not fetched",
                    subject.name,
                )
                await self._see_first(subject, notebook, found, anew=True)
                return
            calls = [call for call in page.calls if call.id > start.id]
            # A row that does not say how its call ended may be written to its end yet: it counts as missing.
            whole = [call for call in calls if call.columns.get("CALL_FAILED_CODE")]
            news = [call for call in whole if call.id not in subject.taken]
            await subject.take(self._accepting, news, found, now=self._clock())
            found.read += len(news)
            found.more = more = page.more and bool(calls)
            known = notebook.known.after(
                [_place(call) for call in whole],
                reached=_place(calls[-1]) if calls else start,
                now=self._clock(),
                more=more,
            )
            if not await notebook.write(known):
                found.more = True
                return  # another process looks as well
            subject.taken.update(call.id for call in whole)
            subject.taken = {number for number in subject.taken if number > known.settled.id}
            if course is not None:
                last = calls[-1].id if calls else start.id
                await course.reached(last, subject.portal.client, begun=start.id, more=more)
            if not more:
                return

    async def _goes_on(self, subject: Subject, start: Place, calls: Sequence[EndedCall]) -> bool:
        """Whether the numbers are still those of before: the last row that was read is the same one or, where it is
        gone, not the end of all. A portal that was restored counts anew, and another portal's number is another call.
        Where the call of that row was erased, the row with its number counts as the same one.
        """
        if calls and calls[0].id == start.id:
            return start.call in ("", calls[0].call_id)
        newest = await newest_call(subject.portal.client)
        return newest is not None and newest.id >= start.id


def _asked_for(portal: str) -> str:
    """The name of the hold of who reads a portal's calls because he was asked to."""
    return f"fetch/{portal}"


def _place(call: EndedCall) -> Place:
    return Place(id=call.id, call=call.call_id)


def _refusal(error: PortalError) -> PortalError | None:
    """The refusal of this very method that an error is or tells of; None where it tells of the portal, or of nothing
    that lasts.
    """
    reason = error
    if isinstance(error, PortalPaused):
        if error.lane == error.portal or not isinstance(error.__cause__, PortalError):
            return None
        reason = error.__cause__
    return reason if isinstance(reason, AccessRefused | CallRefused | NotFound) else None


def _tell_refused(subject: Subject, refusal: PortalError) -> None:
    logger.warning(
        "calls that the portal does not tell of cannot be fetched, and are lost: %s (asked again within an hour; "
        "backfill: false at source %s ends this)",
        refusal,
        subject.source.name,
    )
