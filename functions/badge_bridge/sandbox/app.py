"""The portal on HTTP: `/rest/...` as Bitrix24 has it, `/kanban`, and the sandbox's own `/_sandbox/...` controls."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from badge_bridge.sandbox.controls import control_routes, no_such_page
from badge_bridge.sandbox.errors import Refusal
from badge_bridge.sandbox.faults import Strike
from badge_bridge.sandbox.holding import Ending, Holds, Sleep
from badge_bridge.sandbox.journal import Entry
from badge_bridge.sandbox.kanban_page import kanban_routes
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.wire import MAX_BODY, Answer, Call, Target, read_params, read_target

__all__ = ["BREAK_CONNECTION", "create_app"]

BREAK_CONNECTION = "badge_bridge.break_connection"
"""ASGI extension of the sandbox's own server: a function that closes the connection under the request."""


def create_app(portal: SandboxPortal, *, holds: Holds | None = None, sleep: Sleep = asyncio.sleep) -> Starlette:
    """The ASGI application of a portal.

    `holds` lets whoever runs it end held answers before stopping; `sleep` is what faults wait with. On a server that
    cannot break a connection (see `BREAK_CONNECTION`) the drop faults raise `ConnectionAbortedError` into the server.
    """
    endpoint = RestEndpoint(portal, holds or Holds(sleep))
    return Starlette(
        routes=[Route("/rest/{path:path}", endpoint), *kanban_routes(portal), *control_routes(portal)],
        exception_handlers={404: no_such_page, 405: no_such_page},
    )


class _ClientLeft(Exception):
    """The client closed the connection before its request was complete."""


@dataclass(frozen=True, slots=True)
class _Wire:
    """One HTTP request in hand."""

    scope: Scope
    receive: Receive
    send: Send

    @property
    def content_type(self) -> str:
        types = [value for name, value in self.scope["headers"] if name == b"content-type"]
        return types[-1].decode("latin-1") if types else ""

    @property
    def query(self) -> str:
        query: bytes = self.scope["query_string"]
        return query.decode("utf-8", "replace")

    async def body(self) -> bytes:
        """The whole body.

        Raises:
            Refusal: it is longer than `MAX_BODY`.
        """
        chunks: list[bytes] = []
        size = 0
        more = True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise _ClientLeft
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > MAX_BODY:
                raise Refusal("INVALID_REQUEST", f"The body is longer than {MAX_BODY} bytes", status=413)
            more = message.get("more_body", False)
        return b"".join(chunks)

    async def answer(self, answer: Answer) -> None:
        headers = {"Allow": "GET, POST"} if answer.status == 405 else None
        response = Response(answer.body, answer.status, headers, answer.media_type)
        await response(self.scope, self.receive, self.send)

    async def drop(self) -> None:
        """End the request without any HTTP answer."""
        close = self.scope.get("extensions", {}).get(BREAK_CONNECTION)
        if close is None:
            raise ConnectionAbortedError("the sandbox drops this connection")
        close()
        while (await self.receive())["type"] != "http.disconnect":
            pass


class RestEndpoint:
    """Takes requests for the portal, lets faults strike them, and keeps the log."""

    def __init__(self, portal: SandboxPortal, holds: Holds) -> None:
        self._portal = portal
        self._holds = holds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wire = _Wire(scope, receive, send)
        started = self._portal.clock()
        entry = self._portal.journal.open(time=started, http=scope["method"])
        try:
            await self._handle(wire, entry)
        except _ClientLeft:
            entry.error = "the client left before its request was complete"
        finally:
            entry.milliseconds = round(max(0.0, self._portal.clock() - started) * 1000, 3)

    async def _handle(self, wire: _Wire, entry: Entry) -> None:
        try:
            call = await self._read(wire, entry)
        except Refusal as refusal:
            await self._finish(wire, entry, self._portal.refuse(refusal))
            return
        strike = self._portal.faults.strike(call.method)
        if strike is None:
            await self._finish(wire, entry, self._carry_out(entry, call))
        else:
            entry.fault = strike.kind.name
            await self._misbehave(wire, entry, call, strike)

    async def _read(self, wire: _Wire, entry: Entry) -> Call:
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
        return call

    async def _misbehave(self, wire: _Wire, entry: Entry, call: Call, strike: Strike) -> None:
        kind = strike.kind
        ending: Ending = "over"
        if kind.hold == "before":
            ending = await self._holds.hold(strike.seconds, wire.receive)
        answer: Answer | None = None
        if kind.carries_out and ending != "stopped":
            answer = self._carry_out(entry, call, strike)
        elif not kind.carries_out and not kind.drops:
            answer = strike.answer(all_401=self._portal.all_401)
        if kind.hold == "after":
            ending = await self._holds.hold(strike.seconds, wire.receive)
        if kind.drops or answer is None or ending == "stopped":
            await wire.drop()
        elif ending == "over":
            await self._finish(wire, entry, answer)

    def _carry_out(self, entry: Entry, call: Call, strike: Strike | None = None) -> Answer:
        if strike is not None and strike.kind.name == "race-add":
            self._portal.let_another_actor_win(call)
        answer = self._portal.answer(call)
        entry.note(answer, carried_out=answer.error is None)
        return answer

    async def _finish(self, wire: _Wire, entry: Entry, answer: Answer) -> None:
        entry.note(answer, carried_out=entry.carried_out)
        entry.status = answer.status
        await wire.answer(answer)


def _call(target: Target, params: dict[str, Any], *, secure: bool) -> Call:
    token = params.get("auth", "")
    # In any case of letters, so that a misspelt one does not put a token into the log.
    params = {name: value for name, value in params.items() if name.lower() != "auth"}
    if target.user_id is not None:
        return Call(target.method, params, target.user_id, target.secret, secure=secure)
    return Call(target.method, params, token=token if isinstance(token, str) else "", secure=secure)
