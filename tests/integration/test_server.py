"""The HTTP surface in process: what a socket cannot easily show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from badge_bridge import server
from badge_bridge.bridge import Bridge, open_bridge
from badge_bridge.dispatch.local import RUSH_CLAIM
from badge_bridge.dispatch.precedence import MANY
from badge_bridge.errors import StoreUnavailable
from badge_bridge.rulesfile import parse
from badge_bridge.sources import OPTIONS
from badge_bridge.store import opened_store
from badge_bridge.store.memory import MemoryStore
from badge_bridge.store.protocol import Claim
from support.deliveries import RULES, Sent, environ, pbx, shop

Message = MutableMapping[str, Any]


@pytest.fixture
async def bridge(tmp_path: Path) -> AsyncIterator[Bridge]:
    rules = parse(RULES, "rules.yaml", providers=OPTIONS, environ=environ("http://127.0.0.1:9/rest/1/secretsecret/"))
    async with (
        opened_store(f"sqlite:///{tmp_path / 'state.db'}") as store,
        open_bridge(rules, store, concurrency=4) as opened,
    ):
        yield opened


async def ask(bridge: Bridge, sent: Sent) -> httpx.Response:
    transport = httpx.ASGITransport(server.create_app(bridge))
    async with httpx.AsyncClient(transport=transport, base_url="http://bridge") as client:
        return await client.request(sent.method, sent.path, content=sent.body, headers=sent.headers)


async def call(bridge: Bridge, receive: Callable[[], Awaitable[Message]]) -> list[Message]:
    """Send a POST to /hooks/pbx whose body comes from `receive`; what was answered."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/hooks/pbx",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    await server.create_app(bridge)(scope, receive, send)
    return sent


class Broken:
    """A store that can neither be read nor written; everything else is the real one's."""

    def __init__(self, bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
        async def fail(*_: object, **__: object) -> None:
            raise StoreUnavailable("the store /var/lib/secret-place/state.db: the disk is full")

        for name in ("accept", "ping"):
            monkeypatch.setattr(bridge.store, name, fail)


async def test_sender_is_told_to_come_back_when_the_store_cannot_write(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 with Retry-After, without a word about our disk."""
    Broken(bridge, monkeypatch)
    answer = await ask(bridge, shop("msg_1", {"status": "new", "phone": "1"}))
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert "secret-place" not in answer.text


async def test_health_says_unavailable_when_the_store_cannot_be_used(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The health page turns to 503, without saying where the store is."""
    assert (await ask(bridge, Sent("/healthz", b"", method="GET"))).status_code == 200
    Broken(bridge, monkeypatch)
    answer = await ask(bridge, Sent("/healthz", b"", method="GET"))
    assert (answer.status_code, answer.json()) == (503, {"status": "unavailable"})


async def test_slow_body_is_given_up(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that does not arrive in time is answered with 408."""
    monkeypatch.setattr(server, "BODY_TIMEOUT", 0.01)

    async def never() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    start, _ = await call(bridge, never)
    assert start["status"] == 408


async def test_sender_that_leaves_is_no_error(bridge: Bridge, caplog: pytest.LogCaptureFixture) -> None:
    """A connection that ends in the middle of a body is nothing to log."""
    messages: Iterator[Message] = iter(
        [{"type": "http.request", "body": b"half", "more_body": True}, {"type": "http.disconnect"}]
    )

    async def leave() -> Message:
        return next(messages)

    await call(bridge, leave)
    assert not [record for record in caplog.records if record.exc_info]
    assert (await bridge.store.list()).events == ()


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "BREW"])
async def test_odd_method_gets_the_answer_of_the_source(bridge: Bridge, method: str) -> None:
    """Whatever the method, the answer is ours: JSON, and the methods that the source takes."""
    answer = await ask(bridge, Sent("/hooks/pbx", b"", method=method))
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert "POST" in answer.json()["error"]


async def test_length_is_believed_when_it_is_too_large(bridge: Bridge) -> None:
    """A declared length over the limit is refused without reading the body."""
    sent = pbx(b"{}")
    answer = await ask(bridge, Sent(sent.path, b"", {**sent.headers, "Content-Length": "99999999999999999999"}))
    assert answer.status_code == 413


class Claimed(MemoryStore):
    """Says how many events were to be claimed at most."""

    def __init__(self) -> None:
        super().__init__()
        self.most: asyncio.Queue[int] = asyncio.Queue()

    async def claim_due(self, *, now: float, lease: float, limit: int) -> list[Claim]:
        self.most.put_nowait(limit)
        return await super().claim_due(now=now, lease=lease, limit=limit)


async def test_work_gives_way_when_many_deliveries_come() -> None:
    """In a moment, which does not end here, so that more are expected."""
    rules = parse(RULES, "rules.yaml", providers=OPTIONS, environ=environ("http://127.0.0.1:9/rest/1/secretsecret/"))
    store = Claimed()
    await store.open()
    async with open_bridge(rules, store, concurrency=256, stopwatch=lambda: 0.0) as bridge:
        for number in range(MANY):
            assert (await ask(bridge, pbx(b'{"type": "call.missed", "id": "%d"}' % number))).is_success
        async with asyncio.timeout(10):
            while await store.most.get() != RUSH_CLAIM:
                pass
    await store.close()
