"""The gate before a portal: a call passes while its lanes are open, and an error may pause one.

A paused lane is written to the store, so that every process respects it. When a pause is over, one caller becomes the
probe and the others go on waiting; what becomes of the probe ends the pause or lengthens it. Nothing is written while
all goes well.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from badge_bridge.errors import OutcomeUnknown, PortalError, PortalPaused, PortalUnreachable, StoreUnavailable
from badge_bridge.portal.pausing import Reach, pause_length, reach

__all__ = ["Lanes", "OutcomeUnknownAndPaused", "Passage", "Pause", "Pauses", "lane_of"]

logger = logging.getLogger("badge_bridge.portal")

PROBE_HOLD = 75.0
"""Seconds that a probe may take before another caller may try: longer than the longest call."""


class Pause(Protocol):
    """A paused lane as the store keeps it; `until` is in unix seconds, `failures` counts probes failed in a row."""

    @property
    def lane(self) -> str: ...
    @property
    def until(self) -> float: ...
    @property
    def failures(self) -> int: ...
    @property
    def reason(self) -> str: ...


class Pauses(Protocol):
    """The part of the store that the gate needs; see `store/protocol.py` for what each method promises."""

    async def pause(self, lane: str, *, until: float, reason: str) -> Pause: ...
    async def paused(self, lanes: Sequence[str]) -> Sequence[Pause]: ...
    async def probe(self, lane: str, *, now: float, hold: float) -> bool: ...
    async def resume(self, lane: str) -> bool: ...


class OutcomeUnknownAndPaused(PortalPaused, OutcomeUnknown):
    """The call was sent and may have been carried out, and so many were lost that its lane is paused now.

    It waits like any `PortalPaused`, and must be looked up before it is sent again like any `OutcomeUnknown`.
    """


@dataclass(frozen=True, slots=True)
class Passage:
    """The permission to send one call; `probing` names what it is the probe of."""

    method: str
    probing: frozenset[Reach] = frozenset()


def lane_of(portal: str, method: str, reached: Reach) -> str:
    return portal if reached == "portal" else f"{portal}/{method}"


class Lanes:
    """The lanes of one portal. `clock` returns unix seconds, `random` a float in [0, 1)."""

    def __init__(self, portal: str, pauses: Pauses, *, clock: Callable[[], float], random: Callable[[], float]) -> None:
        self._portal = portal
        self._pauses = pauses
        self._clock = clock
        self._random = random
        self._unknown_in_a_row = 0
        self._reset_at: dict[str, float] = {}
        self._pausing = asyncio.Lock()

    async def enter(self, method: str) -> Passage:
        """Let a call pass, as the probe where a pause has just ended.

        Raises:
            PortalPaused: a lane of the method is paused, or another call probes it now.
            StoreUnavailable: nobody knows whether a lane is paused.
        """
        now = self._clock()
        pauses = await self._paused(method)
        for reached, pause in pauses:
            if pause.until > now:
                raise self._closed(method, lane_of(self._portal, method, reached), pause.until, pause.reason)
        for reached, pause in pauses:
            lane = lane_of(self._portal, method, reached)
            if not await self._pauses.probe(lane, now=now, hold=PROBE_HOLD):
                waits = f"another call tries whether it is usable again after: {pause.reason}"
                raise self._closed(method, lane, now + PROBE_HOLD, waits)
        return Passage(method, frozenset(reached for reached, _ in pauses))

    async def passed(self, passage: Passage, operating_reset_at: float | None) -> None:
        """A call succeeded: what it probed is usable again."""
        self._unknown_in_a_row = 0
        if operating_reset_at is not None:
            self._reset_at[passage.method] = operating_reset_at
        try:
            await self._resume(passage, passage.probing)
        except StoreUnavailable as error:
            # The call was carried out, which must not get lost; its lane is probed once more later.
            logger.warning("portal %s: the end of a pause could not be stored: %s", self._portal, error)

    async def failed(self, passage: Passage, error: PortalError) -> PortalError:
        """Pause what `error` tells of; `error` itself, or where a lane is paused now, the one to raise from it."""
        self._count(error)
        reached = reach(error, unknown_in_a_row=self._unknown_in_a_row, probing=passage.probing)
        try:
            await self._resume(passage, _proven(passage, error, reached))
            if reached is None:
                return error
            until = await self._pause(passage, error, reached)
        except StoreUnavailable as unavailable:
            logger.warning("portal %s: a pause could not be stored: %s", self._portal, unavailable)
            return error
        return self._waiting(error, lane_of(self._portal, passage.method, reached), until)

    def _count(self, error: PortalError) -> None:
        if isinstance(error, OutcomeUnknown):
            self._unknown_in_a_row += 1
        elif not isinstance(error, PortalUnreachable):
            self._unknown_in_a_row = 0

    async def _paused(self, method: str) -> list[tuple[Reach, Pause]]:
        """The pauses of a method, the narrow one first: a portal must not be held for a probe that is then refused."""
        lanes: dict[str, Reach] = {lane_of(self._portal, method, reached): reached for reached in ("method", "portal")}
        found = {pause.lane: pause for pause in await self._pauses.paused(list(lanes))}
        return [(reached, found[lane]) for lane, reached in lanes.items() if lane in found]

    async def _resume(self, passage: Passage, proven: frozenset[Reach]) -> None:
        for reached in proven:
            lane = lane_of(self._portal, passage.method, reached)
            if await self._pauses.resume(lane):
                logger.info("portal %s: lane %s is open again", self._portal, lane)

    async def _pause(self, passage: Passage, error: PortalError, reached: Reach) -> float:
        """Pause a lane, once for all calls that were under way together; until when it is paused."""
        lane = lane_of(self._portal, passage.method, reached)
        async with self._pausing:
            now = self._clock()
            current = next(iter(await self._pauses.paused([lane])), None)
            running = current is not None and current.until > now
            length = pause_length(
                error,
                failures=0 if current is None or running else current.failures,
                now=now,
                operating_reset_at=self._reset_at.get(passage.method),
                random=self._random(),
            )
            # A call that was under way when the lane was paused tells nothing new, unless it asks for far longer.
            if current is not None and running and current.until - now >= length / 2:
                return current.until
            await self._pauses.pause(lane, until=now + length, reason=str(error))
        level = logging.ERROR if error.code.casefold() == "overload_limit" else logging.WARNING
        logger.log(level, "portal %s: lane %s is paused for %.0f s: %s", self._portal, lane, length, error)
        return now + length

    def _waiting(self, error: PortalError, lane: str, until: float) -> PortalPaused:
        kind = OutcomeUnknownAndPaused if isinstance(error, OutcomeUnknown) else PortalPaused
        message = f"{error} [{lane} is paused until {_moment(until)}]"
        waiting = kind(message, portal=self._portal, method=error.method, lane=lane, until=until)
        waiting.code, waiting.status = error.code, error.status
        return waiting

    def _closed(self, method: str, lane: str, until: float, reason: str) -> PortalPaused:
        return PortalPaused(
            f"portal {self._portal}: {method} waits, {lane} is paused until {_moment(until)}: {reason}",
            portal=self._portal,
            method=method,
            lane=lane,
            until=until,
        )


def _proven(passage: Passage, error: PortalError, reached: Reach | None) -> frozenset[Reach]:
    """What a failed probe has shown to be usable all the same.

    Any answer shows that the portal is; and a method whose call was refused for the call's own sake is usable, too.
    """
    if isinstance(error, OutcomeUnknown | PortalUnreachable) or reached == "portal":
        return frozenset()
    return passage.probing - {reached}


def _moment(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
