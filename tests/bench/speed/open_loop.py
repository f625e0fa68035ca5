"""An open loop: requests leave at a fixed rate whether earlier ones were answered or not.

    python -m bench.speed.open_loop PORT FILE SIZE RATE SECONDS CONNECTIONS

A latency counts from the moment at which its request was due, not from when a connection was free for it: a server that
stands still for a second makes all requests of that second late (coordinated omission). How late requests left while a
connection was free is told, to see that the generator keeps up.
Prints JSON: answers, seconds, milliseconds.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from bench.speed.deliveries import Requests
from bench.speed.figures import percentile
from bench.speed.processes import printed

__all__ = ["Paced", "paced"]

_PATIENCE = 10.0
"""Seconds that the last answers get."""


@dataclass(frozen=True, slots=True)
class Paced:
    answered: int
    p50: float
    """Milliseconds from when a request was due to its answer."""
    p99: float
    late: float
    """Milliseconds, p99, that requests left late although a connection was free."""


def paced(port: int, requests: Requests, rate: float, seconds: float, connections: int) -> Paced:
    """Send in a process of its own.

    Raises:
        AssertionError: something was refused, or not answered.
    """
    arguments = [port, requests.path, requests.size, rate, seconds, connections]
    said = json.loads(printed("open_loop", *arguments, seconds=seconds + 60))
    assert not said["refused"], f"{said['refused']} requests were refused"
    assert said["answered"] == said["sent"], f"{said['sent'] - said['answered']} requests were not answered"
    return Paced(said["answered"], said["p50_ms"], said["p99_ms"], said["late_p99_ms"])


class _Connection:
    __slots__ = ("due", "file", "free_since", "socket", "text")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.fileno()
        self.due = self.free_since = 0.0
        self.text = b""


def _run(port: int, data: bytes, size: int, rate: float, seconds: float, connections: int) -> dict[str, float]:
    clock = time.perf_counter
    every = {one.file: one for one in (_Connection(port) for _ in range(connections))}
    free = deque(every.values())
    total = min(int(rate * seconds), len(data) // size)
    latencies: list[float] = []
    late: list[float] = []
    sent = refused = 0
    start = clock() + 0.01
    end = start + seconds + _PATIENCE
    while len(latencies) < total and (now := clock()) < end:
        due = start + sent / rate
        while sent < total and free and due <= now:
            one = free.popleft()
            one.due = due
            one.socket.sendall(data[sent * size : (sent + 1) * size])
            late.append(now - max(due, one.free_since))
            sent += 1
            due = start + sent / rate
        # select(2) waits for microseconds, epoll for whole milliseconds; to wait without sleep would take a core.
        readable, _, _ = select.select(every, (), (), max(due - clock(), 0.0) if free and sent < total else _PATIENCE)
        for file in readable:
            one = every[file]
            one.text += one.socket.recv(65536)
            if one.text.endswith(b"\r\n\r\n"):
                one.free_since = clock()
                latencies.append(one.free_since - one.due)
                refused += not one.text.startswith(b"HTTP/1.1 2")
                one.text = b""
                free.append(one)
    return {
        "sent": sent,
        "answered": len(latencies),
        "refused": refused,
        "p50_ms": percentile(latencies, 50) * 1000,
        "p99_ms": percentile(latencies, 99) * 1000,
        "late_p99_ms": percentile(late, 99) * 1000,
    }


def main() -> None:
    port, path, size, rate, seconds, connections = sys.argv[1:]
    data = Path(path).read_bytes()
    print(json.dumps(_run(int(port), data, int(size), float(rate), float(seconds), int(connections))))


if __name__ == "__main__":
    main()
