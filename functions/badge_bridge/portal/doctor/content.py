"""What the rules file names and the portal must have: badges, icons, logos; and how near its limits the portal is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from badge_bridge.closeness import closest
from badge_bridge.portal.badges import Badge, WantedBadge
from badge_bridge.portal.calling import SingleCalls
from badge_bridge.portal.codes import CODES
from badge_bridge.portal.doctor.check import Verdict, failed, ok, skipped, warning
from badge_bridge.portal.doctor.network import Network, Unheard, clock_text, json_object
from badge_bridge.portal.keyring import Keyring
from badge_bridge.portal.sync import list_badges, plan
from badge_bridge.portal_address import origin_of

__all__ = ["Content"]

_GET = "crm.activity.badge.get"
_LIST = "crm.activity.badge.list"

_PAGE = 50
"""Rows of a page (Bitrix24 docs, "Lists"): a list that is as long may go on."""

_MUCH = 240.0
"""Seconds: half of the ceiling that the documentation takes as its example (Bitrix24 docs, "Limits")."""


class Content:
    """Looks at what one portal holds. `moved_to` gives the address that a renamed one was found at."""

    def __init__(
        self,
        client: SingleCalls,
        keyring: Keyring,
        network: Network,
        *,
        moved_to: Callable[[], str | None],
        badges: Sequence[WantedBadge],
        icons: Collection[str],
        logos: Collection[str],
    ) -> None:
        self._client = client
        self._keyring = keyring
        self._network = network
        self._moved_to = moved_to
        self._wanted = badges
        self._icons = icons
        self._logos = logos
        self._found: tuple[Badge, ...] = ()

    async def badges(self) -> Verdict:
        self._found = await list_badges(self._client)
        compared = plan(self._wanted, self._found)
        said = []
        if compared.missing:
            said.append(f"missing: {', '.join(badge.code for badge in compared.missing)}")
        if compared.different:
            said.append(f"different: {', '.join(one.wanted.code for one in compared.different)}")
        if said:
            return warning(
                "; ".join(said),
                "`badge-bridge sync` shows the differences; with --apply it adds what is missing, as the first event "
                "that needs a badge does, with --replace it changes what is different.",
            )
        return ok(f"all {len(self._wanted)} that the rules use are there")

    async def symbols(self) -> Verdict:
        """The icons and logos that rules name: an unknown code may be refused with every card."""
        if not self._icons and not self._logos:
            return skipped("no rule attaches a badge to a card")
        icons, logos = await asyncio.gather(
            self._client.call("crm.timeline.icon.list"), self._client.call("crm.timeline.logo.list")
        )
        known = {"icon": _codes(icons, "icons"), "logo": _codes(logos, "logos")}
        unknown = [("icon", code) for code in self._icons if code not in known["icon"]]
        unknown += [("logo", code) for code in self._logos if code not in known["logo"]]
        if not unknown:
            return ok(f"{', '.join(dict.fromkeys((*self._icons, *self._logos)))}: known to the portal")
        found = "; ".join(f"there is no {kind} {code}{_suggestion(code, known[kind])}" for kind, code in unknown)
        mend = "Write a code that the portal knows at icon or logo of the rule's attach in the rules file."
        if any(len(known[kind]) >= _PAGE for kind, _ in unknown):
            return warning(f"{found}; but the portal's list may go on", mend)
        return failed(found, mend)

    async def limits(self) -> Verdict:
        """How much of its run time a method has used, which only the answer itself tells (`time.operating`)."""
        wanted = {badge.code for badge in self._wanted}
        code = next((badge.code for badge in self._found if badge.code in wanted), "")
        method, params = (_GET, {"code": code}) if code else (_LIST, {})
        credential = await self._keyring.current()
        address = credential.address(method)
        if moved_to := self._moved_to():
            address = moved_to + address.removeprefix(origin_of(address))
        try:
            heard = await self._network.post(address, credential.body(params))
        except Unheard as error:
            return warning(f"{method} was not answered: {error}")
        if 300 <= heard.status < 400:
            return skipped("the portal redirects")
        content = json_object(heard.body) or {}
        if "result" not in content:
            error_code = content.get("error")
            named = error_code if isinstance(error_code, str) else ""
            meaning = CODES.get(named.casefold())
            return warning(f"{method} was answered with {named or f'HTTP {heard.status}'}{_means(meaning)}")
        return _usage(method, content.get("time"))


def _usage(method: str, time: Any) -> Verdict:
    used = time.get("operating") if isinstance(time, Mapping) else None
    if isinstance(used, bool) or not isinstance(used, int | float):
        return ok("not reached; the portal does not say how much run time is used")
    reset_at = time.get("operating_reset_at")
    is_told = isinstance(reset_at, int | float) and not isinstance(reset_at, bool) and 0 < reset_at < 1e11
    until = f", which begins to be forgotten at {clock_text(reset_at)}" if is_told and used >= 0.1 else ""
    found = f"{method} has used {used:.1f} s of run time in the last ten minutes{until}"
    if used >= _MUCH:
        return warning(found, "Find out what else uses this webhook or application: the portal counts them together.")
    return ok(found)


def _means(meaning: Any) -> str:
    return f": {meaning.says}" if meaning is not None else ""


def _codes(result: Any, key: str) -> list[str]:
    """The codes of a list of icons or logos; empty for anything else, which PHP sends for an empty one."""
    rows = result.get(key) if isinstance(result, Mapping) else result
    return [str(row["code"]) for row in rows or () if isinstance(row, Mapping) and row.get("code")]


def _suggestion(code: str, known: Sequence[str]) -> str:
    if close := closest(code, known):
        return f", did you mean {close}?"
    return f", known are {', '.join(sorted(known)[:12])}" if known else ""
