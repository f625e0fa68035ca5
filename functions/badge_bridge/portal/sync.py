"""Making the portal's badge registry agree with the rules file: what differs, and doing about it what one is told to.

No method changes a badge, so replacing one is deleting and adding it (Bitrix24 docs, "Configurable activity badges").
In between the portal has no badge of this code: nothing interrupts the two, and where the new one is refused the old
one is put back.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from badge_bridge.errors import (
    BridgeError,
    LimitReached,
    NotFound,
    OutcomeUnknown,
    PortalError,
    PortalPaused,
    PortalUnreachable,
)
from badge_bridge.portal.badges import (
    Badge,
    Difference,
    WantedBadge,
    badge_in,
    differences,
    may_exist_after,
    parameters,
    read_badge,
)
from badge_bridge.portal.calling import SingleCalls
from badge_bridge.portal.rows import misread

__all__ = ["OURS", "Action", "Different", "Done", "Plan", "Sync", "list_badges", "plan"]

logger = logging.getLogger("badge_bridge.portal")

OURS = "bb_"
"""What the code of a badge begins with where the rules file gives it none. The registry is shared by all applications
of a portal, so a code without it may be anybody's."""

PATIENCE = 15.0
"""Seconds that a call waits at most for a portal that rests: its rate limit lets the next call in after a few."""

_TRIES = 4
_ADD = "crm.activity.badge.add"
_GET = "crm.activity.badge.get"
_LIST = "crm.activity.badge.list"
_DELETE = "crm.activity.badge.delete"

Action = Literal["add", "replace", "delete"]


