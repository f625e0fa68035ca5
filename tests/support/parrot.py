"""A portal that repeats whatever it is told, secrets and all, in each way in which an answer can be bad."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["MOODS", "Parrot", "parrot"]


def _http(status: int, body: str, *headers: str) -> bytes:
    content = body.encode()
    head = "\r\n".join([f"HTTP/1.1 {status} said", f"Content-Length: {len(content)}", "Connection: close", *headers])
    return f"{head}\r\n\r\n".encode("latin-1", "replace") + content


def _json(status: int, answer: Mapping[str, Any]) -> bytes:
    return _http(status, json.dumps(answer), "Content-Type: application/json")


def _error(status: int, code: str) -> Callable[[str, Any], bytes]:
    return lambda said, _told: _json(status, {"error": code, "error_description": said})


def _each_refused(said: str, told: Any) -> bytes:
    """A batch whose commands are refused one by one; a single call is refused alone."""
    error = {"error": "ERROR_CORE", "error_description": said}
    commands = told.get("cmd") if isinstance(told, dict) else None
    if not commands:
        return _json(400, error)
    results = {"result": {}, "result_error": dict.fromkeys(commands, error), "result_total": {}, "result_next": {}}
    return _json(200, {"result": results, "time": {}})


def _lets_in(said: str, _told: Any) -> bytes:
    """An application is believed at first, and its tokens neither work nor are renewed after that."""
    path = said.partition(" ")[0].partition("?")[0]
    if path == "/oauth/token/":
        return _json(400, {"error": "invalid_grant", "error_description": said})
    if path == "/rest/app.info":
        return _json(200, {"result": {"CODE": "local.parrot", "STATUS": "L", "INSTALLED": True}, "time": {}})
    if path == "/rest/profile":
        return _json(200, {"result": {"ID": "1", "ADMIN": True}, "time": {}})
    return _json(401, {"error": "expired_token", "error_description": said})


def _to(address: str) -> Callable[[str, Any], bytes]:
    return lambda said, _told: _http(302, said, f"Location: {address}{' '.join(said.split())}")


MOODS: Mapping[str, Callable[[str, Any], bytes]] = {
    "refuses": _error(400, "ERROR_CORE"),
    "refuses-each": _each_refused,
    "knows-nothing": _error(400, "NOT_FOUND"),
    "denies": _error(401, "INVALID_CREDENTIALS"),
    "forbids": _error(403, "insufficient_scope"),
    "limits": _error(503, "QUERY_LIMIT_EXCEEDED"),
    "blocks": _error(429, "OVERLOAD_LIMIT"),
    "names-errors-oddly": lambda said, _told: _json(400, {"error": said, "error_description": [said]}),
    "sends-away": _to("https://evil.example/rest/?"),
    "sends-to-a-page": _to("/login?"),
    "sends-to-a-file": _to("file:///etc/passwd?"),
    "shows-a-page": lambda said, _told: _http(200, f"<html>{said}</html>", "Content-Type: text/html"),
    "fails": lambda said, _told: _http(500, said),
    "cuts-json": lambda said, _told: _http(200, json.dumps({"result": said})[:-2]),
    "answers-oddly": lambda said, _told: _json(200, {"result": [said], "next": said, "time": said}),
    "breaks-off": lambda said, _told: _http(200, said)[:-1],
    "speaks-no-http": lambda said, _told: f"{said}\r\n\r\n".encode(),
    "lets-in": _lets_in,
    "sets-cookies": lambda said, _told: _http(500, said, f"Set-Cookie: session={said.split()[0]}; Path=/"),
}
"""What an answer is like, given what the portal was told as text, and as JSON where it is some."""


class Parrot:
    """The running portal: its address, what it has heard, and what it adds to each of its answers."""

    def __init__(self, url: str, mood: str, adds: str) -> None:
        self.url = url
        self.mood = mood
        self.adds = adds
        self.heard: list[str] = []


@contextmanager
def parrot(mood: str, adds: str = "") -> Iterator[Parrot]:
    """A portal on a loopback port that is always in this mood."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            said = f"{self.path} {body} {bird.adds}"
            bird.heard.append(said)
            try:
                told = json.loads(body)
            except ValueError:
                told = None
            self.wfile.write(MOODS[mood](said, told))
            self.close_connection = True

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        bird = Parrot(f"http://127.0.0.1:{server.server_address[1]}", mood, adds)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield bird
        finally:
            server.shutdown()
