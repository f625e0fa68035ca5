"""One HTTP request in hand, and what a fault does to it: for the portal's methods and its authorisation server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from badge_bridge.sandbox.errors import Refusal
from badge_bridge.sandbox.faults import Strike
from badge_bridge.sandbox.holding import Ending, Holds
from badge_bridge.sandbox.journal import Entry
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.sending import Sender
from badge_bridge.sandbox.wire import MAX_BODY, Answer

__all__ = ["BREAK_CONNECTION", "Endpoint", "Wire"]

BREAK_CONNECTION = "badge_bridge.break_connection"
"""ASGI extension of the sandbox's own server: a function that closes the connection under the request."""


class _ClientLeft(Exception):
    """The client closed the connection before its request was complete."""


@dataclass(frozen=True, slots=True)
class Wire:
    """One HTTP request in hand."""

    scope: Scope
    receive: Receive
    send: Send

    @property
    def content_type(self) -> str:
        return self._header(b"content-type")

    @property
    def host(self) -> str:
        """The host that the client means, with its port where it says one."""
        return self._header(b"host").lower()

    @property
    def query(self) -> str:
        query: bytes = self.scope["query_string"]
        return query.decode("utf-8", "replace")

    @property
    def target(self) -> str:
        """Path and query as they were sent."""
        path: bytes = self.scope.get("raw_path") or self.scope["path"].encode()
        query: bytes = self.scope["query_string"]
        return (path.partition(b"?")[0] + (b"?" + query if query else b"")).decode("latin-1")

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
        headers = {"Allow": "GET, POST"} if answer.status == 405 else {}
        if answer.location:
            headers["Location"] = answer.location
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

    def _header(self, name: bytes) -> str:
        values = [value for key, value in self.scope["headers"] if key == name]
        return values[-1].decode("latin-1") if values else ""


class Endpoint:
    """Keeps the log of requests and lets faults strike them; what a request is for is the subclasses' matter."""

    def __init__(self, portal: SandboxPortal, holds: Holds, sender: Sender) -> None:
        self._portal = portal
        self._holds = holds
        self._sender = sender

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wire = Wire(scope, receive, send)
        started = self._portal.clock()
        entry = self._portal.journal.open(time=started, http=scope["method"])
        try:
            await self.handle(wire, entry)
        except _ClientLeft:
            entry.error = "the client left before its request was complete"
        finally:
            entry.milliseconds = round(max(0.0, self._portal.clock() - started) * 1000, 3)

    async def handle(self, wire: Wire, entry: Entry) -> None:
        """Read one request, do what it asks for, answer it."""
        raise NotImplementedError

    async def serve(self, wire: Wire, entry: Entry, strike: Strike | None, run: Callable[[], Answer]) -> None:
        """Carry out by `run` and answer, as far as the fault lets it; the log tells late work when it is done."""
        if strike is None:
            await self.finish(wire, entry, self._carry_out(entry, run))
            return
        entry.fault = strike.kind.name
        kind = strike.kind
        ending: Ending = "over"
        if kind.hold == "before":
            ending = await self._holds.hold(strike.seconds, wire.receive)
        answer: Answer | None = None
        if kind.late:
            self._holds.later(strike.seconds, lambda: self._carry_out(entry, run))
        elif kind.carries_out and ending != "stopped":
            answer = self._carry_out(entry, run)
        if not kind.drops and (kind.late or not kind.carries_out):
            answer = strike.answer(all_401=self._portal.all_401(kind.name))
        if kind.hold == "after":
            ending = await self._holds.hold(strike.seconds, wire.receive)
        if kind.drops or answer is None or ending == "stopped":
            await wire.drop()
        elif ending == "over":
            await self.finish(wire, entry, answer)

    async def finish(self, wire: Wire, entry: Entry, answer: Answer) -> None:
        entry.note(answer, carried_out=entry.carried_out)
        entry.status = answer.status
        await wire.answer(answer)

    def _carry_out(self, entry: Entry, run: Callable[[], Answer]) -> Answer:
        answer = run()
        entry.note(answer, carried_out=answer.error is None)
        self._portal.office.hand_over(self._sender)
        return answer
