"""Deliveries in files: as `badge-bridge sign` writes them, or as one HTTP request goes over the wire.

    [{"method": "POST", "url": "https://host/hooks/reception", "headers": {"content-type": "..."}, "body": "..."}]

    POST /hooks/reception HTTP/1.1
    Content-Type: application/x-www-form-urlencoded

    CallSid=CA123&...

    curl --header 'content-type: ...' --data-raw 'CallSid=CA123&...' https://host/hooks/reception

The request is what a proxy or a packet capture shows. A signature covers every byte: the body is taken as it stands,
but for what an editor has added at its end, which Content-Length tells.
"""

from __future__ import annotations

import base64
import codecs
import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from badge_bridge import curl_commands
from badge_bridge.errors import BridgeError
from badge_bridge.sources.base import Delivery
from badge_bridge.sources.receiving import HOOK

__all__ = ["NotADelivery", "parse", "record"]

_COMMANDS = re.compile(rb"\s*(?:#[^\n]*\n\s*)*(?:\$[ \t]+)?(?:\S*/)?curl(?:\s|$)")
"""Perhaps with comments before it, or the prompt behind which it was copied."""
_REQUEST_LINE = re.compile(rb"[\r\n]*([A-Z]{1,16}) (\S{1,16384}) HTTP/[0-9.]+\r?\n")
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")


class NotADelivery(BridgeError):
    """What was given is no delivery in a form that can be read."""


def _decoded(text: object) -> bytes:
    if not isinstance(text, str):
        raise ValueError("this is no text")  # noqa: TRY004 - pydantic tells of a ValueError
    return base64.b64decode(text, validate=True)


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid")

    method: str = "POST"
    url: str
    headers: dict[str, str] | list[tuple[str, str]] = Field(default_factory=dict)
    body: str = ""
    body_base64: Annotated[bytes, BeforeValidator(_decoded)] = b""

    @model_validator(mode="after")
    def _has_one_body(self) -> _Record:
        if self.body and self.body_base64:
            raise ValueError("body and body_base64 are both given")
        return self


_RECORDS = TypeAdapter(list[_Record])


def record(delivery: Delivery, url: str) -> dict[str, Any]:
    """A delivery as `parse` reads it. A body that is no UTF-8 stands under `body_base64` instead of `body`."""
    repeats = len({name for name, _ in delivery.headers}) < len(delivery.headers)
    body: Mapping[str, str]
    try:
        body = {"body": delivery.body.decode("utf-8")}
    except UnicodeDecodeError:
        body = {"body_base64": base64.b64encode(delivery.body).decode("ascii")}
    pairs = [(name, _as_text(value)) for name, value in delivery.headers]
    headers = [list(pair) for pair in pairs] if repeats else dict(pairs)
    return {"method": delivery.method, "url": url, "headers": headers, **body}


def parse(content: bytes, *, at: float) -> Sequence[tuple[str, Delivery]]:
    """The deliveries in a file, each with the name of the source that its path names; received `at` unix seconds.

    Raises:
        NotADelivery: says what stands there instead.
    """
    content = content.removeprefix(codecs.BOM_UTF8)
    if not content.strip():
        raise NotADelivery("there is nothing in it")
    if content.lstrip()[:1] in (b"[", b"{"):
        return [_delivery(one, at) for one in _records(content)]
    if _COMMANDS.match(content):
        return _from_commands(content, at)
    return [_request(content, at)]


def _records(content: bytes) -> Sequence[_Record]:
    try:
        value = json.loads(content)
        records = _RECORDS.validate_python(value if isinstance(value, list) else [value])
    except (ValueError, RecursionError) as error:
        if isinstance(error, ValidationError):
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise NotADelivery(
                f"this JSON is no delivery as `badge-bridge sign --json` writes it ({where}: {first['msg']}); "
                "for a body alone, write the request's line and its headers before it"
            ) from error
        raise NotADelivery(f"this begins as JSON and is none: {error}") from error
    if not records:
        raise NotADelivery("this list of deliveries is empty")
    return records


def _delivery(one: _Record, at: float) -> tuple[str, Delivery]:
    pairs = one.headers.items() if isinstance(one.headers, dict) else one.headers
    try:
        headers = [(name.lower(), _from_text(value)) for name, value in pairs]
        body = one.body_base64 or one.body.encode()
        "".join([one.method, one.url, *(name for name, _ in headers)]).encode()
    except UnicodeEncodeError as error:
        raise NotADelivery("this JSON has half of a surrogate pair; write such a body as body_base64") from error
    return _addressed(one.method, one.url, headers, body, at)


def _as_text(value: str) -> str:
    """A header's bytes as the UTF-8 that they mostly are; what else they are stays as it is, too."""
    return value.encode("latin-1").decode("utf-8", "surrogateescape")


def _from_text(value: str) -> str:
    return value.encode("utf-8", "surrogateescape").decode("latin-1")


def _from_commands(content: bytes, at: float) -> Sequence[tuple[str, Delivery]]:
    try:
        found = curl_commands.read(content)
    except ValueError as error:
        raise NotADelivery(f"this curl command cannot be read: {error}") from error
    return [_addressed(one.method, one.url, one.headers, one.body or b"", at) for one in found]


def _request(content: bytes, at: float) -> tuple[str, Delivery]:
    line = _REQUEST_LINE.match(content)
    if line is None:
        raise NotADelivery(
            "this is neither JSON nor a curl command, nor an HTTP request, which begins with a line such as "
            "POST /hooks/reception HTTP/1.1, then its headers, an empty line, and the body"
        )
    end = _END_OF_HEAD.search(content, line.end() - len(b"\r\n"))
    head, body = (content[line.end() : end.start()], content[end.end() :]) if end else (content[line.end() :], b"")
    headers = []
    first = content.count(b"\n", 0, line.end()) + 1
    for number, text in enumerate(_lines(head), start=first):
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            raise NotADelivery(f"line {number} is no header: one is written as Name: value")
        headers.append((name.strip().lower(), value.strip(" \t")))
    return _addressed(line[1].decode(), line[2].decode("latin-1"), headers, _whole(body, dict(headers)), at)


def _lines(head: bytes) -> Sequence[str]:
    """Not by splitlines, to which parts of letters in UTF-8 are ends of lines."""
    text = head.decode("latin-1").rstrip("\r\n")
    return re.split(r"\r?\n", text) if text else ()


def _whole(body: bytes, headers: Mapping[str, str]) -> bytes:
    if "transfer-encoding" in headers:
        raise NotADelivery("the body is in chunks (Transfer-Encoding); write it in one piece, without that header")
    declared = headers.get("content-length", "")
    if not (declared.isascii() and declared.isdigit()):
        return body
    if len(body) < int(declared[:12]):
        raise NotADelivery(f"the body has {len(body)} bytes, and Content-Length says {declared}: the rest is missing")
    return body[: int(declared[:12])]


def _addressed(
    method: str, url: str, headers: Sequence[tuple[str, str]], body: bytes, at: float
) -> tuple[str, Delivery]:
    try:
        split = urlsplit(url)
    except ValueError as error:
        raise NotADelivery(f"this is no URL: {url[:200]}") from error
    path = unquote(split.path)
    # A proxy may have taken it in below a path of its own.
    hook = HOOK.fullmatch(path[max(path.rfind("/hooks/"), 0) :])
    if hook is None:
        raise NotADelivery(f"a delivery goes to /hooks/ and the name of a source; this one goes to {split.path[:200]}")
    return hook[1], Delivery(method=method, query=split.query, headers=headers, body=body, received_at=at, path=hook[2])
