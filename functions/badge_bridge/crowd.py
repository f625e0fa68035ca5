"""Who has to leave when there is room for nobody more: the order in which connections are given up.

Of the address that has most connections waiting, the one that has waited longest. So many that one address opens push
each other out and nobody else, and no number says how many an address may have: behind a proxy all have the same one.
"""

from __future__ import annotations

import socket
from collections import OrderedDict, defaultdict
from typing import Protocol

__all__ = ["Crowd", "Visitor", "network"]

_MAPPED = bytes(10) + b"\xff\xff"


def network(address: str) -> str:
    """What counts as one address: of IPv6 its first 64 bits, since who has one address there has them all."""
    if ":" not in address:
        return address
    packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    if packed.startswith(_MAPPED):
        return socket.inet_ntop(socket.AF_INET, packed[len(_MAPPED) :])
    return f"{socket.inet_ntop(socket.AF_INET6, packed[:8] + bytes(8))}/64"


class Visitor(Protocol):
    """A connection, as far as it matters here."""

    network: str
    moved_on: bool
    """Whether a request of his was complete since he was last put at the end of the queue; we set it back."""

    def is_awaited(self) -> bool:
        """Whether it is his turn to do something, rather than the server's."""


class Crowd:
    """All that are inside.

    Nothing is done when a request comes: who is busy is found out when somebody has to leave. Each look that finds one
    was paid for by a request that was complete, so that nobody makes a look longer by only connecting.
    """

    def __init__(self) -> None:
        self.size = 0
        self._queues: dict[str, OrderedDict[Visitor, None]] = {}
        """By network, those that waited when they were last looked at, the longest first."""
        self._busy: set[Visitor] = set()
        self._networks: defaultdict[int, dict[str, None]] = defaultdict(dict)
        """By the length of their queues, so that the longest is known without a search."""
        self._longest = 0

    def waiting(self, network: str) -> int:
        """How long the queue of a network is."""
        return len(self._queues.get(network, ()))

    def enter(self, visitor: Visitor) -> None:
        self.size += 1
        self._queue(visitor)

    def leave(self, visitor: Visitor) -> None:
        """Forget one; one that was forgotten already changes nothing."""
        if visitor in self._busy:
            self._busy.discard(visitor)
        elif not self._unqueue(visitor):
            return
        self.size -= 1

    def is_free(self, visitor: Visitor) -> None:
        """One that was found busy may wait again; of all others it was not known."""
        if visitor in self._busy:
            self._busy.discard(visitor)
            self._queue(visitor)

    def first_to_go(self) -> Visitor | None:
        """Who has to leave before anybody else; None where all are busy."""
        while self._longest:
            queue = self._queues[next(iter(self._networks[self._longest]))]
            first = next(iter(queue))
            if not first.is_awaited():
                self._unqueue(first)
                self._busy.add(first)
            elif first.moved_on:
                first.moved_on = False
                queue.move_to_end(first)
            else:
                return first
        return None

    def _queue(self, visitor: Visitor) -> None:
        queue = self._queues.setdefault(visitor.network, OrderedDict())
        queue[visitor] = None
        self._resize(visitor.network, len(queue) - 1, len(queue))

    def _unqueue(self, visitor: Visitor) -> bool:
        queue = self._queues.get(visitor.network)
        if queue is None or visitor not in queue:
            return False
        del queue[visitor]
        self._resize(visitor.network, len(queue) + 1, len(queue))
        if not queue:
            del self._queues[visitor.network]
        return True

    def _resize(self, network: str, before: int, now: int) -> None:
        peers = self._networks[before]
        peers.pop(network, None)
        if not peers:
            del self._networks[before]
        if now:
            self._networks[now][network] = None
        # One that was the longest is now one shorter, and nobody else was longer.
        self._longest = max(self._longest, now) if now > before or self._networks.get(self._longest) else now
