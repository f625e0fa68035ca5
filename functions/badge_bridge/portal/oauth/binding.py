"""Which events the portal shall send us, and where.

Handlers belong to the installation: they vanish with the application and with every update of it, so binding is done
again and again and has to be harmless (Bitrix24 docs, "event.bind"). The portal refuses a handler that is bound
already, so it is asked first, by `event.get`, and where that cannot be read, afterwards.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from badge_bridge.errors import CallRefused, PortalError, StoreUnavailable

__all__ = [
    "CALLS",
    "LIFE",
    "TEST",
    "Bound",
    "Call",
    "Handlers",
    "bind",
    "bind_events",
    "install_beside",
    "unbind",
    "unbound",
]

Call = Callable[[str, Mapping[str, Any]], Awaitable[Any]]
"""`PortalClient.call`."""

CALLS = ("ONVOXIMPLANTCALLEND", "ONVOXIMPLANTCALLSTART")
LIFE = ("ONAPPUNINSTALL", "ONAPPUPDATE")
TEST = "ONAPPTEST"

_OPTIONAL = frozenset({"ONAPPUPDATE"})
"""Not offered by every portal, and not needed there: a local application that is edited is not always updated."""
_NO_SUCH_EVENT = "error_event_not_found"


_HOOK = re.compile(r"/hooks/[a-z0-9][a-z0-9_-]*/?")


@dataclass(frozen=True, slots=True)
class Handlers:
    """Our URLs as the portal reaches them: `calls` is that of a source, `life` the one that takes installations.

    Either is empty where it is not known, and its events are not asked for then.
    """

    calls: str = ""
    life: str = ""

    def urls(self) -> dict[str, str]:
        """The URL for each event that can be asked for."""
        wanted = {**dict.fromkeys(CALLS, self.calls), **dict.fromkeys(LIFE, self.life)}
        return {event: url for event, url in wanted.items() if url}


def install_beside(hook_url: str) -> str:
    """Where a bridge takes installations whose source is at `https://<bridge>/hooks/<source>`.

    Empty where the URL ends otherwise: a proxy rewrites paths then, and only a person knows what it makes of /install.
    """
    start, hooks, name = hook_url.rpartition("/hooks/")
    return f"{start}/install" if _HOOK.fullmatch(f"{hooks}{name}") else ""


@dataclass(frozen=True, slots=True)
class Bound:
    """What came of binding: the events that will come, those of them that would not have come without it, and why
    others will not, by event.
    """

    bound: tuple[str, ...]
    added: tuple[str, ...]
    missing: Mapping[str, str]


async def bind_events(call: Call, handlers: Handlers) -> Bound:
    """See to it that the portal sends the events of calls and of the application's life. Never raises for one event.

    Raises:
        PortalError, StoreUnavailable: none of them could be asked for.
    """
    wanted = handlers.urls()
    had = have = await _registered(call)
    missing = {event: url for event, url in wanted.items() if (event, url) not in have}
    said = await asyncio.gather(*(_try(call, event, url) for event, url in missing.items()))
    refused = {event: error for event, error in zip(missing, said, strict=True) if error is not None}
    if refused:
        have = await _registered(call)  # where two processes bind together, one of them is refused
    reasons = {
        event: str(error)
        for event, error in refused.items()
        if (event, wanted[event]) not in have and not _does_without(event, error)
    }
    bound = tuple(event for event in wanted if event not in refused or (event, wanted[event]) in have)
    return Bound(bound, tuple(event for event in bound if (event, wanted[event]) not in had), reasons)


async def unbound(call: Call, handlers: Handlers) -> tuple[str, ...]:
    """The events that the portal does not send to these URLs; asks once and changes nothing.

    One that a portal need not offer is named beside others only. One whose URL is not known is never there.

    Raises:
        PortalError, StoreUnavailable: the portal does not say.
    """
    have = _rows(await call("event.get", {}))
    urls = handlers.urls()
    wanted = (*(CALLS if handlers.calls else ()), *LIFE)
    lacking = tuple(event for event in wanted if (event, urls.get(event, "")) not in have)
    return lacking if set(lacking) - _OPTIONAL else ()


async def bind(call: Call, event: str, url: str) -> None:
    """Bind one event to a URL; that it is bound already is fine.

    Raises:
        PortalError, StoreUnavailable: it is not bound.
    """
    try:
        await call("event.bind", {"event": event, "handler": url})
    except CallRefused:
        if (event, url) not in await _registered(call):
            raise


async def unbind(call: Call, event: str, url: str) -> None:
    """Ask the portal to send an event no longer."""
    await call("event.unbind", {"event": event, "handler": url})


async def _try(call: Call, event: str, url: str) -> PortalError | StoreUnavailable | None:
    try:
        await call("event.bind", {"event": event, "handler": url})
    except (PortalError, StoreUnavailable) as error:
        return error
    return None


def _does_without(event: str, error: PortalError | StoreUnavailable) -> bool:
    return event in _OPTIONAL and isinstance(error, PortalError) and error.code.casefold() == _NO_SUCH_EVENT


async def _registered(call: Call) -> set[tuple[str, str]]:
    """Event and URL of the handlers that the portal has for this application; none where it does not say."""
    try:
        return _rows(await call("event.get", {}))
    except CallRefused:
        return set()


def _rows(listed: object) -> set[tuple[str, str]]:
    rows = listed if isinstance(listed, list) else []
    return {(str(row.get("event", "")).upper(), str(row.get("handler", ""))) for row in rows if isinstance(row, dict)}
