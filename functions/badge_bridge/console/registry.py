"""How the portals' registries of badges compare with the rules file: asked for when somebody looks, and remembered.

A look is one request to a portal, which counts towards its limit, so that views of a page do not make one each. Nor
does a view wait for a portal that is slow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from badge_bridge.errors import PortalError
from badge_bridge.moments import iso
from badge_bridge.portal.badges import Difference
from badge_bridge.portal.portal import Portal
from badge_bridge.portal.sync import Plan, list_badges
from badge_bridge.portal.sync import plan as compared
from badge_bridge.rulesfile import RulesFile
from badge_bridge.rulesfile.usage import usage

__all__ = ["Look", "Registry", "as_json"]

AGAIN = 10.0
"""Seconds after which a look is worth another request to who asks for it."""

FRESH = 60.0
"""Seconds after which it is to who only views the page."""

PROMPT = 0.25
"""Seconds that a view waits for what it has begun to find out."""

PATIENCE = 20.0
"""Seconds that a portal gets to answer."""


@dataclass(frozen=True, slots=True)
class Look:
    """How the badges of one portal compared with a rules file at a moment; `error` where the portal could not say."""

    at: float
    """Unix seconds."""
    rules_hash: str
    plan: Plan | None
    error: str = ""

    def of(self, code: str) -> dict[str, Any]:
        """What it told of one badge: `same`, `different` with the differences, `missing`, or `unknown`."""
        if self.plan is None:
            return {"state": "unknown", "differences": []}
        for one in self.plan.different:
            if one.wanted.code == code:
                return {"state": "different", "differences": [_difference(each) for each in one.differences]}
        return {"state": "same" if code in self.plan.same else "missing", "differences": []}


def _difference(one: Difference) -> dict[str, Any]:
    told = asdict(one)
    return {name: value if isinstance(value, str) else dict(value) for name, value in told.items()}


class Registry:
    """Remembers the latest look at each portal."""

    def __init__(self, *, prompt: float = PROMPT) -> None:
        self._prompt = prompt
        self._looks: dict[str, Look] = {}
        self._looking = asyncio.Lock()
        self._behind: asyncio.Task[None] | None = None

    def latest(self, rules: RulesFile) -> Mapping[str, Look]:
        """The looks that were made with these rules, by portal."""
        return {name: look for name, look in self._looks.items() if look.rules_hash == rules.hash}

    @property
    def is_asking(self) -> bool:
        """Whether there will be more to say in a moment."""
        return self._behind is not None and not self._behind.done()

    async def view(self, rules: RulesFile, portals: Mapping[str, Portal], *, now: float) -> None:
        """Have those portals asked that were not for a while; what they say is there when they have said it.

        Raises:
            StoreUnavailable: as `look`, as far as that has shown by now.
        """
        if not self.is_asking:
            self._behind = asyncio.create_task(self.look(rules, portals, now=now, again=FRESH))
            self._behind.add_done_callback(_seen)
        asking = self._behind
        assert asking is not None  # just made, or under way
        done, _ = await asyncio.wait([asking], timeout=self._prompt)
        if done:
            await asking

    async def look(self, rules: RulesFile, portals: Mapping[str, Portal], *, now: float, again: float = AGAIN) -> None:
        """Ask the portals that were not asked in the last `again` seconds; those who ask together share the answers.

        Raises:
            StoreUnavailable: as `PortalClient.call`.
        """
        async with self._looking:
            latest = self.latest(rules)
            stale = [name for name in portals if name not in latest or not 0 <= now - latest[name].at < again]
            found = await asyncio.gather(*(_compare(rules, portals[name]) for name in stale))
            for name, told in zip(stale, found, strict=True):
                plan, error = (None, told) if isinstance(told, str) else (told, "")
                self._looks[name] = Look(now, rules.hash, plan, error)


def _seen(asking: asyncio.Task[None]) -> None:
    """What went wrong after the page was sent is told by the next one, which asks again."""
    if not asking.cancelled():
        asking.exception()


async def _compare(rules: RulesFile, portal: Portal) -> Plan | str:
    """How the portal's badges compare, or why it could not say."""
    wanted = usage(rules)[portal.name].badges
    try:
        async with asyncio.timeout(PATIENCE):
            found = await list_badges(portal.client)
    except TimeoutError:
        return f"portal {portal.name}: no answer within {PATIENCE:g} s"
    except PortalError as error:
        return str(error)
    return compared(wanted, found, keep={badge.code for badge in rules.badges.values()})


def as_json(look: Look) -> dict[str, Any]:
    """One look at a portal; its badges are told by `Look.of`."""
    plan = look.plan
    return {
        "at": iso(look.at),
        "error": look.error,
        "differs": 0 if plan is None else len(plan.missing) + len(plan.different),
        "unused": [] if plan is None else [badge.code for badge in plan.unused],
    }
