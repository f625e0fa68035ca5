"""Looks at each portal's call statistics, about once a minute, for calls whose event did not come.

One process at a time looks at a portal (`Store.hold`). A page of rows is stored before the watermark moves over it, so
that a crash between the two repeats a page and loses none. What the portal holds when it is seen for the first time is
history and stays it; so is a call that began longer than `OLDEST` ago, whatever the number of its row.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from badge_bridge.accepting import Accepting
from badge_bridge.backfill.notebook import Notebook, note_of
from badge_bridge.backfill.subject import Found, Subject
from badge_bridge.backfill.watermark import REST, Place, Refused, Watermark
from badge_bridge.errors import AccessRefused, CallRefused, NotFound, PortalError, PortalPaused, StoreUnavailable
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

__all__ = ["PAGES", "Backfill"]

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
    """Fetches for every portal of the rules file that has a source which takes what is found (`rulesfile.usage`).

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

    async def _look_at(self, subjects: Sequence[Subject]) -> int:
        return sum(await asyncio.gather(*(self._look(one) for one in subjects)))

    async def _look(self, subject: Subject) -> int:
        found = Found()
        try:
            if await subject.is_installed():
                subject.looked_at = self._clock()
                async with asyncio.timeout(BUDGET):
                    await self._read(subject, found)
        except TimeoutError:
            logger.info("portal %s: its call statistics take long, and are read on later", subject.name)
        except StoreUnavailable as error:
            logger.warning("portal %s: lost calls cannot be fetched now: %s", subject.name, error)
        except PortalError as error:
            # A portal that rests or fails is told of by its lanes, and is due again in a minute like any other.
            logger.debug("portal %s: lost calls cannot be fetched now: %s", subject.name, error)
        except Exception:
            # What runs for ever must not end for one page that nobody has foreseen.
            logger.exception("portal %s: fetching lost calls failed unexpectedly", subject.name)
        finally:
            if found.new or found.unreadable:
                name = subject.source.name
                log_fetched(portal=subject.name, source=name, new=found.new, unreadable=found.unreadable)
        return found.new

    async def _read(self, subject: Subject, found: Found) -> None:
        name = note_of(subject.name)
        if not await self._store.hold(name, holder=self._holder, now=self._clock(), seconds=HOLD):
            return
        notebook = Notebook(self._store, name)
        known = await notebook.read()
        credential = subject.portal.keyring.mark
        if known.rests(self._clock(), credential=credential):
            return
        try:
            if known.base is None:
                await self._see_first(subject, notebook)
            else:
                await self._read_on(subject, notebook, found)
        except PortalError as error:
            refusal = _refusal(error)
            if refusal is None:
                raise
            refused = Refused(why=refusal.code, credential=credential, until=self._clock() + REST)
            if not refused.repeats(known.refused):
                _tell_refused(subject, refusal)
            await notebook.write(notebook.known.model_copy(update={"refused": refused}))

    async def _see_first(self, subject: Subject, notebook: Notebook) -> None:
        newest = await newest_call(subject.portal.client)
        subject.taken.clear()
        if await notebook.write(Watermark.starting(_place(newest) if newest is not None else Place())):
            logger.info("portal %s: from now on calls whose event does not come are fetched", subject.name)

    async def _read_on(self, subject: Subject, notebook: Notebook, found: Found) -> None:
        for _ in range(PAGES):
            start = notebook.known.start
            page = await ended_calls(subject.portal.client, first=start.id)
            if start.id and not await self._goes_on(subject, start, page.calls):
                logger.warning(
                    "portal %s: the numbers of its calls are not those of before, so it counts as seen for the first "
                    "time: calls that it did not tell of before now are not fetched",
                    subject.name,
                )
                await self._see_first(subject, notebook)
                return
            calls = [call for call in page.calls if call.id > start.id]
            # A row that does not say how its call ended may be written to its end yet: it counts as missing.
            whole = [call for call in calls if call.columns.get("CALL_FAILED_CODE")]
            news = [call for call in whole if call.id not in subject.taken]
            await subject.take(self._accepting, news, found, now=self._clock())
            more = page.more and bool(calls)
            known = notebook.known.after(
                [_place(call) for call in whole],
                reached=_place(calls[-1]) if calls else start,
                now=self._clock(),
                more=more,
            )
            if not await notebook.write(known):
                return  # another process looks as well
            subject.taken.update(call.id for call in whole)
            subject.taken = {number for number in subject.taken if number > known.settled.id}
            if not more:
                return

    async def _goes_on(self, subject: Subject, start: Place, calls: Sequence[EndedCall]) -> bool:
        """Whether the numbers are still those of before: the last row that was read is the same one or, where it is
        gone, not the end of all. A portal that was restored counts anew, and another portal's number is another call.
        """
        if calls and calls[0].id == start.id:
            return calls[0].call_id == start.call
        newest = await newest_call(subject.portal.client)
        return newest is not None and newest.id >= start.id


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
