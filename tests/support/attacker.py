"""What an attacker has: raw sockets towards a bridge, and a server of his own that notices who comes."""

from __future__ import annotations

import resource
import select
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

__all__ = ["Flood", "Trap", "connected", "flood", "head", "raw", "trap"]

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


class Flood:
    """Clients that send a part of a request each and no more."""

    def __init__(self, url: str, parts: Sequence[bytes]) -> None:
        self._url = url
        self._parts = {connected(url): part for part in parts}
        self.renewed = 0
        for client, part in self._parts.items():
            self._begin(client, part)

    def renew(self) -> None:
        """Open each that was ended anew."""
        ended = select.poll()
        clients = {client.fileno(): client for client in self._parts}
        for number in clients:
            ended.register(number, select.POLLIN)
        for number, _ in ended.poll(0):
            part = self._parts.pop(clients[number])
            clients[number].close()
            again = connected(self._url)
            self._parts[again] = part
            self._begin(again, part)
            self.renewed += 1

    def close(self) -> None:
        for client in self._parts:
            client.close()

    def _begin(self, client: socket.socket, part: bytes) -> None:
        with suppress(ConnectionError):  # ended already
            client.sendall(part)


@contextmanager
def flood(url: str, parts: Sequence[bytes]) -> Iterator[Flood]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Some more than they are, for what else the run has open.
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, len(parts) + 500), hard))
    opened = Flood(url, parts)
    try:
        yield opened
    finally:
        opened.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


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
