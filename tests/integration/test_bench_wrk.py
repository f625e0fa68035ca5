"""What the closed loop counts, and between which moments, against servers that answer oddly or late."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench.speed.deliveries import write_requests
from bench.speed.wrk import CONNECTIONS, load

Find = Callable[[str], str]

LATE = 0.3
"""Seconds."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 2 * CONNECTIONS


@contextmanager
def answering(status: int, *, after: float = 0.0) -> Iterator[int]:
    """A server on a loopback port that answers everything like this; its port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(after)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with _Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


@pytest.mark.parametrize("status", [302, 404, 503])
def test_turn_is_no_measurement_when_something_is_answered_otherwise_than_with_2xx(
    status: int, tmp_path: Path, optional_program: Find
) -> None:
    """A redirect is quickly said, and nothing is stored by it."""
    optional_program("wrk")
    requests = write_requests(tmp_path, CONNECTIONS)

    with answering(status) as port, pytest.raises(AssertionError, match=f"{CONNECTIONS} requests were not answered"):
        load(port, requests, 0.1)


def test_last_answers_are_within_the_time_when_a_rate_is_told(tmp_path: Path, optional_program: Find) -> None:
    """Each connection sends one request, all of them at once: what there is to measure is how long they are under way."""
    optional_program("wrk")
    requests = write_requests(tmp_path, CONNECTIONS)

    with answering(204, after=LATE) as port:
        loaded = load(port, requests, 0.1)

    assert loaded.answered == CONNECTIONS
    assert loaded.seconds >= LATE
