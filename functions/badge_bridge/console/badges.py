"""The badges of the rules file: what they look like, which rules use them, and how often, and whether portals agree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from badge_bridge.console.desk import Desk
from badge_bridge.console.recent_uses import DAYS
from badge_bridge.console.registry import Look, as_json
from badge_bridge.console.sessions import Session
from badge_bridge.moments import iso
from badge_bridge.previews import preview
from badge_bridge.rulesfile import Badge, RulesFile
from badge_bridge.rulesfile.usage import usage

__all__ = ["badges"]


async def badges(desk: Desk, request: Request, session: Session | None) -> Mapping[str, Any]:  # noqa: ARG001 - as all pages
    """The data of `/console/badges`. The portals are asked what they have once in a while, in the background where they
    are slow; with `?check=1` they are now, and waited for.

    Raises:
        StoreUnavailable: the store cannot be read.
    """
    rules, portals, now = desk.rules, desk.portals, desk.clock()
    if portals is not None:
        is_asked_for = request.query_params.get("check") == "1"
        await (desk.registry.look if is_asked_for else desk.registry.view)(rules, portals, now=now)
    looks = desk.registry.latest(rules)
    counted_at, uses = await desk.uses.count(desk.store, now=now)
    used: dict[str, dict[str, Any]] = defaultdict(dict)
    for one in uses:
        used[one.badge][one.portal] = {"count": one.count, "latest": iso(one.latest)}
    return {
        "at": iso(now),
        "counted": iso(counted_at),
        "days": DAYS,
        "can_check": portals is not None,
        "asking": portals is not None and desk.registry.is_asking,
        "looks": {name: as_json(look) for name, look in looks.items()},
        "badges": [_badge(badge, rules, used[badge.code], looks) for badge in rules.badges.values()],
        # Uses of badges that were taken out of the file since, which cards may still carry.
        "others": [
            {"code": code, "uses": uses}
            for code, uses in sorted(used.items())
            if uses and code not in {badge.code for badge in rules.badges.values()}
        ],
    }


def _badge(badge: Badge, rules: RulesFile, used: Mapping[str, Any], looks: Mapping[str, Look]) -> dict[str, Any]:
    wanted_in = [portal for portal, one in usage(rules).items() if badge in one.badges]
    return {
        "name": badge.name,
        **preview(badge),
        "rules": [
            {
                "rule": rule.name,
                "line": rule.line,
                "attaches": rule.attach is not None,
                "clears": rule.clear is not None,
            }
            for rule in rules.rules
            if rule.badge == badge.name
        ],
        "portals": [
            {"portal": name, "uses": used.get(name), **(looks[name].of(badge.code) if name in looks else _UNASKED)}
            for name in dict.fromkeys([*wanted_in, *used])
        ],
        "uses": sum(one["count"] for one in used.values()),
    }


_UNASKED: Mapping[str, Any] = {"state": "not asked", "differences": []}
