"""Ending a pause by hand, of a portal or of one method of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from badge_bridge.console.answers import NotThere, Senseless
from badge_bridge.console.desk import Desk
from badge_bridge.console.forms import is_json, read_form, read_json
from badge_bridge.console.paths import API, HOME
from badge_bridge.console.sessions import Session
from badge_bridge.portal.portal import lanes_of
from badge_bridge.resuming import end_pauses, in_json
from badge_bridge.rulesfile import RulesFile

__all__ = ["resume", "resumed"]


async def resume(desk: Desk, request: Request, session: Session | None) -> Mapping[str, Any] | Response:  # noqa: ARG001 - as all pages
    """End the pauses of the `portal` that a form or JSON names, or of the one `lane`; then back to Now, or to a program
    which they were, as the twin of Now has them.

    Raises:
        Senseless: it names none.
        NotThere: there is no such portal, or lane of one.
        StoreUnavailable: the store cannot be read or written.
    """
    if not desk.may_change:
        raise Senseless("this console only reads; use `badge-bridge resume` where the store may be written")
    if is_json(request):
        given = await read_json(request, ("portal", "lane"))
    else:
        given = {name: values[0] for name, values in (await read_form(request)).items()}
    ended = await end_pauses(desk.store, _lanes(desk, given), now=desk.clock(), by="from the console")
    desk.streams.forget()
    if not request.scope["path"].startswith(f"{API}/"):
        told = urlencode([("resumed", pause.lane) for pause in ended] or [("resumed", "")])
        return RedirectResponse(f"{HOME}?{told}#resumed", 303)
    return {"resumed": [in_json(pause) for pause in ended]}


def resumed(query: QueryParams, rules: RulesFile) -> str:
    """What the address says was just done, in words; empty where it says nothing, or names no lane of the rules file:
    anybody can make an address.
    """
    named = query.getlist("resumed")
    if named == [""]:
        return "No pause was ended: it was over already."
    if not named or not {lane for name in rules.portals for lane in lanes_of(name)}.issuperset(named):
        return ""
    tries = "one event tries it now, or the next one that needs it"
    if len(named) == 1:
        return f"The pause of {named[0]} was ended; {tries}. Where that is refused, it is paused anew."
    return f"The pauses of {', '.join(named)} were ended; of each, {tries}. Where that is refused, it is paused anew."


def _lanes(desk: Desk, given: Mapping[str, str]) -> list[str]:
    """What is meant of a portal."""
    portal, lane = given.get("portal", ""), given.get("lane", "")
    if not portal and not lane:
        raise Senseless("say which portal, or which lane of one", "portal")
    known = {name: lanes_of(name) for name in desk.rules.portals}
    if portal and portal not in known:
        raise NotThere("the rules file has no such portal")
    lanes = [one for name in ([portal] if portal else known) for one in known[name] if lane in ("", one)]
    if not lanes:
        raise NotThere("no portal of the rules file has such a lane")
    return lanes
