"""What the connections of a server share: their bounds, who gives way when there is no room, and what is told of it."""

from __future__ import annotations

import logging
import resource
from collections.abc import Callable
from dataclasses import dataclass, field

from badge_bridge.crowd import Crowd, Visitor
from badge_bridge.meters import Meters
from badge_bridge.observability.floods import FloodGate

__all__ = ["ConnectionLimits", "Door", "most_connections"]

logger = logging.getLogger("badge_bridge.connections")

CONNECTIONS = 1000
"""Far more than the providers of one company open; what they hold together fits into a small machine's memory."""

SPARE_FILES = 64
"""Open files that are not clients: the store, connections to the portals, the log."""

FEWEST_CONNECTIONS = 16

REFUSAL_LINES_SECONDS = 60.0


def most_connections() -> int:
    """`CONNECTIONS`, or what the limit of open files of this process leaves for clients."""
    files = _file_limit()
    return CONNECTIONS if files is None else min(CONNECTIONS, max(files - SPARE_FILES, FEWEST_CONNECTIONS))


def _file_limit() -> int | None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The bounds of one server."""

    connections: int = field(default_factory=most_connections)
    """Open at the same time. For one more, one that waits for its client is ended; where none does, the new one is
    answered with 503 and closed."""

    head_bytes: int = 32 * 1024
    """Of request line and headers; more is answered with 431. What nginx passes by default (4 buffers of 8 KiB); the
    heads of all known providers have less than 4 KiB. The headers after a chunked body have the same limit."""

    head_seconds: float = 10.0
    """For a head to be complete, from connecting or from the first byte of a further request. A provider sends it in
    one packet, and the most patient one gives up the whole request after 15 s (Twilio)."""

    answer_seconds: float = 30.0
    """For a client to read what it was sent."""


class Door:
    """Counts who comes in and what is refused, and says who has to leave. `clock` only rations log lines, and `whose`
    says in them for what or whom this listener is, such as deliveries; empty where there is only one.
    """

    def __init__(self, limits: ConnectionLimits, clock: Callable[[], float], meters: Meters, whose: str = "") -> None:
        self.limits = limits
        self._full = f"the listener for {whose} is full: " if whose else ""
        self.crowd = Crowd()
        self._meters = meters
        self._crowded = FloodGate(limit=1, seconds=REFUSAL_LINES_SECONDS, kinds=2, clock=clock)
        self._refused = FloodGate(seconds=REFUSAL_LINES_SECONDS, clock=clock)

    def is_full(self) -> bool:
        return self.crowd.size >= self.limits.connections

    def make_room(self) -> Visitor | None:
        """Who has to leave for a new one, and is not counted any more; None where all are busy."""
        leaving = self.crowd.first_to_go()
        if leaving is None:
            self._tell_no_room(
                logging.ERROR,
                "%srefused a connection with 503: all %d are in use by requests that are being answered%s; senders that"
                " retry will come back, others will not. Either the store is slow, or somebody floods this port%s",
            )
            return None
        many = self.crowd.waiting(leaving.network)
        self.crowd.leave(leaving)
        self._tell_no_room(
            logging.WARNING,
            "%sended the connection that had waited longest for its client, one of %d from %s, since a new one came and"
            " all %d are in use%s. If this goes on, somebody floods this port: limit connections per address"
            " in a reverse proxy or firewall in front%s",
            many,
            leaving.network,
        )
        return leaving

    def tell_refused(self, reason: str, text: str, *told: object) -> None:
        """Count a request that came to no source, and write a line of it, of a few of each reason."""
        self._meters.refused.add("", reason)
        for over in self._refused.over():
            logger.warning("%d more refused as %s within %g s", over.lines, over.kind, over.seconds)
        if self._refused.passes(reason):
            logger.warning(text, *told)

    def _tell_no_room(self, level: int, text: str, *told: object) -> None:
        self._meters.turned_away.add()
        left_out = sum(over.lines for over in self._crowded.over())
        if not self._crowded.passes(level):
            return
        files = _file_limit()
        few = files is not None and self.limits.connections < CONNECTIONS and files - SPARE_FILES < CONNECTIONS
        logger.log(
            level,
            text,
            self._full,
            *told,
            self.limits.connections,
            f" ({left_out} more since the last such line)" if left_out else "",
            f"; or raise the limit of open files, now {files} (ulimit -n, LimitNOFILE= in systemd)" if few else "",
        )
