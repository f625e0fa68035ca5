"""Bad input for every way of sending, over real sockets: nothing of it is accepted, costs much, or ends in 5xx.

What a scheme protects is what its source says of itself (`Source.binds`): a change of that is refused, and a change of
anything else cannot be noticed by anybody.
"""

from __future__ import annotations

import json
import random
import re
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
import pytest

from badge_bridge import server as server_module
from badge_bridge.server import create_app
from badge_bridge.serving import Server, bind
from badge_bridge.sources import bodies
from badge_bridge.sources.base import Delivery
from support.every_source import NOW, call
from support.fuzz_run import Surface
from support.handshakes import HANDSHAKES, SIGNED, changed_handshake, handshake
from support.hostile import BOMB, HOSTILE, REASONS
from support.mutations import CHANGES, STALE, proofs
from support.senders import SENDERS, Sender, with_body

pytestmark = pytest.mark.slow

CHUNK = 65_536
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Loading the certificates of all authorities for each client takes longer than its requests."""
READ_FIRST = "the request cannot be read for checking: "
NO_CLAIMS = "no claims in JSON"
"""Said of a token that PyJWT cannot read, which does not say which limit was broken."""
PART_OF: Mapping[str, str] = {
    "_body_changed": "body",
    "_body_longer": "body",
    "_body_cut": "body",
    "_field_changed": "body",
    "_signature_field_changed": "fields",
    "_bound_field_changed": "fields",
    "_url_changed": "url",
    "_query_changed": "url",
    "_too_late": "time",
}
"""The part of a request that a change is one of; the others change the proof itself."""

every_sender = pytest.mark.parametrize("sender", SENDERS.values(), ids=SENDERS)


class Bridge:
    """A bridge with one source on a loopback port, and what was sent to it."""

    def __init__(self, sender: Sender) -> None:
        self.surface = Surface({sender.name: sender.source})
        self.read = 0
        """Bytes of bodies that the application took from the network."""
        self.parsed = 0
        """Bodies that were parsed, as a form or as JSON."""
        self.refused = ""
        """What the log says of the last delivery that was refused."""
        self._path = f"/hooks/{sender.name}"
        self._client = httpx.AsyncClient(trust_env=False, timeout=20, verify=NO_TLS)
        self._url = ""

    @property
    def stored(self) -> int:
        return len(self.surface.store._rows)

    async def send(self, delivery: Delivery, *, chunked: bool = False) -> httpx.Response:
        self.surface.now = delivery.received_at
        self.read = self.parsed = 0
        self.refused = ""
        query = f"?{delivery.query}" if delivery.query else ""
        return await self._client.request(
            delivery.method,
            f"{self._url}{self._path}{delivery.path}{query}",
            headers=[(name.encode(), value.encode("latin-1")) for name, value in delivery.headers],
            content=_pieces(delivery.body) if chunked else delivery.body,
        )

    @classmethod
    @asynccontextmanager
    async def opened(cls, sender: Sender, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bridge]:
        bridge = cls(sender)
        await bridge.surface.store.open()
        app = create_app(bridge.surface.bridge)

        async def counting(scope: Any, receive: Callable[[], Any], send: Any) -> None:
            async def counted() -> Any:
                message = await receive()
                bridge.read += len(message.get("body", b""))
                return message

            await app(scope, counted, send)

        def counted_in(module: Any, name: str) -> None:
            parse = getattr(module, name)

            def parsed(text: Any, *rest: Any, **options: Any) -> Any:
                bridge.parsed += bool(text)
                return parse(text, *rest, **options)

            monkeypatch.setattr(module, name, parsed)

        def refused(*, reason: str, **_: Any) -> None:
            bridge.refused = reason

        monkeypatch.setattr(server_module, "log_accept", refused)
        counted_in(bodies, "parse_qsl")
        counted_in(json, "loads")
        async with Server(counting, bind("127.0.0.1", 0)) as server, bridge._client:
            bridge._url = server.url
            yield bridge


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), CHUNK):
        yield body[start : start + CHUNK]


def genuine(sender: Sender) -> Sequence[Delivery]:
    return [delivery for number in (1, 2, 3) for delivery in sender.calls(call(number=number))]


def bound(sender: Sender) -> set[str]:
    """What the source says that it protects; of JSON that is the body where of a form it is its fields, and of a GET
    the URL alone.
    """
    parts: set[str] = {"body" if part == "form" else part for part in sender.source.binds}
    return parts - {"body"} if sender.syntax == "query" else parts


@every_sender
async def test_any_change_of_what_is_protected_is_refused(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    """Body, fields, URL, time, signature, token, missing and doubled headers, `alg: none`: 401 and nothing is kept."""
    rng = random.Random(sender.name)  # noqa: S311 - repeatable, not secret
    attacked: set[str] = set()
    async with Bridge.opened(sender, monkeypatch) as bridge:
        for delivery in genuine(sender):
            for change in dict.fromkeys(CHANGES):
                changed = change(delivery, sender.source, rng)
                if changed is None:
                    continue
                answer = await bridge.send(changed)
                assert (answer.status_code, answer.content) == (401, b""), (change.__name__, changed)
                attacked.add(PART_OF.get(change.__name__, "proof"))
        assert bridge.stored == 0
    assert attacked - {"proof"} == bound(sender)
    assert "proof" in attacked or sender.provider == "mango"  # whose signature is one of the fields


@every_sender
async def test_what_is_not_protected_decides_nothing(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    """A query, a later moment and another media type either are protected, or make no second event of a first."""
    async with Bridge.opened(sender, monkeypatch) as bridge:
        (first, *_) = genuine(sender)
        assert (await bridge.send(first)).is_success
        once = bridge.stored
        for part, changed in (
            ("url", replace(first, query="&".join(filter(None, (first.query, "added=1"))))),
            ("time", replace(first, received_at=NOW + STALE)),
            ("time", replace(first, received_at=NOW - STALE)),
        ):
            status = (await bridge.send(changed)).status_code
            assert status == 401 if part in bound(sender) else 200 <= status < 300, (part, status)
        for media in ("text/plain", "image/png", "multipart/form-data; boundary=x", "application/json; charset=utf-16"):
            headers = [(name, media if name == "content-type" else value) for name, value in first.headers]
            status = (await bridge.send(replace(first, headers=headers))).status_code
            assert status in (200, 204) or 400 <= status < 500, (media, status)
        assert bridge.stored == once


@every_sender
async def test_a_delivery_that_comes_again_is_the_same_event(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender hears what it wants, so that it stops sending, and there is nothing new."""
    async with Bridge.opened(sender, monkeypatch) as bridge:
        sent = genuine(sender)
        first = [(await bridge.send(delivery)).status_code for delivery in sent]
        once = bridge.stored
        assert once
        assert [(await bridge.send(delivery)).status_code for delivery in sent] == first
        assert bridge.stored == once


