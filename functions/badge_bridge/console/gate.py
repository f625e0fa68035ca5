"""The gate before the console of `serve`: who has followed a link (`console/links.py`) has a session and gets through.

200  a link was followed: the page has the button that uses it up
303  the link was good: here is your session; or the session has ended, as you wished, which a page says to everybody
400  a form cannot be read
401  no session, or it has ended; or the link is used up or too old
403  another page made the browser ask, or the request changes something and does not bring the session's token
405  neither read nor changed by this method     413  a form that is larger than any of ours
421  sent to a name that is none of this listener's
503  the link cannot be checked now

What gets through is answered by `pages`; style sheets and scripts need no session. Whatever else the answer, it is for
this browser's tab alone (`answers.HEADERS`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from badge_bridge.console.answers import Senseless, refused, shielded
from badge_bridge.console.assets import serve_asset
from badge_bridge.console.forms import MAX_FORM, is_too_large, read_form
from badge_bridge.console.links import redeem
from badge_bridge.console.origin import Names, is_from_elsewhere, is_from_here
from badge_bridge.console.paths import ENTER, HOME, LEAVE, LEFT, STATIC, TRY
from badge_bridge.console.rendering import render
from badge_bridge.console.sessions import CSRF_FIELD, CSRF_HEADER, LASTS, Session, Sessions
from badge_bridge.errors import StoreUnavailable
from badge_bridge.store.protocol import Store

__all__ = ["Gate"]

logger = logging.getLogger("badge_bridge.console")

READING = frozenset({"GET", "HEAD"})
CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})

_TICKET = "ticket"
_TOO_LARGE = f"a form has at most {MAX_FORM} bytes, and says how many"

Pages = Callable[[Request, Session], Awaitable[Response]]


class Gate:
    """Lets sessions through to the pages. `port` tells the cookies of several listeners of one host apart."""

    def __init__(
        self,
        store: Store,
        pages: Pages,
        *,
        names: Names,
        port: int,
        clock: Callable[[], float] = time.time,
        sessions: Sessions | None = None,
    ) -> None:
        self._store = store
        self._names = names
        self._port = port
        self._pages = pages
        self._clock = clock
        self._sessions = sessions or Sessions(time.monotonic)

    async def handle(self, request: Request) -> Response:
        """Answer a request to `/console` or below."""
        try:
            response = self._for_nobody(request) or self._for_everybody(request) or await self._answer(request)
        except ClientDisconnect:
            response = Response(status_code=400)  # nobody hears it
        return shielded(response)

    async def _answer(self, request: Request) -> Response:
        path = request.scope["path"]
        if path == ENTER:
            # Programs that preview a link read it as well; they press no button.
            is_read = request.method in READING
            return HTMLResponse(render("enter.html", _entrance(request))) if is_read else await self._enter(request)
        token = request.cookies.get(self._cookie(request), "")
        session = self._sessions.find(token)
        if session is None:
            typed = await _typed(request)
            told = "follow the link that `badge-bridge console` prints on the machine of the bridge"
            return refused(request, 401, told, typed=typed)
        if request.method in CHANGING and (refusal := await _without_token(request, session)) is not None:
            return refusal
        if path == LEAVE:
            return self._leave(request, token)
        return await self._pages(request, session)

    def _for_everybody(self, request: Request) -> Response | None:
        """What a refusal looks like, too; and that a session has ended."""
        path = request.scope["path"]
        if path == LEFT and request.method in READING:
            return HTMLResponse(render("left.html", {}))
        return serve_asset(request) if path.startswith(STATIC) else None

    def _for_nobody(self, request: Request) -> Response | None:
        """The answer to what nobody may ask, whoever he is."""
        if request.method not in READING | CHANGING:
            return refused(request, 405, "no page of the console takes this method", allow="GET, HEAD, POST")
        if not self._names.own(request.headers):
            told = "this is not a name of this console; set ADMIN_URL to the address by which it is reached"
            return refused(request, 421, told)
        secure = self._names.is_secure(request.headers)
        if is_from_elsewhere(request.headers, secure=secure):
            return refused(request, 403, "another page led here; enter the address yourself")
        if request.method in CHANGING and not is_from_here(request.headers):
            return refused(request, 403, "only the console's own pages change something")
        return None

    async def _enter(self, request: Request) -> Response:
        if request.method != "POST":
            return refused(request, 405, "a link is read, and used up by POST", allow="GET, HEAD, POST")
        if is_too_large(request):
            return refused(request, 413, _TOO_LARGE)
        try:
            ticket = (await read_form(request)).get(_TICKET, [""])[0]
            is_good = await redeem(self._store, ticket, now=self._clock())
        except Senseless as error:
            return refused(request, 400, str(error))
        except StoreUnavailable as error:
            logger.warning("the console answers 503: %s", error)
            return refused(request, 503, "the store cannot be used now")
        if not is_good:
            return refused(request, 401, "this link is used up or too old; `badge-bridge console` prints another one")
        logger.info("somebody has followed a link into the console")
        return self._with_cookie(request, HOME, self._sessions.begin(), LASTS)

    def _leave(self, request: Request, token: str) -> Response:
        if request.method != "POST":
            return refused(request, 405, "a session is ended by POST", allow="POST")
        self._sessions.end(token)
        return self._with_cookie(request, LEFT, "", 0)

    def _with_cookie(self, request: Request, path: str, token: str, lasts: int) -> Response:
        """On to another page, with this cookie for so many seconds."""
        response = RedirectResponse(path, 303)
        secure = self._names.is_secure(request.headers)
        response.set_cookie(
            self._cookie(request),
            token,
            max_age=lasts,
            path="/" if secure else HOME,
            secure=secure,
            httponly=True,
            samesite="strict",
        )
        return response

    def _cookie(self, request: Request) -> str:
        name = f"badge_bridge_{self._port}"
        return f"__Host-{name}" if self._names.is_secure(request.headers) else name


def _entrance(request: Request) -> dict[str, object]:
    """What the page of a link shows. Whether it is good is not looked at: only its button asks that."""
    ticket = request.query_params.get(_TICKET, "")
    return {"action": ENTER, "field": _TICKET, "ticket": ticket, "hours": LASTS // 3600}


async def _without_token(request: Request, session: Session) -> Response | None:
    """The answer to a request that changes something and does not bring the token of its session."""
    token = request.headers.get(CSRF_HEADER)
    if token is None:
        if is_too_large(request):
            return refused(request, 413, _TOO_LARGE)
        try:
            token = (await read_form(request)).get(CSRF_FIELD, [""])[0]
        except Senseless as error:
            return refused(request, 400, str(error))
    if session.sent(token):
        return None
    typed = await _typed(request)
    return refused(request, 403, "the session's token is missing; load the page again", typed=typed)


async def _typed(request: Request) -> Mapping[str, str]:
    """What somebody has written who can only copy it now: of the page on which that is much work."""
    if request.scope["path"] != TRY or request.method != "POST" or is_too_large(request):
        return {}
    try:
        form = await read_form(request)
    except Senseless:
        return {}
    return {name: form[name][0] for name in ("rules", "delivery") if name in form and form[name][0].strip()}
