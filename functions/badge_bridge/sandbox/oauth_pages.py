"""The authorisation server on HTTP: `/oauth/authorize/` of the portal and `/oauth/token/`.

The real token address is on a host of its own; a portal in the cloud passes it on, so both are here at one address
(Bitrix24 docs, "Full OAuth 2.0 protocol").
"""

from __future__ import annotations

import json
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from badge_bridge.sandbox.endpoint import Endpoint, Wire
from badge_bridge.sandbox.errors import Refusal
from badge_bridge.sandbox.faults import TOKEN_REQUEST
from badge_bridge.sandbox.holding import Holds
from badge_bridge.sandbox.journal import Entry
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.sending import Sender
from badge_bridge.sandbox.wire import Answer, read_params

__all__ = ["oauth_routes"]

_SHOWN = ("grant_type", "client_id")
"""What the log shows of a token request; the rest are secrets."""


def oauth_routes(portal: SandboxPortal, holds: Holds, sender: Sender) -> list[Route]:
    tokens = TokenEndpoint(portal, holds, sender)

    async def authorize(request: Request) -> Response:
        return _authorize(portal, request)

    return [
        *(Route(path, tokens) for path in ("/oauth/token/", "/oauth/token")),
        *(Route(path, authorize, methods=["GET"]) for path in ("/oauth/authorize/", "/oauth/authorize")),
    ]


class TokenEndpoint(Endpoint):
    """`GET /oauth/token/`; a form is taken too. In orders of faults and in the log it is the method oauth/token."""

    async def handle(self, wire: Wire, entry: Entry) -> None:
        entry.method = TOKEN_REQUEST
        if wire.scope["method"] not in ("GET", "POST"):
            refusal = Refusal("invalid_request", "The authorisation server takes GET and POST", status=405)
            await self.finish(wire, entry, self._refused(refusal))
            return
        try:
            params = read_params(wire.query, wire.content_type, await wire.body())
        except Refusal as refusal:
            await self.finish(wire, entry, self._refused(refusal))
            return
        entry.params = {name: params[name] for name in _SHOWN if name in params}
        await self.serve(wire, entry, self._portal.faults.strike(TOKEN_REQUEST), lambda: self._tokens(params))

    def _tokens(self, params: dict[str, object]) -> Answer:
        try:
            tokens = self._portal.office.tokens(params)
        except Refusal as refusal:
            return self._refused(refusal)
        return Answer(200, json.dumps(tokens).encode())

    def _refused(self, refusal: Refusal) -> Answer:
        """Its statuses are not documented; the code tells what is wrong."""
        records = self._portal.records
        records.meet("oauth_error_status")
        status = records.variants.oauth_error_status or refusal.status(all_401=False)
        return Answer.of_error(refusal.code, refusal.description, status)


def _authorize(portal: SandboxPortal, request: Request) -> Response:
    """Send the user's browser back to the application with a code. The sandbox asks nobody: ?user= says who agrees."""
    asked = request.query_params
    user = asked.get("user", "1")
    known = user.isascii() and user.isdecimal() and len(user) < 10
    try:
        fields = portal.office.authorise(asked.get("client_id", ""), int(user) if known else 0)
    except Refusal as refusal:
        return JSONResponse({"error": refusal.code, "error_description": refusal.description}, 400)
    handler = portal.office.application(asked.get("client_id", "")).handler
    if handler is None:
        advice = "the application has no handler to come back to: seed one, such as http://127.0.0.1:8080/install"
        return JSONResponse({"error": "invalid_request", "error_description": advice}, 400)
    query = urlencode({"code": fields.pop("code"), "state": asked.get("state", ""), **fields})
    return RedirectResponse(f"{handler}{'&' if urlsplit(handler).query else '?'}{query}", 302)