CHECKED = [sender for sender in SENDERS.values() if sender.provider in HANDSHAKES]


@pytest.mark.parametrize("sender", CHECKED, ids=lambda sender: sender.name)
async def test_check_of_the_endpoint_is_answered_and_stores_nothing(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is changed or has a delivery in it; one that is signed is answered only as it was signed."""
    rng = random.Random(sender.name)  # noqa: S311 - repeatable, not secret
    async with Bridge.opened(sender, monkeypatch) as bridge:
        (base, *_) = genuine(sender)
        assert (await bridge.send(handshake(sender, base))).status_code == 200
        for _ in range(40):
            what, changed = changed_handshake(sender, base, rng)
            headers = [(name, value.strip().replace("\r\n", " ")) for name, value in changed.headers]
            status = (await bridge.send(replace(changed, headers=headers))).status_code
            assert status == 401 if sender.provider in SIGNED else status < 500, (what, status)
        assert bridge.stored == 0


WEAKER = [sender for sender in SENDERS.values() if sender.downgraded]


@pytest.mark.parametrize("sender", WEAKER, ids=lambda sender: sender.name)
async def test_weaker_way_of_signing_is_refused(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request cannot choose a weaker way than the one that is set up, or than the one that it also names."""
    async with Bridge.opened(sender, monkeypatch) as bridge:
        assert sender.downgraded
        for delivery in genuine(sender):
            answer = await bridge.send(sender.downgraded(delivery))
            assert answer.status_code == 401
        assert bridge.stored == 0


@every_sender
async def test_hostile_body_that_is_rightly_signed_is_refused(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has the secret still cannot send what is too deep, too large, ambiguous or in no encoding: the log says
    which limit it broke, also where that is found while checking who sent it, which the sender hears as 401.
    """
    async with Bridge.opened(sender, monkeypatch) as bridge:
        for name, content in HOSTILE[sender.syntax].items():
            sent = sender.signed(content, NOW)
            status = (await bridge.send(sent)).status_code
            if len(sent.body) > sender.source.max_body:
                assert (status, bridge.parsed) == (413, 0), name
                continue
            assert status in ({400, 401} if sender.reads_first else {400}), (name, status, bridge.refused)
            said = bridge.refused.removeprefix(READ_FIRST)
            assert (said != bridge.refused) == (status == 401), (name, bridge.refused)
            assert re.search(f"{REASONS[name]}|{NO_CLAIMS}", said), (name, bridge.refused)
            assert bridge.parsed <= 4, name  # of a token its header and its claims, and what it is of
        assert bridge.stored == 0


WITH_FIELDS = [sender for sender in SENDERS.values() if sender.syntax != "json"]


def fields_of(sender: Sender, delivery: Delivery) -> list[tuple[str, str]]:
    """The fields that the provider writes, in a form or in the query."""
    text = delivery.query if sender.syntax == "query" else delivery.body.decode()
    return parse_qsl(text, keep_blank_values=True)


@pytest.mark.parametrize("sender", WITH_FIELDS, ids=lambda sender: sender.name)
async def test_field_that_is_there_twice_is_refused_or_decides_nothing(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signed rightly, with another value before or behind: neither the first nor the last wins. What is accepted is the
    event that it would be without the field, and keeps both values.
    """
    added = fields_of(sender, sender.signed(b"", NOW))  # by the signing itself
    async with Bridge.opened(sender, monkeypatch) as bridge:
        for delivery in genuine(sender):
            fields = fields_of(sender, delivery)
            told = [field for field in fields if field[0] not in dict(added)]
            for name, value in fields:
                other = (name, f"{value}1")
                for doubled in ([*told, other], [other, *told]):
                    sent = sender.signed(urlencode(doubled).encode(), NOW)
                    both = [value for one, value in fields_of(sender, sent) if one == name]
                    assert len(set(both)) == 2
                    before = bridge.stored
                    if not (await bridge.send(sent)).is_success:
                        assert bridge.stored == before
                        continue
                    rest = urlencode([field for field in fields_of(sender, sent) if field[0] != name])
                    without = replace(sent, query=rest) if sender.syntax == "query" else with_body(sent, rest.encode())
                    (event, none) = (sender.source.read(one)[0].event for one in (sent, without))
                    assert event.model_copy(update={"data": {}}) == none.model_copy(update={"data": {}}), name
                    assert event.data[name] == both, name


@every_sender
async def test_hostile_body_that_is_not_signed_is_refused_unread(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the proof stands in headers, a body is not even parsed before it is known who sent it."""
    async with Bridge.opened(sender, monkeypatch) as bridge:
        signed = sender.signed(b'{"a":1}' if sender.syntax == "json" else b"a=1", NOW)
        kept = [header for index, header in enumerate(signed.headers) if index not in proofs(signed)]
        for syntax in HOSTILE:
            for name, content in HOSTILE[syntax].items():
                answer = await bridge.send(replace(signed, headers=kept, body=content, query=""))
                assert answer.status_code == 401, name
                assert answer.content == b""
                assert sender.reads_first or bridge.parsed == 0, name
        assert bridge.stored == 0


@every_sender
async def test_body_over_the_cap_is_refused_and_not_read_further(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Declared or in chunks: 413, nothing of it is parsed, and no more than the cap is taken from the network."""
    most = sender.source.max_body
    async with Bridge.opened(sender, monkeypatch) as bridge:
        (first, *_) = genuine(sender)
        declared = await bridge.send(replace(first, body=b"x" * (most + 1)))
        assert (declared.status_code, bridge.read, bridge.parsed) == (413, 0, 0)
        chunked = await bridge.send(replace(first, body=b"x" * (4 * most)), chunked=True)
        assert (chunked.status_code, bridge.parsed) == (413, 0)
        assert bridge.read <= most + 2 * CHUNK
        assert bridge.stored == 0


@every_sender
async def test_compressed_body_is_refused(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bomb is not inflated, signed or not."""
    async with Bridge.opened(sender, monkeypatch) as bridge:
        signed = sender.signed(b"" if sender.syntax == "query" else BOMB, NOW)
        for delivery in (signed, replace(sender.signed(b"", NOW), body=BOMB)):
            answer = await bridge.send(replace(delivery, headers=[*delivery.headers, ("content-encoding", "gzip")]))
            assert answer.status_code == 415
            assert (bridge.read, bridge.parsed, bridge.stored) == (0, 0, 0)
