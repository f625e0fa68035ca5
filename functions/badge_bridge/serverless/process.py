"""`process`: works on the event that a message of Pub/Sub names.

204  the outcome or the next attempt is stored, or somebody else sees to the event
400  no message of ours; Pub/Sub sends it again until its dead-letter topic takes it
401  not from the service account that may push
405  not pushed at all
503  the store cannot be read or written, or this process stops: send it again
"""

from __future__ import annotations

import logging
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from badge_bridge.bridge import Bridge
from badge_bridge.dispatch.pubsub import pubsub_dispatcher
from badge_bridge.errors import SettingsError
from badge_bridge.gcp.callers import Callers
from badge_bridge.probes import HEALTH, health
from badge_bridge.serverless.calling import callers_of, platform_call
from badge_bridge.serverless.envelope import MAX_BODY, NotOurs, read_envelope
from badge_bridge.serverless.opening import Opening, open_whole
from badge_bridge.serverless.processing import Processing, Stopping
from badge_bridge.serverless.stopping import when_stopped
from badge_bridge.settings import Settings

__all__ = ["answer", "take"]

logger = logging.getLogger("badge_bridge.worker")


@dataclass(frozen=True, slots=True)
class _Processor:
    bridge: Bridge
    processing: Processing
    callers: Callers | None


async def answer(request: Request) -> Response:
    return await _opening.answer(request, _handle)


async def _handle(request: Request, processor: _Processor) -> Response:
    if request.scope["path"] in HEALTH:
        return await health(request, processor.bridge.store)
    return await platform_call(request, processor.callers, lambda: take(request, processor.processing))


async def take(request: Request, processing: Processing) -> Response:
    """Do what one push asks for.

    Raises:
        StoreUnavailable: the store cannot be read or written.
    """
    try:
        envelope = read_envelope(await _body(request))
    except NotOurs as error:
        logger.error("a push was refused: %s", error)  # noqa: TRY400 - the message says it all
        return Response(status_code=400)
    try:
        await (processing.event(envelope.key) if envelope.key else processing.due())
    except Stopping:
        return Response(status_code=503)
    return Response(status_code=204)


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise NotOurs(f"the body is larger than {MAX_BODY} bytes")
    return bytes(body)


async def _open(stack: AsyncExitStack, settings: Settings) -> _Processor:
    dispatcher = pubsub_dispatcher(settings.dispatch)
    if dispatcher is None:
        raise SettingsError("process is for DISPATCH=pubsub://PROJECT/TOPIC; with local, who receives works")
    stack.push_async_callback(dispatcher.close)
    bridge = await open_whole(stack, settings, wake=dispatcher.wake)
    processing = Processing(
        pipeline=bridge.pipeline,
        store=bridge.store,
        wake=dispatcher.wake,
        concurrency=settings.concurrency,
        clock=time.time,
    )
    when_stopped(stack, processing.stop)
    return _Processor(bridge, processing, callers_of(settings))


_opening = Opening(_open)
