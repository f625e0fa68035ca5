"""What `process` and `sweep` have in common: the platform calls them, by POST, and nobody else may."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from badge_bridge.errors import BridgeError, GoogleError, StoreUnavailable, Unauthenticated
from badge_bridge.gcp.callers import Callers, Certificates
from badge_bridge.observability.floods import FloodGate
from badge_bridge.observability.trace import bind_request
from badge_bridge.settings import Settings

__all__ = ["callers_of", "platform_call"]

logger = logging.getLogger("badge_bridge.calls")

_refused = FloodGate()


def callers_of(settings: Settings) -> Callers | None:
    """Who may call, where the settings say; else None."""
    if not settings.invokers:
        return None
    return Callers(
        settings.invokers,
        audience=settings.invoker_audience,
        certificates=Certificates(monotonic=time.monotonic),
        clock=time.time,
    )


async def platform_call(request: Request, callers: Callers | None, work: Callable[[], Awaitable[Response]]) -> Response:
    """What `work` answers where the platform calls, and 503 where it cannot come to its end now."""
    if request.method != "POST":
        return Response(status_code=405, headers={"Allow": "POST"})
    with bind_request(request.headers):
        try:
            if callers is not None:
                await callers.check(request.headers.get("authorization", ""))
            return await work()
        except Unauthenticated as refusal:
            _tell_refused(refusal)
            return Response(status_code=401)
        except (GoogleError, StoreUnavailable) as error:
            return _not_now(error)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody hears it


def _not_now(error: BridgeError) -> Response:
    logger.warning("answered 503, to be called again: %s", error)
    return Response(status_code=503, headers={"Retry-After": "5"})


def _tell_refused(refusal: Unauthenticated) -> None:
    """Anybody can cause such a line."""
    for flood in _refused.over():
        logger.warning("%d more calls were refused within %g s", flood.lines, flood.seconds)
    if _refused.passes(""):
        logger.warning("a call was refused: %s", refusal.reason)
