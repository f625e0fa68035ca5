"""A Secret Manager and a Cloud Storage with made-up content: as a transport, or on a loopback port.

Answers as the REST APIs document it, errors and pages included, for the project `acme`.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import httpx

from badge_bridge.configuration import Google

__all__ = ["FakeGoogle", "crc32c"]

TOKEN = "token-of-acme"
PAGE = 2
"""Versions of one page, enabled or not, so that a page may hold fewer, or none, of those that are asked for; objects of
one page, too.
"""


def crc32c(data: bytes) -> int:
    """CRC-32C bit by bit, as its definition has it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@dataclass
class Version:
    data: bytes
    state: str = "ENABLED"


@dataclass
class FakeGoogle:
    secrets: dict[str, list[Version]] = field(default_factory=dict)
    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)
    earlier: dict[tuple[str, str], list[bytes]] = field(default_factory=dict)
    """What an object was before, the oldest first. Generations count from 1."""
    forbidden: set[str] = field(default_factory=set)
    """What nobody may do: `list` or `access` secrets, `read` objects or see their `versions`."""
    down: bool = False
    damaged: bool = False
    asked: list[httpx.Request] = field(default_factory=list)
    ignores_filter: bool = False
    """As an emulator may that knows lists without filters."""
    disabled_when_listed: set[str] = field(default_factory=set)
    """Secrets whose newest version somebody disables between the listing and the access."""

    def add(self, name: str, *values: str | bytes) -> None:
        """Versions of a secret, the oldest first."""
        self.secrets.setdefault(name, []).extend(
            Version(value.encode() if isinstance(value, str) else value) for value in values
        )

    def upload(self, bucket: str, name: str, content: bytes) -> None:
        """What the object was becomes one of its earlier versions."""
        if (bucket, name) in self.objects:
            self.earlier.setdefault((bucket, name), []).append(self.objects[bucket, name])
        self.objects[bucket, name] = content

    def disable(self, name: str, version: int, state: str = "DISABLED") -> None:
        self.secrets[name][version - 1].state = state

    @property
    def google(self) -> Google:
        """Itself in place of the network."""

        async def token(_rejected: str) -> str:
            return TOKEN

        return Google(tokens=token, transport=httpx.MockTransport(self.answer))

    @property
    def paths(self) -> list[str]:
        return [request.url.raw_path.decode() for request in self.asked]

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if self.down:
            return _error(503, "UNAVAILABLE", "The service is currently unavailable.")
        path = request.url.raw_path.decode().partition("?")[0]
        match path.split("/")[1:]:
            case ["storage", "v1", "b", bucket, "o", name]:
                return self._object(bucket, unquote(name), request.url.params)
            case ["storage", "v1", "b", bucket, "o"]:
                return self._versions(bucket, request.url.params)
            case ["v1", "projects", project, "secrets", name, "versions"]:
                return self._list(project, name, request.url.params)
            case ["v1", "projects", project, "secrets", name, "versions", version] if version.endswith(":access"):
                return self._access(project, name, version.removesuffix(":access"))
        return _error(404, "NOT_FOUND", f"nothing at {path}")

    def _object(self, bucket: str, name: str, params: httpx.QueryParams) -> httpx.Response:
        assert params["alt"] == "media"
        if "read" in self.forbidden:
            return httpx.Response(403, text="somebody does not have storage.objects.get access")
        contents = self._contents(bucket, name)
        generation = int(params.get("generation", "0"))
        content = contents.get(generation) if generation else self.objects.get((bucket, name))
        if content is None:
            return httpx.Response(404, text=f"No such object: {bucket}/{name}")
        return httpx.Response(200, content=content)

    def _contents(self, bucket: str, name: str) -> dict[int, bytes]:
        """By generation."""
        live = [self.objects[bucket, name]] if (bucket, name) in self.objects else []
        return dict(enumerate([*self.earlier.get((bucket, name), ()), *live], 1))

    def _versions(self, bucket: str, params: httpx.QueryParams) -> httpx.Response:
        assert params["versions"] == "true"
        if "versions" in self.forbidden:
            return httpx.Response(403, text="somebody does not have storage.objects.list access")
        names = sorted({name for one, name in (*self.objects, *self.earlier) if one == bucket})
        items = [
            {"name": name, "generation": str(generation)} | ({"timeDeleted": "2026-11-27T00:00:00Z"} if is_old else {})
            for name in names
            if name.startswith(params["prefix"])
            for generation in self._contents(bucket, name)
            for is_old in [generation <= len(self.earlier.get((bucket, name), ()))]
        ]
        start = int(params.get("pageToken", "0"))
        answer: dict[str, Any] = {"items": items[start : start + PAGE]}
        if not answer["items"]:
            del answer["items"]
        if start + PAGE < len(items):
            answer["nextPageToken"] = str(start + PAGE)
        return httpx.Response(200, json=answer)

    def _list(self, project: str, name: str, params: httpx.QueryParams) -> httpx.Response:
        refusal = self._refused("list", project, name)
        if refusal:
            return refusal
        assert params["filter"] == "state:ENABLED"
        versions = self.secrets[name]
        newest_first = range(len(versions), 0, -1)
        start = int(params.get("pageToken", "0"))
        page = [
            number
            for number in newest_first[start : start + PAGE]
            if self.ignores_filter or versions[number - 1].state == "ENABLED"
        ]
        answer: dict[str, Any] = {
            "versions": [
                {"name": f"projects/123/secrets/{name}/versions/{number}", "state": versions[number - 1].state}
                for number in page
            ]
        }
        if not page:
            del answer["versions"]
        if start + PAGE < len(versions):
            answer["nextPageToken"] = str(start + PAGE)
        if name in self.disabled_when_listed:
            versions[-1].state = "DISABLED"
        return httpx.Response(200, json=answer)

    def _access(self, project: str, name: str, version: str) -> httpx.Response:
        refusal = self._refused("access", project, name)
        if refusal:
            return refusal
        versions = self.secrets[name]
        number = len(versions) if version == "latest" else int(version)
        path = f"projects/123/secrets/{name}/versions/{number}"
        if not 0 < number <= len(versions):
            return _error(404, "NOT_FOUND", f"Secret Version [{path}] not found.")
        found = versions[number - 1]
        if found.state != "ENABLED":
            return _error(400, "FAILED_PRECONDITION", f"Secret Version [{path}] is in {found.state} state.")
        checksum = crc32c(found.data) ^ self.damaged
        payload = {"data": base64.b64encode(found.data).decode(), "dataCrc32c": str(checksum)}
        return httpx.Response(200, json={"name": path, "payload": payload})

    def _refused(self, what: str, project: str, name: str) -> httpx.Response | None:
        if what in self.forbidden:
            resource = f"projects/{project}/secrets/{name}"
            message = (
                f"Permission 'secretmanager.versions.{what}' denied for resource '{resource}' (or it may not exist)."
            )
            return _error(403, "PERMISSION_DENIED", message)
        if project != "acme" or name not in self.secrets:
            return _error(404, "NOT_FOUND", f"Secret [projects/123/secrets/{name}] not found.")
        return None

    @contextmanager
    def served(self) -> Iterator[str]:
        """`host:port`, as the variables for emulators have it."""
        google = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer = google.answer(
                    httpx.Request("GET", f"http://{self.headers['Host']}{self.path}", headers=dict(self.headers))
                )
                self.send_response(answer.status_code)
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            def log_message(self, *_: Any) -> None:
                """Nothing: the requests are kept."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
            thread.start()
            try:
                yield f"127.0.0.1:{server.server_address[1]}"
            finally:
                server.shutdown()
                thread.join()


def _error(code: int, status: str, message: str) -> httpx.Response:
    return httpx.Response(code, json={"error": {"code": code, "message": message, "status": status}})
