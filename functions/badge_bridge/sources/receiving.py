"""What every delivery goes through, whatever its provider: its source is found, its events are read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from badge_bridge.ahead import MOST, believed
from badge_bridge.errors import Impossible, MethodNotAllowed, UnknownSource
from badge_bridge.sources.base import Delivery, Reading, Source

__all__ = ["HOOK", "find", "possible", "read"]

HOOK = re.compile(r"/hooks/([a-z0-9][a-z0-9_-]{0,62})((?:/[A-Za-z0-9._-]{1,100}){0,8})")
"""A source's path, and what some providers add to it (Mango: `/events/summary`)."""


def find(sources: Mapping[str, Source[Any]], name: str, method: str, path: str = "") -> Source[Any]:
    """The source behind `/hooks/{name}`; `path` is what follows that, for providers that add to the URL.

    Raises:
        UnknownSource: the rules file has no such source.
        MethodNotAllowed: the provider never sends such a request.
    """
    source = sources.get(name)
    if source is None or (path and not source.subpaths):
        raise UnknownSource("there is no such source")
    if method not in source.methods:
        raise MethodNotAllowed(f"this source takes {' and '.join(sorted(source.methods))}", allowed=source.methods)
    return source


def read(source: Source[Any], delivery: Delivery) -> Sequence[Reading]:
    """The events of a verified delivery, each with a time that can be true.

    Raises:
        Malformed, Impossible: as `Source.read`.
    """
    try:
        readings = source.read(delivery)
    except ValidationError as error:
        # What no provider could foresee, such as a time outside of all calendars.
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise Impossible(first["msg"], field=".".join(map(str, first["loc"]))) from error
    return possible(readings, delivery.received_at)


def possible(readings: Sequence[Reading], received_at: float) -> Sequence[Reading]:
    """The same, each with a time that can be true; their keys do not change by it. `received_at` is unix seconds."""
    latest = received_at + MOST
    for reading in readings:  # a delivery has one mostly, and its time is right: that costs a comparison
        if reading.event.time.timestamp() > latest:
            return [Reading(believed(event, received_at), identity) for event, identity in readings]
    return readings
