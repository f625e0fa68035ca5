"""What an attacker has: raw sockets towards a bridge, and a server of his own that notices who comes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Trap", "connected", "head", "raw", "trap"]

_ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{"result": 1}'


class Trap:
    """A listening socket that answers everybody, and keeps what each has sent first."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.port: int = listener.getsockname()[1]
        self.heard: list[bytes] = []

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def _listen(self) -> None:
        while True:
            try:
                visitor, _ = self._listener.accept()
            except OSError:
                return
            with visitor:
                visitor.settimeout(5)
                try:
                    self.heard.append(visitor.recv(65536))
                    visitor.sendall(_ANSWER)
                except OSError:
                    self.heard.append(b"(came and said nothing)")


@contextmanager
def trap() -> Iterator[Trap]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        opened = Trap(listener)
        threading.Thread(target=opened._listen, daemon=True).start()
        yield opened
        listener.shutdown(socket.SHUT_RDWR)


def connected(url: str) -> socket.socket:
    host, _, port = url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=20)


def raw(url: str, request: bytes) -> bytes:
    """What is answered to these bytes until the connection ends; the request has to ask for that."""
    answer = b""
    with connected(url) as client:
        client.sendall(request)
        while more := client.recv(65536):
            answer += more
    return answer


def head(answer: bytes) -> tuple[int, list[str]]:
    """The status, and the names of the headers in lower case."""
    status, *lines = answer.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    return int(status.split()[1]), [line.partition(":")[0].lower() for line in lines]
