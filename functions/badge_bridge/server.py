"""The HTTP surface, the same for `badge-bridge serve` and for the functions framework.

`POST /hooks/{source}` takes deliveries, `GET /healthz` and others say how the process is (`probes.py`), `/install` is
where an OAuth application gets into its portal (`installation.py`). Answers:

    2xx  stored (what exactly, and with which body, is the provider's wish)
    400  the body cannot be parsed              401  not signed as it should be; the body is empty on purpose
    404  no such source or page                 405  the source takes other methods, listed in Allow
    408  the body did not arrive in time        413  the body is larger than the source takes, declared or chunked
    415  a compressed body                      422  parsed, but a field makes no sense; the answer names it
    503  the store cannot write now, or too many large bodies arrive at once; nothing was stored, send again
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from badge_bridge.accepting import Accepting
from badge_bridge.body_budget import BodyBudget, BodyShare
from badge_bridge.errors import (
    BodyTooLarge,
    BodyTooSlow,
    DeliveryRefused,
    MethodNotAllowed,
    StoreUnavailable,
    Unauthenticated,
    UnknownSource,
    UnsupportedMediaType,
)
from badge_bridge.observability.event_line import log_accept
from badge_bridge.observability.trace import bind_request
from badge_bridge.probes import HEALTH, PROBES, Probed, health, probe
from badge_bridge.sources.base import Delivery, Reply
from badge_bridge.sources.receiving import HOOK
from badge_bridge.store.protocol import Store
from badge_bridge.time_limit import within

if TYPE_CHECKING:
    from badge_bridge.portal.oauth import Installer

__all__ = ["Beside", "Front", "Served", "create_app", "handle"]

BODY_TIMEOUT = 15.0
"""Seconds for a body to arrive: Twilio, the most patient sender, gives up a request after 15."""

RETRY_AFTER = "5"
_LONGEST_NUMBER = 12


class Front(Protocol):
    """What these pages need of a bridge."""

    @property
    def accepting(self) -> Accepting: ...
    @property
    def installers(self) -> Mapping[str, Installer]: ...
    @property
    def store(self) -> Store: ...
    @property
    def bodies(self) -> BodyBudget: ...
    @property
    def clock(self) -> Callable[[], float]: ...


async def handle(request: Request, bridge: Front) -> Response:
    """Answer one request of any method and path."""
    try:
        return await _route(request, bridge)
    except ClientDisconnect:
        return Response(status_code=400)  # nobody hears it


async def _route(request: Request, bridge: Front) -> Response:
    path = request.scope["path"]
    if path in HEALTH:
        return await health(request, bridge.store)
    if path == "/install" and bridge.installers:
        with bind_request(_headers(request)):
            return await _refusing(path, _install(request, bridge), bridge)
    hook = HOOK.fullmatch(path)
    # No name has anything to escape: one that was is another spelling, which a proxy's rules would not know.
    if hook is None or b"%" in request.scope.get("raw_path", b""):
        return JSONResponse({"error": "there is nothing at this path"}, status_code=404)
    with bind_request(_headers(request)):
        return await _refusing(hook[1], _receive(request, hook[1], hook[2], bridge), bridge)


async def _receive(request: Request, name: str, path: str, bridge: Front) -> Response:
    accepting = bridge.accepting  # the same to the end, whatever rules come into use while the body arrives
    source = accepting.source(name, request.method, path)
    # The share lasts as long as the body is used.
    with bridge.bodies.reading(_declared_length(request, source.max_body)) as share:
        delivery = await _delivery(request, bridge, share, source.max_body, path)
        return _response(await accepting.accept(source, delivery))


async def _install(request: Request, bridge: Front) -> Response:
    # A function that only takes deliveries starts faster without what installing needs.
    from badge_bridge.installation import MAX_BODY, handle_install  # noqa: PLC0415

    with bridge.bodies.reading(_declared_length(request, MAX_BODY)) as share:
        delivery = await _delivery(request, bridge, share, MAX_BODY)
        return _response(await handle_install(delivery, bridge.installers.values()))


async def _delivery(request: Request, bridge: Front, share: BodyShare, most: int, path: str = "") -> Delivery:
    """The request with its body, which has at most so many bytes."""
    scope = request.scope
    body = await _body(request, share, most)
    return Delivery(
        method=scope["method"],
        query=scope["query_string"].decode("latin-1"),
        headers=list(_headers(request)),
        body=body,
        received_at=bridge.clock(),
        path=path,
    )


async def _refusing(name: str, answer: Awaitable[Response], bridge: Front) -> Response:
    """The answer, or what the sender and our log hear of why there is none; `name` is what was sent to."""
    try:
        return await answer
    except DeliveryRefused as refusal:
        # A source that is not configured has a name that only its sender knows: it is nothing for our log.
        known = "" if isinstance(refusal, UnknownSource) else name
        bridge.accepting.meters.refuse(known, refusal)
        log_accept(source=known, result="refused", status=refusal.status, reason=str(refusal))
        return _refusal(refusal)
    except StoreUnavailable as error:
        bridge.accepting.meters.refuse(name, error)
        log_accept(source=name, result="refused", status=503, reason=str(error))
        return _come_back("cannot store anything now, please send again")


def _declared_length(request: Request, most: int) -> int | None:
    """Content-Length, where it is there and is a number."""
    if _header(request, b"content-encoding", b"identity").lower() != b"identity":
        raise UnsupportedMediaType("send the body without Content-Encoding")
    declared = _header(request, b"content-length", b"")
    if not declared.isdigit():
        return None
    if len(declared) > _LONGEST_NUMBER or int(declared) > most:
        raise BodyTooLarge(_too_large(most))
    return int(declared)


def _header(request: Request, name: bytes, default: bytes) -> bytes:
    for key, value in request.scope["headers"]:
        if key == name:
            found: bytes = value
            return found
    return default


def _headers(request: Request) -> Iterator[tuple[str, str]]:
    """The headers as text, for whoever may want them: a delivery needs none of starlette's mapping of them."""
    return ((key.decode("latin-1"), value.decode("latin-1")) for key, value in request.scope["headers"])


