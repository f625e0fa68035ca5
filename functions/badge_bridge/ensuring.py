"""Ensuring at the start what the rules will need, so that the first missed call finds its badge there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from badge_bridge.errors import BridgeError
from badge_bridge.portal import Ensured, Portal
from badge_bridge.rulesfile import Badge, RulesFile, usage

__all__ = ["Result", "ensure_all"]

logger = logging.getLogger("badge_bridge.ensure")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one badge (its code) in one portal: one of `ensured` and `error` is None."""

    portal: str
    code: str
    ensured: Ensured | None
    error: Exception | None = None


async def ensure_all(portals: Mapping[str, Portal], rules: RulesFile) -> list[Result]:
    """Ensure each badge that a rule puts into a portal there, as an event does, and log a line for each.

    All ask at the same time, so that a portal is asked in as few requests as its client can make of that. Raises
    nothing: a failure is a line in the log, and the first event that needs the badge tries again.
    """
    wanted = [(portals[name], badge) for name, used in usage(rules).items() for badge in used.badges]
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
