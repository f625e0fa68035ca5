"""What systemd is told of a service (`Type=notify`): that it has started, that it is alive, that it stops.

The protocol is one datagram for each word, to the socket that NOTIFY_SOCKET names (sd_notify(3)); WATCHDOG_USEC says
within how many microseconds the next sign of life is due. Where nobody asks for it, nothing is said.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping

__all__ = ["ServiceManager"]

logger = logging.getLogger("badge_bridge.serve")


class ServiceManager:
    """The one that the environment tells of, if any. `pid` is this process's."""

    def __init__(self, environ: Mapping[str, str], *, pid: int | None = None) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # What begins with @ has no file, and a zero byte in its place.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        waits = environ.get("WATCHDOG_USEC", "")
        is_meant = environ.get("WATCHDOG_PID", "") in {"", str(os.getpid() if pid is None else pid)}
        self.patience = int(waits) / 1e6 if self._address and is_meant and waits.isdecimal() else 0.0
        """Seconds within which it wants a sign of life; 0 where it wants none."""

    def started(self) -> None:
        self._say("READY=1")

    def stopping(self) -> None:
        self._say("STOPPING=1")

    async def hear_signs_of_life(
        self, lives: Callable[[], bool], *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """Give a sign three times as often as it is wanted, for as long as it `lives`: without one it is killed."""
        while self.patience:
            if lives():
                self._say("WATCHDOG=1")
            await sleep(self.patience / 3)

    def _say(self, word: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                sender.sendto(word.encode(), self._address)
        except OSError as error:
            logger.warning("the service manager could not be told %s: %s", word, error)
