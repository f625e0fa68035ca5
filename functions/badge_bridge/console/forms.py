"""What a form of the console has sent, or a program as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs

from starlette.requests import Request

from badge_bridge.console.answers import Senseless

__all__ = ["MAX_FORM", "is_json", "is_too_large", "read_form", "read_json"]

MAX_FORM = 4 * 1024 * 1024
"""Bytes of a form: rules to try beside a delivery, each character of which may be written as three."""

_MOST_FIELDS = 2000


def is_too_large(request: Request) -> bool:
    """Whether the form is larger than any of ours, or does not say how large it is."""
    length = request.headers.get("content-length", "" if "transfer-encoding" in request.headers else "0")
    return not (length.isascii() and length.isdigit() and len(length) < 9 and int(length) <= MAX_FORM)


async def read_form(request: Request) -> Mapping[str, Sequence[str]]:
    """The fields of a form, each with what was sent under its name; empty ones too.

    Raises:
        Senseless: there are more fields than in any form of ours.
    """
    body = (await request.body()).decode("latin-1")
    try:
        return parse_qs(body, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise Senseless(f"a form has at most {_MOST_FIELDS:,} fields") from error


def is_json(request: Request) -> bool:
    """Whether JSON was sent and no form."""
    return request.headers.get("content-type", "").partition(";")[0].strip() == "application/json"


async def read_json(request: Request, fields: Sequence[str]) -> Mapping[str, str]:
    """The object of texts that a program has sent in place of a form with these fields.

    Raises:
        Senseless: it is something else, or larger than any form.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM:
            raise Senseless(f"this is larger than {MAX_FORM:,} bytes")
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise Senseless(f"send an object of texts: {', '.join(fields)}")
    return given
