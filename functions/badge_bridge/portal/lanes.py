"""The gate before a portal: a call passes while its lanes are open, and an error may pause one.

A paused lane is written to the store, so that every process respects it. When a pause is over, the lane is half open:
one caller becomes the probe and the others go on waiting; what becomes of the probe ends the pause or lengthens it.
Nothing is written while all goes well.

Every call passes the lane of its portal. So where that is half open, holding the portal's probe is enough to be alone,
and the method's is left alone: a call holds one probe or none. It holds it from its turn until its end:

- proven (a success, or a refusal for the call's own sake): the lanes that it probed are resumed;
- refused or lost: the lane that the error tells of is paused, which ends the hold on it; where that is the portal and
  the method's probe was held, the method rests until the same moment, which ends that hold;
- neither, because the process died, the call was cancelled or the store could not be written: nobody can say so, and
  the hold ends by itself after `PROBE_HOLD`.

A pause for a refused credential belongs to that credential: `start` ends it where another one is in use by now.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from badge_bridge.errors import (
    OutcomeUnknown,
    OutcomeUnknownAndPaused,
    PortalError,
    PortalPaused,
    PortalUnreachable,
    StoreUnavailable,
)
from badge_bridge.portal.keyring import Keyring
from badge_bridge.portal.pausing import Reach, pause_length, reach
from badge_bridge.portal.reasons import parse, reason_of
from badge_bridge.portal.wire import DEADLINE

__all__ = ["Lanes", "Passage", "Pause", "Pauses", "lane_of"]

logger = logging.getLogger("badge_bridge.portal")

PROBE_HOLD = DEADLINE + 15.0
"""Seconds after which a probe that was not heard of again has vanished: longer than the longest request takes. One that
is sent again may take longer; then two probe the lane, which does no harm."""


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


@dataclass(frozen=True, slots=True)
class Passage:
    """The permission to send one call.

    `probing` names the half-open lanes that it proves; `begun` is how many pauses this process had begun when it was
    given.
    """

    method: str
    probing: frozenset[Reach] = frozenset()
    begun: int = 0

    @property
    def held(self) -> Reach | None:
        """The lane whose probe the call holds once it has set out: the widest of those that it proves."""
        if "portal" in self.probing:
            return "portal"
        return "method" if self.probing else None


def lane_of(portal: str, method: str, reached: Reach) -> str:
    return portal if reached == "portal" else f"{portal}/{method}"


class Lanes:
    """The lanes of one portal.

    The mark of `keyring` tells its credential from others; `clock` returns unix seconds, `random` a float in [0, 1).
    The log does not tell of pauses that are `passing`: they end with this process, and nobody else rests for them.
    """

    def __init__(
        self,
        portal: str,
        pauses: Pauses,
        *,
        keyring: Keyring,
        clock: Callable[[], float],
        random: Callable[[], float],
        passing: bool = False,
    ) -> None:
        self._portal = portal
        self._pauses = pauses
        self._keyring = keyring
        self._clock = clock
        self._random = random
        self._passing = passing
        self._unknown_in_a_row = 0
        self._reset_at: dict[str, float] = {}
        self._rests_until: dict[str, float] = {}
        """By lane, as this process has said in the log."""
        self._pausing = asyncio.Lock()
        self._begun = 0

    async def start(self, methods: Collection[str]) -> None:
        """Open the lanes that are paused because of another credential than this one; say which others are paused.

        `methods` are those whose lanes are looked at, besides the portal's own.

        Raises:
            StoreUnavailable: nobody knows whether a lane is paused.
        """
        now = self._clock()
        lanes = [self._portal, *(lane_of(self._portal, method, "method") for method in methods)]
        for pause in await self._pauses.paused(lanes):
            reason = parse(pause.reason)
            if reason.refused and reason.refused != self._keyring.mark:
                await self._open(pause.lane, ": the credential has changed since it was refused")
            elif pause.until > now:
                self._rests_until[pause.lane] = pause.until
                logger.warning(
                    "portal %s: lane %s is still paused until %s: %s",
                    self._portal,
                    pause.lane,
                    _moment(pause.until),
                    reason.message,
                )

    async def enter(self, method: str) -> Passage:
        """Let a call wait for its turn.

        Raises:
            PortalPaused: a lane of the method is paused.
            StoreUnavailable: nobody knows whether a lane is paused.
        """
        begun = self._begun
        half_open = await self._half_open(method, self._clock())
        return Passage(method, frozenset(half_open), begun)

    async def set_out(self, passage: Passage) -> Passage:
        """Let a call go whose turn has come, as the probe where a pause has ended.

        It looks again where it is to be a probe, or where this process began a pause since. A probe is held from here
        on and not while it waits: how long that takes has no bound.

        Raises:
            PortalPaused: a lane of the method is paused, or another call probes it now.
            StoreUnavailable: nobody knows whether a lane is paused.
        """
        if not passage.probing and passage.begun == self._begun:
            return passage
        now, begun = self._clock(), self._begun
        half_open = await self._half_open(passage.method, now)
        going = Passage(passage.method, frozenset(half_open), begun)
        if going.held is not None:
            lane = lane_of(self._portal, going.method, going.held)
            if not await self._pauses.probe(lane, now=now, hold=PROBE_HOLD):
                code = parse(half_open[going.held].reason).code
                waits = f"another call tries whether it is usable again after {code}"
                raise self._closed(going.method, lane, now + PROBE_HOLD, waits)
            self._tell_if_early(lane, now)
        return going

    def _tell_if_early(self, lane: str, now: float) -> None:
        """The log says until when a lane rests; so it says as well why it is tried before that."""
        until = self._rests_until.pop(lane, now)
        if until > now:
            logger.warning(
                "portal %s: lane %s is tried %.0f s early: its pause was ended by hand, or the clock was set back",
                self._portal,
                lane,
                until - now,
            )

    async def passed(self, passage: Passage, operating_reset_at: float | None) -> None:
        """A call succeeded: what it probed is usable again."""
        self._unknown_in_a_row = 0
        if operating_reset_at is not None:
            self._reset_at[passage.method] = operating_reset_at
        try:
            await self._resume(passage, passage.probing)
        except StoreUnavailable as error:
            # The call was carried out, which must not get lost; its lane is probed once more when the hold is over.
            logger.warning("portal %s: the end of a pause could not be stored: %s", self._portal, error)

    async def failed(self, passage: Passage, error: PortalError, *, counts: bool = True) -> PortalError:
        """Pause what `error` tells of; `error` itself, or where a lane is paused now, the one to raise from it.

        Where one request failed with many commands in it, only the first of their errors `counts`: a request without an
        answer is one call that was lost, not fifty.
        """
        if counts:
            self._count(error)
        reached = reach(error, unknown_in_a_row=self._unknown_in_a_row, probing=passage.probing)
        try:
            await self._resume(passage, _proven(passage, error, reached))
            if reached is None:
                return error
            until = await self._pause(passage, error, reached)
            if reached == "portal" and passage.held == "method":
                await self._rest(lane_of(self._portal, passage.method, "method"), until)
        except StoreUnavailable as unavailable:
            logger.warning("portal %s: a pause could not be stored: %s", self._portal, unavailable)
            return error
        return self._waiting(error, lane_of(self._portal, passage.method, reached), until)

    def _count(self, error: PortalError) -> None:
        if isinstance(error, OutcomeUnknown):
            self._unknown_in_a_row += 1
        elif not isinstance(error, PortalUnreachable):
            self._unknown_in_a_row = 0

    async def _half_open(self, method: str, now: float) -> dict[Reach, Pause]:
        """The lanes of a method whose pause is over, but which nobody has proven since.

        The narrow lane comes first. Where both are paused, a call that waited for the portal would only be woken to
        wait for its method.

        Raises:
            PortalPaused: the pause of one is not over.
        """
        lanes: dict[str, Reach] = {lane_of(self._portal, method, reached): reached for reached in ("method", "portal")}
        found = {pause.lane: pause for pause in await self._pauses.paused(list(lanes))}
        paused = [found[lane] for lane in lanes if lane in found]
        for pause in paused:
            if pause.until > now:
                raise self._closed(method, pause.lane, pause.until, parse(pause.reason).code)
        return {lanes[pause.lane]: pause for pause in paused}

    async def _resume(self, passage: Passage, proven: frozenset[Reach]) -> None:
        for reached in proven:
            await self._open(lane_of(self._portal, passage.method, reached))

    async def _open(self, lane: str, why: str = "") -> None:
        if await self._pauses.resume(lane):
            logger.info("portal %s: lane %s is open again%s", self._portal, lane, why)

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
            await self._pauses.pause(lane, until=now + length, reason=str(reason_of(error, mark=self._keyring.mark)))
            self._begun += 1
            self._rests_until[lane] = now + length
        if self._passing:
            return now + length
        level = logging.ERROR if error.code.casefold() == "overload_limit" else logging.WARNING
        logger.log(
            level,
            "portal %s: lane %s is paused for %.0f s, until %s: %s",
            self._portal,
            lane,
            length,
            _moment(now + length),
            error,
        )
        return now + length

    async def _rest(self, lane: str, until: float) -> None:
        """Let a lane rest whose probe failed for another lane's sake; this counts as the failed probe that it was.

        Without this the lane would stay held although nobody probes it. A lane that is paused anew is not held.
        """
        try:
            async with self._pausing:
                current = next(iter(await self._pauses.paused([lane])), None)
                if current is not None and current.until <= self._clock():
                    await self._pauses.pause(lane, until=until, reason=current.reason)
        except StoreUnavailable as error:
            # The pause of the portal is stored and stands; this lane is probed once more when the hold is over.
            logger.warning("portal %s: the end of a probe of %s could not be stored: %s", self._portal, lane, error)

    def _waiting(self, error: PortalError, lane: str, until: float) -> PortalPaused:
        """The error of a call that paused its lane. Its text outlives the pause, so it does not say until when."""
        kind = OutcomeUnknownAndPaused if isinstance(error, OutcomeUnknown) else PortalPaused
        waiting = kind(str(error), portal=self._portal, method=error.method, lane=lane, until=until)
        waiting.code, waiting.status = error.code, error.status
        return waiting

    def _closed(self, method: str, lane: str, until: float, why: str) -> PortalPaused:
        """The error of a call that was not sent. It is short: hundreds may wait, and the log has the whole story."""
        return PortalPaused(
            f"portal {self._portal}: {method} waits for lane {lane}: {why}",
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