@dataclass(frozen=True, slots=True)
class Different:
    """A badge that the portal has with another title, value or type."""

    wanted: WantedBadge
    found: Badge
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """How the portal's registry compares with the rules file. `same` are codes."""

    missing: tuple[WantedBadge, ...]
    different: tuple[Different, ...]
    unused: tuple[Badge, ...]
    same: tuple[str, ...]

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.missing or self.different or self.unused)


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one badge. `told` says what went wrong, or otherwise than usual; empty where all went well."""

    code: str
    action: Action
    done: bool
    told: str = ""


def plan(wanted: Sequence[WantedBadge], found: Sequence[Badge], *, keep: Collection[str] = ()) -> Plan:
    """Compare. Unused is what begins with `OURS` and is neither wanted nor among the codes to `keep`."""
    there = {badge.code: badge for badge in found}
    pairs = [(badge, there[badge.code]) for badge in wanted if badge.code in there]
    compared = [Different(ours, theirs, differences(ours, theirs)) for ours, theirs in pairs]
    mentioned = {*keep, *(badge.code for badge in wanted)}
    return Plan(
        missing=tuple(badge for badge in wanted if badge.code not in there),
        different=tuple(one for one in compared if one.differences),
        unused=tuple(badge for code, badge in sorted(there.items()) if code.startswith(OURS) and code not in mentioned),
        same=tuple(one.wanted.code for one in compared if not one.differences),
    )


async def list_badges(client: SingleCalls) -> tuple[Badge, ...]:
    """Every badge of the portal, those of other applications included; the method has no pages.

    Raises:
        PortalError: as `PortalClient.call`.
        OutcomeUnknown: the answer holds no list.
    """
    result = await client.call(_LIST)
    rows = result.get("badges") if isinstance(result, Mapping) else result
    # PHP sends an empty map as an empty list; null stands for it as well.
    if isinstance(rows, Mapping):
        rows = list(rows.values())
    if not isinstance(rows, list | None):
        raise misread(client.name, _LIST, "was answered without a list of badges", code="no badges")
    return tuple(read_badge(row) for row in rows or () if isinstance(row, Mapping))


class Sync:
    """Changes the badges of one portal. `clock` returns unix seconds."""

    def __init__(
        self,
        client: SingleCalls,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._clock = clock
        self._sleep = sleep

    async def carry_out(
        self, plan: Plan, *, add: bool = False, replace: bool = False, prune: bool = False
    ) -> AsyncIterator[Done]:
        """Do the parts of a plan that are asked for, one badge after the other, and tell of each when it is done.

        A badge that is refused does not keep the others from their turn. A cancellation waits for the badge whose turn
        it is.
        """
        for badge in plan.missing if add else ():
            yield await self._added(badge)
        for different in plan.different if replace else ():
            yield await self._replaced_whole(different)
        for badge in plan.unused if prune else ():
            yield await self._deleted(badge)

    async def _added(self, badge: WantedBadge) -> Done:
        try:
            return Done(badge.code, "add", done=True, told=await self._add(badge))
        except BridgeError as error:
            return Done(badge.code, "add", done=False, told=str(error))

    async def _deleted(self, badge: Badge) -> Done:
        try:
            return Done(badge.code, "delete", done=True, told=await self._delete(badge.code))
        except BridgeError as error:
            return Done(badge.code, "delete", done=False, told=str(error))

    async def _replaced_whole(self, different: Different) -> Done:
        """A cancellation goes on when it is over: in the middle of it the portal has no such badge."""
        task = asyncio.create_task(self._replaced(different), name=f"replace badge {different.wanted.code}")
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait((task,))
            if not task.cancelled() and task.exception() is None and not task.result().done:
                # The one who would have told of it has gone.
                logger.error("portal %s: %s: %s", self._client.name, different.wanted.code, task.result().told)  # noqa: TRY400 - it is not about the cancellation
            raise

    async def _replaced(self, different: Different) -> Done:
        code = different.wanted.code
        try:
            await self._delete(code)
        except OutcomeUnknown as error:
            told = (
                f"whether the old one was deleted is not known; see with `badge-bridge sync` what is missing: {error}"
            )
            return Done(code, "replace", done=False, told=told)
        except BridgeError as error:
            return Done(code, "replace", done=False, told=f"the old one stays, it could not be deleted: {error}")
        try:
            return Done(code, "replace", done=True, told=await self._add(different.wanted))
        except BridgeError as error:
            return Done(code, "replace", done=False, told=await self._put_back(different.found, error))

    async def _put_back(self, old: Badge, refusal: BridgeError) -> str:
        """Add again what was deleted for a badge that was refused; says how that went."""
        try:
            told = await self._add(old)
        except BridgeError as error:
            was = json.dumps(parameters(old), ensure_ascii=False)
            return (
                f"THE PORTAL HAS NO BADGE {old.code} NOW: the old one was deleted, the new one was refused ({refusal}) "
                f"and the old one could not be put back ({error}). Mend what is named, then let `badge-bridge sync "
                f"--portal {self._client.name} --apply` add it; the old one was {was}"
            )
        if told:
            return f"the portal has a badge of this code; see with `badge-bridge sync` which: {refusal}"
        return f"the new one was refused, the old one was put back: {refusal}"

    async def _add(self, badge: WantedBadge) -> str:
        """Add a badge; says so where it was there already."""
        try:
            await self._call(_ADD, parameters(badge))
        except PortalError as error:
            if not may_exist_after(error) or await self._find(badge.code) is not True:
                raise
            return "somebody else was quicker" if not isinstance(error, OutcomeUnknown) else ""
        return ""

    async def _delete(self, code: str) -> str:
        """Delete a badge; says so where it was gone already."""
        try:
            await self._call(_DELETE, {"code": code})
        except NotFound:
            return "it was gone already"
        except OutcomeUnknown:
            if await self._find(code) is not False:
                raise
        return ""

    async def _find(self, code: str) -> bool | None:
        """Whether the portal has a badge; None where it does not say."""
        try:
            return badge_in(await self._call(_GET, {"code": code})) is not None
        except NotFound:
            return False
        except BridgeError:
            return None

    async def _call(self, method: str, params: Mapping[str, Any]) -> Any:
        """A call that waits for a portal which rests for a moment."""
        for _ in range(_TRIES):
            try:
                return await self._client.call(method, params)
            except PortalPaused as pause:
                wait = pause.until - self._clock()
                if not _was_not_sent(pause) or wait > PATIENCE:
                    raise
                await self._sleep(max(wait, 0.0))
        return await self._client.call(method, params)


def _was_not_sent(pause: PortalPaused) -> bool:
    """Whether the same call may simply be made again: no right is missing, and nothing was carried out."""
    return not isinstance(pause, OutcomeUnknown) and isinstance(
        pause.__cause__, LimitReached | PortalUnreachable | None
    )
