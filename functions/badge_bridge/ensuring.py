"""Ensuring what the rules will need at the start, and after an installation that comes later, so that the first missed
call finds its badge there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Container, Mapping
from dataclasses import dataclass

from badge_bridge.errors import BridgeError
from badge_bridge.portal import Ensured, Portal
from badge_bridge.rulesfile import Badge, RulesFile
from badge_bridge.rulesfile.usage import usage

__all__ = ["Ensuring", "Result", "ensure_all"]

logger = logging.getLogger("badge_bridge.ensure")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one badge (its code) in one portal: one of `ensured` and `error` is None."""

    portal: str
    code: str
    ensured: Ensured | None
    error: Exception | None = None


class Ensuring:
    """Ensures the badges of the rules in the background, for a `serve`: whoever asks does not wait."""

    def __init__(self) -> None:
        self._rules: RulesFile | None = None
        self._portals: Mapping[str, Portal] = {}
        self._running: dict[str, asyncio.Task[list[Result]]] = {}

    def start(self, rules: RulesFile, portals: Mapping[str, Portal]) -> None:
        """Ensure those of these rules in all portals; what is under way for other rules ends."""
        for task in self._running.values():
            task.cancel()
        self._rules, self._portals = rules, portals
        for name in portals:
            self.again(name)

    def again(self, portal: str) -> None:
        """Ensure them in a portal whose application was installed; nothing before `start`, which does it for all."""
        if self._rules is None or portal not in self._portals:
            return
        if (running := self._running.get(portal)) is not None:
            running.cancel()
        work = ensure_all(self._portals, self._rules, only=(portal,))
        self._running[portal] = asyncio.create_task(work, name=f"ensure the badges of {portal}")

    async def stop(self) -> None:
        """End what is under way."""
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)


async def ensure_all(
    portals: Mapping[str, Portal], rules: RulesFile, *, only: Container[str] | None = None
) -> list[Result]:
    """Ensure each badge that a rule puts into a portal there, as an event does, and log a line for each;
    `only` are the names of the portals that are meant, if not all.

    All ask at the same time, so that a portal is asked in as few requests as its client can make of that. Raises
    nothing: a failure is a line in the log, and the first event that needs the badge tries again.
    """
    wanted = [
        (portals[name], badge)
        for name, used in usage(rules).items()
        for badge in used.badges
        if only is None or name in only
    ]
    return list(await asyncio.gather(*(_ensure(portal, badge) for portal, badge in wanted)))


async def _ensure(portal: Portal, badge: Badge) -> Result:
    try:
        ensured = await portal.badges.ensure(badge)
    except BridgeError as error:
        logger.warning("badge %s is not ensured yet, the first event that needs it tries again: %s", badge.code, error)
        return Result(portal.name, badge.code, None, error)
    except Exception as error:
        logger.exception("portal %s: badge %s: ensuring it failed unexpectedly", portal.name, badge.code)
        return Result(portal.name, badge.code, None, error)
    logger.info("portal %s: badge %s is %s", portal.name, badge.code, ensured.how)
    return Result(portal.name, badge.code, ensured)
