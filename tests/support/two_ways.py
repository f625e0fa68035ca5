"""A network between a sandbox portal and the bridge that works both ways: calls go there, events come back."""

from __future__ import annotations

import httpx

from badge_bridge.sandbox.app import create_app
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.sending import Sender
from support.company import Network
from support.portals import virtual_clock

__all__ = ["TELEPHONY", "TwoWays"]

TELEPHONY = """  telephony: {provider: bitrix24, public_url: http://127.0.0.1:8080/hooks/telephony}
badges:"""
"""The source that the portal's events go to, for `badges:` in `company.RULES`."""


class WayBack(httpx.AsyncBaseTransport):
    """What the portal sends reaches the bridge, once there is one; `statuses` are its answers."""

    def __init__(self) -> None:
        self.bridge: httpx.ASGITransport | None = None
        self.statuses: list[int] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert self.bridge is not None
        response = await self.bridge.handle_async_request(request)
        self.statuses.append(response.status_code)
        return response


class TwoWays(Network):
    """A network by which the portal reaches the bridge as well."""

    def __init__(self, portal: SandboxPortal, latency: float) -> None:
        super().__init__(portal, latency)
        self.back = WayBack()
        self.sender = Sender(transport=self.back, clock=virtual_clock)
        self._inner = httpx.ASGITransport(create_app(portal, sender=self.sender))