async def _body(request: Request, share: BodyShare, most: int) -> bytes:
    """The raw body, in the time that it has."""
    try:
        return await within(BODY_TIMEOUT, _whole_body(request, share, most))
    except TimeoutError:
        raise BodyTooSlow(f"the body did not arrive within {BODY_TIMEOUT:g} s") from None


async def _whole_body(request: Request, share: BodyShare, most: int) -> bytes:
    """The raw body, never more than `most` bytes of it, whatever Content-Length says."""
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > most:
            raise BodyTooLarge(_too_large(most))
        share.take(len(chunk))
        chunks.append(chunk)
        more = message.get("more_body", False)
    return b"".join(chunks)


def _too_large(most: int) -> str:
    return f"the body is larger than {most} bytes"


def _come_back(error: str) -> Response:
    return JSONResponse({"error": error}, status_code=503, headers={"Retry-After": RETRY_AFTER})


def _response(reply: Reply) -> Response:
    headers = dict(reply.headers) or None
    return Response(reply.body, status_code=reply.status, headers=headers, media_type=reply.media_type or None)


def _refusal(refusal: DeliveryRefused) -> Response:
    if isinstance(refusal, Unauthenticated):
        return Response(status_code=refusal.status)
    if refusal.status == 503:
        return _come_back(refusal.reason)
    content = {"error": refusal.reason}
    if refusal.field:
        content["field"] = refusal.field
    headers = {"Allow": ", ".join(refusal.allowed)} if isinstance(refusal, MethodNotAllowed) else None
    return JSONResponse(content, status_code=refusal.status, headers=headers)


class Served(Front, Probed, Protocol):
    """What the pages of `serve` need of a bridge."""


class Beside(Protocol):
    """Further pages on the same listener."""

    def serves(self, path: str) -> bool: ...
    async def handle(self, request: Request) -> Response: ...


def create_app(bridge: Served, beside: Beside | None = None) -> ASGIApp:
    """The ASGI application of `serve` around an open bridge."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if scope["path"] in PROBES:
            response = await probe(request, bridge)
        elif beside is not None and beside.serves(scope["path"]):
            response = await beside.handle(request)
        else:
            response = await handle(request, bridge)
        await response(scope, receive, send)

    return app
