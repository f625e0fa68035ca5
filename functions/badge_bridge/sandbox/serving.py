"""The sandbox on a socket, with connections that a fault can break."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from badge_bridge.sandbox.app import BREAK_CONNECTION, create_app
from badge_bridge.sandbox.holding import Holds
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.sending import Sender
from badge_bridge.sandbox.tls import Tls
from badge_bridge.serving import HttpProtocol, Server, bind

__all__ = ["SandboxServer"]


class _BreakableProtocol(HttpProtocol):
    """Offers the application to break the connection, which ASGI has no word for."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {BREAK_CONNECTION: self.transport.abort}  # type: ignore[dict-item, typeddict-unknown-key, unused-ignore]


class SandboxServer:
    """A portal on a socket that is bound at once: `url` is known before it starts.

        async with SandboxServer(portal) as server:
            print(portal.webhook_url(server.url))

    Port 0 is any free one. Several may run in one event loop; a stopped one is not started again.

    Raises:
        SettingsError: the port is taken, or the host is not one of this machine.
    """

    def __init__(
        self, portal: SandboxPortal, *, host: str = "127.0.0.1", port: int = 0, tls: Tls | None = None
    ) -> None:
        self.portal = portal
        self._holds = Holds()
        self.sender = Sender(clock=portal.clock)
        self._server = Server(
            create_app(portal, holds=self._holds, sender=self.sender),
            bind(host, port),
            protocol=_BreakableProtocol,
            ssl_certfile=tls.server if tls else None,
            timeout_graceful_shutdown=2,
        )
        portal.office.address = self._server.url

    @property
    def url(self) -> str:
        """`http://127.0.0.1:8090`, without a slash at the end."""
        return self._server.url

    @property
    def port(self) -> int:
        return self._server.port

    async def start(self) -> None:
        """Return when requests are answered."""
        await self._server.start()

    async def stop(self) -> None:
        """Let go of held answers, finish the others, close the socket."""
        self._holds.release()
        await self.sender.close()
        await self._server.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
