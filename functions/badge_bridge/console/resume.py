"""Ending a pause by hand, of a portal or of one method of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from badge_bridge.console.answers import NotThere, Senseless
from badge_bridge.console.desk import Desk
from badge_bridge.console.done import Done, lead_to
from badge_bridge.console.forms import is_json, read_form, read_json
from badge_bridge.console.paths import API, HOME
from badge_bridge.console.sessions import Session
from badge_bridge.portal.portal import lanes_of
from badge_bridge.resuming import end_pauses, in_json

__all__ = ["resume"]


async def resume(desk: Desk, request: Request, session: Session | None) -> Mapping[str, Any] | Response:
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
        return lead_to(session, HOME, "", _told([pause.lane for pause in ended]), place="#resumed")
    return {"resumed": [in_json(pause) for pause in ended]}


def _told(lanes: Sequence[str]) -> Done:
    """In words, that these were ended."""
    if not lanes:
        return Done("No pause was ended: it was over already.")
    tries = "one event tries it now, or the next one that needs it"
    if len(lanes) == 1:
        return Done(f"The pause of {lanes[0]} was ended; {tries}. Where that is refused, it is paused anew.")
    named = ", ".join(lanes)
    return Done(f"The pauses of {named} were ended; of each, {tries}. Where that is refused, it is paused anew.")


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
