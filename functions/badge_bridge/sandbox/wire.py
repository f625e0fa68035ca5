"""From an HTTP request to a call of a REST method, and from an answer to bytes.

    /rest/{user id}/{secret}/{method}[.json]     an inbound webhook
    /rest/{method}[.json]                        OAuth: the access token is the parameter `auth`

GET and POST; parameters in the query, in a JSON object, or urlencoded with PHP brackets; a body wins over the query
(Bitrix24 docs, "How to call REST"). The token is looked for in the parameters alone: an `Authorization` header is not
part of the documented contract. The real portal also takes multipart bodies; the sandbox does not and says so.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

from badge_bridge.sandbox.errors import Refusal
from badge_bridge.sandbox.phpform import parse_form
from badge_bridge.sandbox.registry import CredentialKind

__all__ = ["MAX_BODY", "Answer", "Call", "Target", "read_json_object", "read_params", "read_target"]

MAX_BODY = 4 * 1024 * 1024
"""Bytes. More than any documented call needs."""

_MAX_NESTING = 64


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names. `user_id` and `secret` are those of the webhook form; the method is in lower case."""

    method: str
    user_id: int | None = None
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Call:
    """One call, its credential apart from its parameters, so that the log cannot show it by accident."""

    method: str
    params: dict[str, Any]
    user_id: int | None = None
    secret: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    secure: bool = False

    @property
    def kind(self) -> CredentialKind | None:
        """What kind of credential the call shows, whether it is good or not."""
        if self.user_id is not None:
            return "webhook"
        return "oauth" if self.token else None


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back. `error` and `result` repeat the body's content for the log; `location` is where 302 points to."""

    status: int
    body: bytes
    media_type: str = "application/json; charset=utf-8"
    error: str | None = None
    result: Any = None
    location: str = ""

    @classmethod
    def of_error(cls, code: str, description: str, status: int) -> Answer:
        body = json.dumps({"error": code, "error_description": description}).encode()
        return cls(status, body, error=code)

    @classmethod
    def of_envelope(cls, envelope: dict[str, Any]) -> Answer:
        return cls(200, json.dumps(envelope).encode(), result=envelope["result"])


def read_target(path: str) -> Target:
    """Read what follows `/rest/`.

    Raises:
        Refusal: the path has neither of the two forms, or asks for another format than JSON.
    """
    parts = path.strip("/").split("/")
    if len(parts) == 1 and parts[0]:
        return Target(_method_name(parts[0]))
    if len(parts) == 3 and parts[0].isdecimal() and parts[0].isascii() and len(parts[0]) < 10:
        return Target(_method_name(parts[2]), int(parts[0]), parts[1])
    raise Refusal("ERROR_METHOD_NOT_FOUND")


def _method_name(last: str) -> str:
    """Method names count in any case. `.json` is the default; the sandbox has no `.xml`."""
    name = last.lower()
    if name.endswith(".xml"):
        raise Refusal(
            "INVALID_REQUEST", "The sandbox answers in JSON only: use .json or no suffix, not .xml", status=400
        )
    return name.removesuffix(".json")


def read_params(query: str, content_type: str, body: bytes) -> dict[str, Any]:
    """The parameters of a request, `auth` among them.

    Raises:
        Refusal: a body that cannot be read, or one of a type that the sandbox does not take.
    """
    params = parse_form(query)
    if body:
        params.update(_read_body(content_type, body))
    return params


def _read_body(content_type: str, body: bytes) -> dict[str, Any]:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "application/json" or media_type.endswith("+json"):
        return _read_json(body)
    if media_type == "application/x-www-form-urlencoded":
        return parse_form(body.decode("utf-8", "replace"))
    if media_type == "multipart/form-data":
        advice = "The sandbox does not read multipart bodies, though the real portal does: send JSON or urlencoded"
    else:
        advice = "Say with Content-Type whether the body is application/json or application/x-www-form-urlencoded"
    raise Refusal("INVALID_REQUEST", advice, status=415)


def _read_json(body: bytes) -> dict[str, Any]:
    try:
        return read_json_object(body)
    except ValueError as error:
        raise Refusal("INVALID_REQUEST", f"The body {error}", status=400) from error


def read_json_object(body: bytes) -> dict[str, Any]:
    """Read JSON strictly: what is accepted can be shown again as JSON by the log.

    Raises:
        ValueError: says in a few words what the body is not.
    """
    try:
        value = json.loads(body, parse_constant=_refuse_constant, parse_float=_finite)
        if b"\\u" in body:
            # A lone surrogate is accepted by Python and by no JSON reader elsewhere, PHP's included.
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ValueError("is not valid JSON") from error
    if not isinstance(value, dict):
        raise ValueError("is not a JSON object")  # noqa: TRY004 - the caller's mistake has one type
    if body.count(b"[") + body.count(b"{") > _MAX_NESTING and _depth(value) > _MAX_NESTING:
        raise ValueError(f"is nested deeper than {_MAX_NESTING} levels")
    return value


def _refuse_constant(name: str) -> float:
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _depth(value: Any) -> int:
    """Levels of lists and maps, counted level by level so that depth costs no stack."""
    depth, level = 0, [value]
    while level:
        nested = [item for item in level if isinstance(item, dict | list)]
        level = [inner for item in nested for inner in (item.values() if isinstance(item, dict) else item)]
        depth += bool(nested)
    return depth
