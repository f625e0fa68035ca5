"""Secrets, tokens and phone numbers planted everywhere a line can come from, in every form of line."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable, Iterator
from urllib.parse import quote

import httpx
import pytest

from badge_bridge.errors import Finding, RulesError
from badge_bridge.observability import logs
from badge_bridge.observability.event_line import log_accept, log_event
from badge_bridge.observability.start_line import log_cannot_start
from badge_bridge.outcomes import Exchange, Outcome

SECRET = "sh@red/S3cret value"
WEBHOOK = "https://acme.bitrix24.com/rest/7/q1w2e3r4t5y6u7/"
QUERY_TOKEN = "zXcVbNm987"
ACCESS_TOKEN = "aCcEsS0t0kEn"
PASSWORD = "pa55w0rd"
PHONE = "+49301234567"
NATIONAL = "03098765432"
PLANTED = [
    SECRET,
    quote(SECRET, safe=""),
    "q1w2e3r4t5y6u7",
    QUERY_TOKEN,
    ACCESS_TOKEN,
    PASSWORD,
    PHONE,
    "49301234567",
    NATIONAL,
    "dXNlcjpwYTU1dzByZA",
]

PIECES = [
    f"the secret is {SECRET}",
    f"encoded {quote(SECRET, safe='')}",
    f"asked {WEBHOOK}crm.activity.badge.get.json?auth={ACCESS_TOKEN}",
    f"POST /hooks/reception?token={QUERY_TOKEN} refused",
    f"https://user:{PASSWORD}@host/path",
    f"Authorization: Bearer {ACCESS_TOKEN}",
    "authorization: Basic dXNlcjpwYTU1dzByZA==",
    f"auth[access_token]={ACCESS_TOKEN}&auth[domain]=x",
    f"{{'auth': {{'access_token': '{ACCESS_TOKEN}'}}}}",
    f'{{"auth":{{"refresh_token":"{ACCESS_TOKEN}"}}}}',
    f"From={quote(PHONE)}&To={PHONE}",
    f"missed call from {PHONE}, dialled {NATIONAL}",
    "caller=49301234567",
]


class _WithText:
    """An object of a library whose text has the planted piece."""

    def __init__(self, piece: str) -> None:
        self._piece = piece

    def __repr__(self) -> str:
        return f"<thing {self._piece}>"


def _log() -> logging.Logger:
    return logging.getLogger("badge_bridge.x")


def _raise(piece: str) -> None:
    try:
        raise KeyError(piece)  # noqa: TRY301 - the cause is planted too
    except KeyError as error:
        error.add_note(f"a note: {piece}")
        raise ValueError(piece) from error


def _exception(piece: str) -> None:
    try:
        _raise(piece)
    except ValueError:
        _log().exception("failed")


def _group(piece: str) -> None:
    try:
        raise ExceptionGroup(piece, [ValueError(piece), OSError(5, piece)])  # noqa: TRY301 - as a task group would
    except ExceptionGroup:
        _log().warning("failed", exc_info=True)


def _event(piece: str) -> None:
    log_event(
        key=f"reception:{piece}",
        source=piece,
        provider=piece,
        type=piece,
        state="dead",
        attempt=1,
        failures=1,
        waited=0,
        took=0,
        outcomes=[Outcome(rule=piece, result="failed", badge=piece, portal=piece, reason=piece)],
        asked=[Exchange(method=piece, answer=piece, milliseconds=1)],
        reason=piece,
        lane=piece,
        rules_hash=piece,
        caller=piece,
    )


def _start(piece: str) -> None:
    log_cannot_start(RulesError([Finding("rules.yaml", line, 1, piece) for line in (1, 2)]))


def _accept(piece: str) -> None:
    log_accept(
        source=piece,
        result="accepted",
        status=204,
        provider=piece,
        key=f"a:{piece}",
        type=piece,
        verified=piece,
        reason=piece,
    )


PLACES: dict[str, Callable[[str], None]] = {
    "message": lambda piece: _log().info(piece.replace("%", "%%")),
    "argument": lambda piece: _log().info("a %s b", piece),
    "repr of an argument": lambda piece: _log().info("a %r b %s", piece, [piece, {piece: piece}]),
    "object": lambda piece: _log().info("a %s", _WithText(piece)),
    "message object": lambda piece: _log().info(_WithText(piece)),
    "field": lambda piece: _log().info("m", extra={"json_fields": {"text": piece}}),
    "nested field": lambda piece: _log().info("m", extra={"json_fields": {"a": [{"b": (piece, {"c": piece})}]}}),
    "name of a field": lambda piece: _log().info("m", extra={"json_fields": {piece: 1, "a": {piece: 2}}}),
    "object in a field": lambda piece: _log().info("m", extra={"json_fields": {"a": _WithText(piece)}}),
    "label": lambda piece: _log().info("m", extra={"labels": {"a": piece}}),
    "request": lambda piece: _log().info("m", extra={"http_request": {"requestUrl": piece, "userAgent": piece}}),
    "exception": _exception,
    "exception group": _group,
    "library": lambda piece: logging.getLogger("some.library").error("a %s", piece),
    "server": lambda piece: logging.getLogger("uvicorn.error").error("a %s", piece),
    "event": _event,
    "delivery": _accept,
    "start": _start,
}


@pytest.fixture(params=["console", "json", "gcp", "gcp upgraded"])
def stream(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    stream = io.StringIO()
    log_format, *upgraded = request.param.split()
    logs.configure(log_format, "DEBUG", stream=stream, secrets=[SECRET, WEBHOOK], project="acme")
    if upgraded:
        logs.upgrade()
    yield stream
    logs.restore()


@pytest.mark.parametrize("place", PLACES)
def test_nothing_planted_is_in_a_line(stream: io.StringIO, place: str) -> None:
    """Whatever a line is made of, no secret, token, query or phone number is in it, and a line there is."""
    for piece in PIECES:
        stream.seek(0)
        stream.truncate()
        PLACES[place](piece)
        written = stream.getvalue()
        assert written, piece
        found = [planted for planted in PLANTED if planted in written]
        assert not found, (piece, written)


def test_phone_numbers_by_the_name_of_their_field_are_in_no_line(stream: io.StringIO) -> None:
    """Bare digits in a field such as caller are masked, as text and as numbers."""
    _log().info(
        "m", extra={"json_fields": {"caller": "4930123456", "data": {"From": 4930123456, "line": ["4930123456"]}}}
    )
    assert "4930123456" not in stream.getvalue()
    assert "*" in stream.getvalue()


async def test_a_portals_webhook_is_in_no_line_when_the_http_client_logs(stream: io.StringIO) -> None:
    """The HTTP client logs each request with its URL; nothing of it is written, and an error with the URL is cleaned."""
    transport = httpx.MockTransport(lambda request: httpx.Response(500))
    async with httpx.AsyncClient(transport=transport) as client:
        response = await client.get(f"{WEBHOOK}crm.activity.badge.get?code=1&token={QUERY_TOKEN}")
    assert stream.getvalue() == ""
    try:
        response.raise_for_status()
    except httpx.HTTPStatusError:
        _log().exception("the portal failed")
    assert "500 Internal Server Error" in stream.getvalue()
    assert not re.search(f"{QUERY_TOKEN}|q1w2e3r4", stream.getvalue())
