"""The Pub/Sub dispatcher: tells the function `process` which events are new, by one message each.

It owns no work either: an event is in the store before its message leaves, and what no message tells of is found by
the function `sweep`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from badge_bridge.errors import GoogleError, SettingsError
from badge_bridge.gcp.addresses import api_at
from badge_bridge.gcp.rest import GoogleApi, again_where_lost
from badge_bridge.gcp.tokens import access_tokens
from badge_bridge.http import AsyncBaseTransport
from badge_bridge.misplaced import repeated
from badge_bridge.observability.floods import FloodGate

__all__ = ["KEY", "LOOK", "PATIENCE", "PubSubDispatcher", "pubsub_dispatcher"]

logger = logging.getLogger("badge_bridge.dispatch")

KEY = "key"
"""The attribute of a message that names an event."""

LOOK = {"look": "due"}
"""The attributes of a message about no event in particular: something may be due."""

PATIENCE = 2.0
"""Seconds to publish in: the provider is waiting, and Cloud Run gives a request no CPU once it is answered."""

_MOST = 1000
"""Messages in one request (Pub/Sub docs, "Quotas and limits")."""

_ADDRESS = "https://pubsub.googleapis.com"
# Resource Manager docs, "Creating projects" (older ones begin with a domain); Pub/Sub docs, "Resource names".
_URL = re.compile(
    r"pubsub://(?P<project>[a-z][a-z0-9.:-]{4,}[a-z0-9])/(?P<topic>(?!goog)[A-Za-z][\w.~+%-]{2,254})", re.ASCII
)


class PubSubDispatcher:
    """Publishes to one topic, `projects/P/topics/T`."""

    def __init__(self, api: GoogleApi, topic: str, *, gate: FloodGate | None = None) -> None:
        self._api = api
        self._topic = topic
        self._gate = gate or FloodGate()

    async def wake(self, keys: Sequence[str]) -> None:
        """Publish the keys; without any, that something may be due. A failure costs time, and is only logged."""
        messages: list[Mapping[str, Any]] = [{"attributes": {KEY: key}} for key in keys] or [{"attributes": LOOK}]
        try:
            async with asyncio.timeout(PATIENCE):
                for start in range(0, len(messages), _MOST):
                    await self._publish(messages[start : start + _MOST])
        except TimeoutError:
            self._tell(f"no answer within {PATIENCE:g} s")
        except GoogleError as error:
            self._tell(str(error))

    async def _publish(self, messages: Sequence[Mapping[str, Any]]) -> None:
        body = {"messages": list(messages)}
        # An event that is told of twice is worked on once.
        await again_where_lost(
            lambda: self._api.call("POST", f"/v1/{self._topic}:publish", json=body, timeout=PATIENCE)
        )

    def _tell(self, why: str) -> None:
        for flood in self._gate.over():
            logger.warning("%s: %d more could not be published within %g s", flood.kind, flood.lines, flood.seconds)
        if self._gate.passes(self._topic):
            logger.warning("nothing could be published to %s, sweep will find what is new: %s", self._topic, why)

    async def close(self) -> None:
        await self._api.close()


def pubsub_dispatcher(dispatch: str, *, transport: AsyncBaseTransport | None = None) -> PubSubDispatcher | None:
    """What the setting DISPATCH names: None for `local`. PUBSUB_EMULATOR_HOST is honoured, as by all Google clients.

    Raises:
        SettingsError: neither `local` nor a topic.
    """
    if dispatch == "local":
        return None
    named = _URL.fullmatch(dispatch)
    if named is None:
        raise SettingsError(f"DISPATCH is {repeated(dispatch)}; it may be local or pubsub://PROJECT/TOPIC")
    api = api_at(
        _ADDRESS,
        emulator="PUBSUB_EMULATOR_HOST",
        environ=os.environ,
        tokens=access_tokens(transport=transport),
        transport=transport,
    )
    return PubSubDispatcher(api, f"projects/{named['project']}/topics/{named['topic']}")
