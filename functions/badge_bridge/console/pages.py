"""What a session sees: where the console begins, and what is stored."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from badge_bridge.console import api
from badge_bridge.console.sessions import Session
from badge_bridge.reading import refused_unless_read
from badge_bridge.store.protocol import Store

__all__ = ["CSRF_FIELD", "CSRF_HEADER", "ENTER", "HOME", "LEAVE", "answer"]

HOME, ENTER, LEAVE = "/console", "/console/enter", "/console/leave"

CSRF_FIELD, CSRF_HEADER = "csrf_token", "x-csrf-token"
"""Where a page that changes something puts the session's token: in its form, or in a header."""

_HOME = f"""<!doctype html>
<html lang="en"><title>Badge Bridge</title>
<h1>Badge Bridge</h1>
<ul>
<li><a href="{api.LIST}">the latest events</a>, as JSON; <code>?state=dead</code> those that were given up
<li><code>/console/api/events/KEY.json</code> all that is known of one
</ul>
<form method="post" action="{LEAVE}">
<input type="hidden" name="{CSRF_FIELD}" value="%s">
<button>End the session</button>
</form>
</html>
"""


async def answer(request: Request, store: Store, session: Session) -> Response:
    """Answer a request to `/console` or below that the gate let through."""
    if request.scope["path"] not in {HOME, f"{HOME}/"}:
        return await api.handle(request, store)
    if (refusal := refused_unless_read(request)) is not None:
        return refusal
    return HTMLResponse(_HOME % session.csrf)
