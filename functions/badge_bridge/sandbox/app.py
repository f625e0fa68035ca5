"""The portal on HTTP: `/rest/...` and `/oauth/...` as Bitrix24 has them, `/kanban`, and the sandbox's own controls."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Route

from badge_bridge.sandbox.batch import Command, read_commands
from badge_bridge.sandbox.controls import control_routes, no_such_page
from badge_bridge.sandbox.endpoint import BREAK_CONNECTION, Endpoint, Wire
from badge_bridge.sandbox.errors import Refusal
from badge_bridge.sandbox.faults import Strike
from badge_bridge.sandbox.holding import Holds, Sleep
from badge_bridge.sandbox.journal import Entry
from badge_bridge.sandbox.kanban_page import kanban_routes
from badge_bridge.sandbox.oauth_pages import oauth_routes
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.sending import Sender
from badge_bridge.sandbox.wire import Answer, Call, Target, read_params, read_target

__all__ = ["BREAK_CONNECTION", "create_app"]


def create_app(
    portal: SandboxPortal,
    *,
    holds: Holds | None = None,
    sleep: Sleep = asyncio.sleep,
    sender: Sender | None = None,
) -> Starlette:
    """The ASGI application of a portal.

    `holds` lets whoever runs it end held answers and late work before stopping; `sleep` is what faults and the sending
    of events wait with; `sender` is what sends them, to be closed by whoever has made it. On a server that cannot break
    a connection (see `BREAK_CONNECTION`) the drop faults raise `ConnectionAbortedError` into the server.
    """
    holds = holds or Holds(sleep)
    sender = sender or Sender(sleep=sleep, clock=portal.clock)
    return Starlette(
        routes=[
            Route("/rest/{path:path}", RestEndpoint(portal, holds, sender)),
            *oauth_routes(portal, holds, sender),
            *kanban_routes(portal),
            *control_routes(portal, holds, sender),
        ],
        exception_handlers={404: no_such_page, 405: no_such_page},
    )


class RestEndpoint(Endpoint):
    """Calls of the portal's methods.

    A request is looked at in this order: has the portal moved, can it be read, is there room for it in the bucket, does
    a fault strike it. Only what comes through is a call.
    """

    async def handle(self, wire: Wire, entry: Entry) -> None:
        moved_to = self._portal.moved_to(wire.host)
        if moved_to is not None:
            await self.finish(wire, entry, _moved(wire, entry, moved_to))
            return
        try:
            call = await self._read(wire, entry)
            self._portal.let_in()
        except Refusal as refusal:
            await self.finish(wire, entry, self._portal.refuse(refusal))
            return
        strike, strikes = self._strikes(call)
        if strike is not None and strike.kind.expires:
            self._portal.expire(call)
        await self.serve(wire, entry, strike, self._portal.take(call, strikes))

    async def _read(self, wire: Wire, entry: Entry) -> Call:
        if wire.scope["method"] not in ("GET", "POST"):
            raise Refusal("INVALID_REQUEST", "The portal takes GET and POST", status=405)
        target = read_target(wire.scope["path"].removeprefix("/rest/"))
        entry.method = target.method
        entry.user = target.user_id
        params = read_params(wire.query, wire.content_type, await wire.body())
        call = _call(target, params, secure=wire.scope["scheme"] == "https")
        entry.params = call.params
        entry.credential = call.kind
        entry.user = self._portal.caller_id(call)
        if call.method == "batch":
            entry.params = _without_tokens(call.params)
        return call

    def _strikes(self, call: Call) -> tuple[Strike | None, Mapping[str, Strike]]:
        """What strikes the request, and what strikes single commands of a batch, or the one call, by key."""
        faults = self._portal.faults
        whole = faults.strike(call.method, can_expire=self._portal.can_expire(call))
        single: dict[str, Strike] = {}
        if whole is not None:
            single[""] = whole
        elif call.method == "batch":
            whole, single = faults.strike_commands(_commands(call.params))
        return whole, single


def _call(target: Target, params: dict[str, Any], *, secure: bool) -> Call:
    token = params.get("auth", "")
    # In any case of letters, so that a misspelt one does not put a token into the log.
    params = {name: value for name, value in params.items() if name.lower() != "auth"}
    if target.user_id is not None:
        return Call(target.method, params, target.user_id, target.secret, secure=secure)
    return Call(target.method, params, token=token if isinstance(token, str) else "", secure=secure)


def _commands(params: Mapping[str, Any]) -> list[Command]:
    try:
        return read_commands(params)
    except Refusal:
        return []


def _without_tokens(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a batch as the log shows them: its commands taken apart, and no token in any of them."""
    commands = {command.key: command.to_json() for command in _commands(params)}
    return {name: commands if name.lower() == "cmd" else value for name, value in params.items()}


def _moved(wire: Wire, entry: Entry, moved_to: str) -> Answer:
    """302 to the same target at the new address; nothing is read and nothing is carried out."""
    last = wire.scope["path"].rstrip("/").rpartition("/")[2]
    entry.method = last.lower().removesuffix(".json")
    page = b"<!DOCTYPE html>\n<html><head><title>302 Found</title></head><body><h1>302 Found</h1></body></html>\n"
    return Answer(
        302, page, "text/html; charset=utf-8", error="the portal has moved", location=f"{moved_to}{wire.target}"
    )
