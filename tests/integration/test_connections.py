"""Clients that connect, send or read as no honest one does, on real sockets, and honest ones beside them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import logging
import resource
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from badge_bridge import door
from badge_bridge.connections import guarded
from badge_bridge.door import ConnectionLimits, most_connections
from badge_bridge.meters import Meters
from badge_bridge.serving import HttpProtocol, Server, bind

SHORT, LONG = 0.15, 60.0
LIMITS = ConnectionLimits(connections=50, head_bytes=1024, head_seconds=LONG, answer_seconds=LONG)
GET = b"GET /%d HTTP/1.1\r\nHost: here\r\n\r\n"


def limits(**changes: Any) -> ConnectionLimits:
    return ConnectionLimits(**{**{name: getattr(LIMITS, name) for name in LIMITS.__slots__}, **changes})


def on_both_loops(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test in asyncio's own loop and in uvloop, which `serve` runs in: their transports end in their own ways."""

    @functools.wraps(test)
    def run(loop: Callable[[], asyncio.AbstractEventLoop], **arguments: Any) -> None:
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(test(**arguments))

    asked = inspect.signature(test)
    loop = inspect.Parameter("loop", inspect.Parameter.KEYWORD_ONLY)
    run.__signature__ = asked.replace(parameters=[*asked.parameters.values(), loop])  # type: ignore[attr-defined] # read by pytest
    loops = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
    marked: Callable[..., None] = loops(run)
    return marked


class Application:
    """Answers with the path and the length of the body. `/early` does not read it; `/held` waits for `release`."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.left = asyncio.Event()
        self.held = asyncio.Event()
        self.release = asyncio.Event()

    async def __call__(self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Any) -> None:
        path = scope["path"]
        self.started.append(path)
        size = 0
        more = path != "/early"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left.set()
                return
            size += len(message["body"])
            more = message["more_body"]
        if path == "/held":
            self.held.set()
            await self.release.wait()
        body = b"x" * 1_000_000 if path == "/large" else f"{path} {size}\n".encode()
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-length", str(len(body)).encode())],
            }
        )
        await send({"type": "http.response.body", "body": body})


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        """Send it all, unless the server ends the connection before."""
        self.writer.write(data)
        with contextlib.suppress(ConnectionError):
            await self.writer.drain()

    async def answer(self) -> tuple[int, str]:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        length = next(line for line in head.lower().split("\r\n") if line.startswith("content-length:"))
        return int(head.split()[1]), (await self.reader.readexactly(int(length.split(":")[1]))).decode()

    async def rest(self) -> bytes:
        """What is still sent before the connection ends."""
        received = b""
        with contextlib.suppress(ConnectionError):
            while more := await self.reader.read(65536):
                received += more
        return received


@asynccontextmanager
async def serving(app: Any, bounds: ConnectionLimits = LIMITS, **options: Any) -> AsyncIterator[Server]:
    async with Server(app, bind("127.0.0.1", 0), limits=bounds, **options) as server:
        yield server


@asynccontextmanager
async def connected(server: Server, *, limit: int = 65536) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=limit)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def until(condition: Callable[[], Any]) -> None:
    """Let the loop run until something has happened that no call here waits for; the test's time limit ends it."""
    while not condition():  # noqa: ASYNC110 - the server under test has no event to wait for
        await asyncio.sleep(0)


def connection(server: Server) -> HttpProtocol:
    """The only one there is."""
    (only,) = server._server.server_state.connections
    assert isinstance(only, HttpProtocol)
    return only


def seconds() -> float:
    return asyncio.get_running_loop().time()


@on_both_loops
async def test_answer_is_not_held_back() -> None:
    """No Nagle's delay: with it the body of an answer would wait 40 ms for its head to be acknowledged."""
    async with serving(Application()) as server, connected(server) as client:
        await client.send(GET % 1)
        assert await client.answer() == (200, "/1 0\n")
        taken = connection(server).transport.get_extra_info("socket")
        assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


ENDLESS = {
    "one header": b"GET / HTTP/1.1\r\nHost: h\r\nX-Endless: " + b"a" * 2_000_000,
    "one name": b"GET / HTTP/1.1\r\nHost: h\r\n" + b"a" * 2_000_000,
    "many headers": b"GET / HTTP/1.1\r\nHost: h\r\n" + b"a: b\r\n" * 300_000,
    "a path": b"GET /" + b"a" * 2_000_000,
}


@pytest.mark.parametrize("head", ENDLESS.values(), ids=ENDLESS)
@on_both_loops
async def test_head_is_refused_when_it_is_too_long(head: bytes) -> None:
    """431 and the end of the connection; the application hears nothing of it."""
    app = Application()
    async with serving(app) as server, connected(server) as client:
        # What the server does not read any more makes the kernel reset the connection, so the rest is not sent.
        await client.send(head[: LIMITS.head_bytes])
        status, body = await client.answer()
        assert (status, body) == (431, '{"error": "the headers are too long"}')
        assert await client.rest() == b""
    async with serving(app) as server, connected(server) as client:
        await client.send(head)
        await client.rest()
    assert not app.started


@pytest.mark.parametrize("before", [0, 1], ids=["first", "second request"])
@on_both_loops
async def test_head_is_taken_when_it_is_as_long_as_allowed(before: int) -> None:
    """The last byte that is allowed ends the head; one more is too many, on a fresh connection and on a kept one."""

    def head(size: int) -> bytes:
        start = b"GET /long HTTP/1.1\r\nHost: h\r\nX-Long: "
        return start + b"a" * (size - len(start) - 4) + b"\r\n\r\n"

    async with serving(Application()) as server:
        for size, status in ((LIMITS.head_bytes, 200), (LIMITS.head_bytes + 1, 431)):
            async with connected(server) as client:
                for number in range(before):
                    await client.send(GET % number)
                    assert await client.answer() == (200, f"/{number} 0\n")
                await client.send(head(size))
                assert (await client.answer())[0] == status


@on_both_loops
async def test_headers_behind_a_chunked_body_are_refused_when_they_are_too_long() -> None:
    """They are collected like a head, after the head was complete; the application sees the client leave."""
    app = Application()
    async with serving(app) as server, connected(server) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n")
        await until(lambda: app.started)
        await client.send(b"X-Trailer: " + b"a" * 10_000)
        await app.left.wait()
        assert await client.rest() == b""


@on_both_loops
async def test_chunked_body_with_short_headers_behind_it_is_read() -> None:
    """Any number of chunks, each far smaller than the limit of a head, and a trailer within it."""
    async with serving(Application()) as server, connected(server) as client:
        chunks = b"1\r\na\r\n" * 5000
        await client.send(
            b"POST /chunks HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
            + chunks
            + b"0\r\nX-Sum: 1\r\n\r\n"
        )
        assert await client.answer() == (200, "/chunks 5000\n")


@pytest.mark.parametrize(
    "sent",
    [b"", b"\r\n", b"GET / HTTP/1.1\r\nHost: h\r\nX-Half: ", b"G"],
    ids=["nothing", "line end", "half a head", "a byte"],
)
@pytest.mark.parametrize("before", [0, 1], ids=["first", "second request"])
@on_both_loops
async def test_connection_is_closed_when_no_head_is_completed(sent: bytes, before: int) -> None:
    """Whether the client is silent or stuck, and whether or not it was answered before."""
    bounds = limits(head_seconds=SHORT)
    async with serving(Application(), bounds, timeout_keep_alive=1) as server, connected(server) as client:
        for number in range(before):
            await client.send(GET % number)
            await client.answer()
        started = seconds()
        await client.send(sent)
        assert await client.rest() == b""
        took = seconds() - started
        kept_alive = bool(before) and not sent
        assert (took > 0.9) if kept_alive else (SHORT / 2 < took < 0.9)


@on_both_loops
async def test_connection_is_closed_when_a_head_comes_byte_by_byte() -> None:
    """Each byte does not start the time anew."""
    app = Application()
    async with serving(app, limits(head_seconds=SHORT)) as server, connected(server) as client:
        ended = asyncio.create_task(client.rest())
        await client.send(b"GET / HTTP/1.1\r\nHost: h\r\nX-Slow: ")
        while not ended.done():
            await client.send(b"a")
            await asyncio.wait([ended], timeout=SHORT / 20)
        assert ended.result() == b""
        assert not app.started


@on_both_loops
async def test_slow_client_is_served_when_it_keeps_the_time() -> None:
    """Head and body arrive in small parts; the body may take longer than the time for a head."""
    async with serving(Application(), limits(head_seconds=SHORT)) as server, connected(server) as client:
        for part in (b"POST /slow HT", b"TP/1.1\r\nHost: h\r\nContent-Le", b"ngth: 4\r\n\r", b"\n"):
            await client.send(part)
            await asyncio.sleep(SHORT / 20)
        for byte in (b"a", b"b", b"c", b"d"):
            await asyncio.sleep(SHORT / 2)
            await client.send(byte)
        assert await client.answer() == (200, "/slow 4\n")


@on_both_loops
async def test_connection_is_closed_when_a_body_goes_on_after_its_answer() -> None:
    """A client that was answered before its body was complete cannot stay by sending a byte now and then."""
    async with serving(Application(), limits(head_seconds=SHORT)) as server, connected(server) as client:
        await client.send(b"POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n")
        assert await client.answer() == (200, "/early 0\n")
        ended = asyncio.create_task(client.rest())
        while not ended.done():
            await client.send(b"a")
            await asyncio.wait([ended], timeout=SHORT / 20)
        assert ended.result() == b""


@on_both_loops
async def test_connection_is_kept_when_a_body_ends_soon_after_its_answer() -> None:
    """The rest is read and thrown away, and the next request is answered."""
    async with serving(Application()) as server, connected(server) as client:
        await client.send(b"POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc")
        assert await client.answer() == (200, "/early 0\n")
        await client.send(b"def" + GET % 1)
        assert await client.answer() == (200, "/1 0\n")


@on_both_loops
async def test_connection_is_closed_when_its_answers_are_not_read() -> None:
    """A client that asks and never reads takes neither the connection nor the memory of its answers for long."""
    app = Application()
    async with serving(app, limits(answer_seconds=SHORT)) as server, connected(server, limit=1024) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined, unused-ignore] # a socket's transport
        await client.send(b"GET /large HTTP/1.1\r\nHost: here\r\n\r\n" * 50)
        await until(lambda: app.started)
        await until(lambda: not server._server.server_state.connections)
        assert len(app.started) < 50


@on_both_loops
async def test_requests_are_answered_in_their_order_when_they_come_at_once() -> None:
    """Hundreds in one write, bodies among them, and the start of one more that follows later."""
    async with serving(Application()) as server, connected(server) as client:
        requests = [
            b"POST /%d HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (number, number) + b"b" * number
            for number in range(600)
        ]
        whole = b"".join(requests)
        client.writer.write(whole[:-100])
        for number in range(599):
            assert await client.answer() == (200, f"/{number} {number}\n")
        client.writer.write(whole[-100:])
        assert await client.answer() == (200, "/599 599\n")
        await client.send(GET % 7)
        assert await client.answer() == (200, "/7 0\n")


@on_both_loops
async def test_few_requests_are_parsed_when_many_wait_behind_a_slow_one() -> None:
    """However many a client sends, short or long, what waits is bounded; when the slow one is answered all others are."""
    app = Application()
    short, long = b"GET /s HTTP/1.1\r\nHost: h\r\n\r\n", b"GET /l HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 900 + b"\r\n\r\n"
    async with serving(app) as server, connected(server) as client:
        await client.send(b"GET /held HTTP/1.1\r\nHost: h\r\n\r\n")
        await app.held.wait()
        client.writer.write(short * 1000 + long * 2000)
        kept = connection(server)
        await until(lambda: kept._held)
        assert kept.flow.read_paused
        app.release.set()
        assert await client.answer() == (200, "/held 0\n")
        for number in range(3000):
            assert await client.answer() == (200, "/s 0\n" if number < 1000 else "/l 0\n")
            assert len(kept.pipeline) < 300
            assert len(kept._held) <= 256 * 1024


@on_both_loops
async def test_answer_under_way_is_given_when_the_next_head_is_too_long() -> None:
    """No 431 comes before it; the connection ends after it."""
    app = Application()
    async with serving(app) as server, connected(server) as client:
        await client.send(b"GET /held HTTP/1.1\r\nHost: h\r\n\r\n")
        await app.held.wait()
        await client.send(b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 2000)
        await until(lambda: connection(server)._leaving)
        app.release.set()
        assert await client.answer() == (200, "/held 0\n")
        assert await client.rest() == b""


@on_both_loops
async def test_answer_under_way_is_given_when_the_next_head_stays_incomplete() -> None:
    """The time for the next head runs from the answer, not while the client waits for it."""
    app = Application()
    async with serving(app, limits(head_seconds=SHORT)) as server, connected(server) as client:
        await client.send(b"GET /held HTTP/1.1\r\nHost: h\r\n\r\nGET /next")
        await app.held.wait()
        await asyncio.sleep(SHORT * 2)
        app.release.set()
        assert await client.answer() == (200, "/held 0\n")
        await client.send(b" HTTP/1.1\r\nHost: h\r\n\r\n")
        assert await client.answer() == (200, "/next 0\n")


BUSY = b"GET /held HTTP/1.1\r\nHost: h\r\n\r\n"


@on_both_loops
async def test_connection_is_refused_when_all_are_being_answered(caplog: pytest.LogCaptureFixture) -> None:
    """503 at once; one line says what happens and what to do, the next one how many it stands for; each is counted."""
    now, meters, app = 0.0, Meters(), Application()
    options: dict[str, Any] = {"http": guarded(limits(connections=2), HttpProtocol, clock=lambda: now, meters=meters)}
    async with Server(app, bind("127.0.0.1", 0), **options) as server:

        async def refused() -> None:
            async with connected(server) as client:
                status, body = await client.answer()
                assert (status, body) == (503, '{"error": "too many connections, please send again"}')
                assert await client.rest() == b""

        async with connected(server) as first, connected(server) as second:
            await first.send(BUSY)
            await second.send(BUSY)
            await until(lambda: len(app.started) == 2)
            for _ in range(5):
                await refused()
            lines = [record.getMessage() for record in caplog.records]
            assert len(lines) == 1
            assert caplog.records[0].levelno == logging.ERROR
            assert "all 2 are in use by requests that are being answered;" in lines[0]
            now = door.REFUSAL_LINES_SECONDS
            await refused()
            assert "being answered (4 more since the last" in caplog.messages[-1]
            assert meters.turned_away.values == {(): 6}
            app.release.set()
            assert await first.answer() == (200, "/held 0\n")
            assert await second.answer() == (200, "/held 0\n")
            async with connected(server) as again:  # those two are kept, and wait for their clients again
                await again.send(GET % 2)
                assert await again.answer() == (200, "/2 0\n")
                assert await first.rest() == b""
        assert len(caplog.records) == 3


@on_both_loops
async def test_client_that_waits_longest_gives_way_when_all_connections_are_in_use(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever part of a request he has sent; the new one is answered, and a line says from where most of them are."""
    meters = Meters()
    waiting = (b"", b"GET / HTTP/1.1\r\nX-Half: ", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf")
    app = Application()
    options: dict[str, Any] = {"http": guarded(limits(connections=4), HttpProtocol, meters=meters)}
    async with Server(app, bind("127.0.0.1", 0), **options) as server, contextlib.AsyncExitStack() as stack:
        clients = []
        for sent in waiting:
            clients.append(await stack.enter_async_context(connected(server)))
            await clients[-1].send(sent)
        await until(lambda: app.started)
        busy = await stack.enter_async_context(connected(server))
        await busy.send(BUSY)
        await app.held.wait()
        for number, client in enumerate(clients):
            late = await stack.enter_async_context(connected(server))
            await late.send(GET % number)
            assert await late.answer() == (200, f"/{number} 0\n")
            assert await client.answer() == (503, '{"error": "too many connections, please send again"}')
            assert await client.rest() == b""
        await app.left.wait()
        app.release.set()
        assert await busy.answer() == (200, "/held 0\n")
    assert meters.turned_away.values == {(): 3}
    assert len(caplog.records) == 1
    assert "one of 4 from 127.0.0.1, since a new one came and all 4 are in use." in caplog.messages[0]


@pytest.mark.parametrize(("whose", "told"), [("operators", "the listener for operators is full: ended"), ("", "ended")])
async def test_listener_that_is_full_is_named_when_there_are_several(
    whose: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Deliveries and operators have one each, and only one of them is flooded."""
    server = Server(Application(), bind("127.0.0.1", 0), limits=limits(connections=1), whose=whose)
    async with server, connected(server), connected(server) as late:
        await late.send(GET % 1)
        assert await late.answer() == (200, "/1 0\n")
    assert [message.startswith(f"{told} the connection that had waited") for message in caplog.messages] == [True]


@on_both_loops
async def test_connection_between_two_requests_is_closed_without_a_word_when_it_gives_way() -> None:
    """An answer to nothing would be taken for that to the client's next request."""
    async with serving(Application(), limits(connections=1)) as server, connected(server) as rests:
        await rests.send(GET % 1)
        assert await rests.answer() == (200, "/1 0\n")
        async with connected(server) as late:
            await late.send(GET % 2)
            assert await late.answer() == (200, "/2 0\n")
            assert await rests.rest() == b""


@on_both_loops
async def test_client_that_does_not_read_gives_way_when_all_connections_are_in_use() -> None:
    """What he asked for is answered, so it is his turn."""
    app = Application()
    async with serving(app, limits(connections=1)) as server, connected(server, limit=1024) as deaf:
        deaf.writer.transport.pause_reading()  # type: ignore[attr-defined, unused-ignore] # a socket's transport
        await deaf.send(b"GET /large HTTP/1.1\r\nHost: here\r\n\r\n" * 50)
        await until(lambda: connection(server)._unread)
        async with connected(server) as late:
            await late.send(GET % 2)
            assert await late.answer() == (200, "/2 0\n")


@on_both_loops
async def test_one_address_gives_way_to_its_own_when_it_opens_all_connections() -> None:
    """However many it opens, a client from elsewhere keeps the time that he has."""
    async with serving(Application(), limits(connections=3)) as server, connected(server) as slow:
        await slow.send(b"GET /slow HTTP/1.1\r\n")
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(10):
                reader, writer = await asyncio.open_connection("127.0.0.1", server.port, local_addr=("127.0.0.2", 0))
                stack.callback(writer.close)
                late = Client(reader, writer)
                await late.send(GET % 1)
                assert await late.answer() == (200, "/1 0\n")
            await slow.send(b"Host: h\r\n\r\n")
            assert await slow.answer() == (200, "/slow 0\n")


@on_both_loops
async def test_what_is_refused_before_it_reaches_a_source_is_counted_and_told_with_its_peer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """No HTTP, headers too long, and none in time: each by a reason, with the address that it came from."""
    meters = Meters()
    options: dict[str, Any] = {"http": guarded(limits(head_seconds=SHORT), HttpProtocol, meters=meters)}
    async with Server(Application(), bind("127.0.0.1", 0), **options) as server:
        for sent in (b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"a" * 2000, b"GET / HT"):
            async with connected(server) as client:
                await client.send(sent)
                await client.rest()
        async with connected(server) as client:  # answered; what is missing is the rest of a body
            await client.send(b"POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n")
            assert await client.answer() == (200, "/early 0\n")
            await client.rest()
    assert meters.refused.values == {("", "not_http"): 1, ("", "head_too_long"): 1, ("", "head_too_slow"): 1}
    assert caplog.messages == [
        "refused what 127.0.0.1 sent with 400: Invalid method encountered",
        "refused headers of 127.0.0.1 with 431: they are too long",
        "gave up on 127.0.0.1: no request within 0.15 s",
    ]


@on_both_loops
async def test_few_lines_tell_of_many_requests_that_are_no_http(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever sends nonsense is answered with 400 and fills no disk; when it is over, a line says how much it was."""
    now = 0.0
    options: dict[str, Any] = {"http": guarded(limits(), HttpProtocol, clock=lambda: now)}
    async with Server(Application(), bind("127.0.0.1", 0), **options) as server:

        async def refused() -> None:
            async with connected(server) as client:
                await client.send(b"nonsense\r\n\r\n")
                assert (await client.rest()).startswith(b"HTTP/1.1 400 ")

        for _ in range(40):
            await refused()
        line = "refused what 127.0.0.1 sent with 400: Invalid method encountered"
        assert caplog.messages == [line] * 5
        now = door.REFUSAL_LINES_SECONDS
        await refused()
        assert caplog.messages[5:] == ["35 more refused as not_http within 60 s", line]


READ_IN_TWO_WAYS = {
    "two hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "2 headers Host"),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", "0 headers Host"),
    "HTTP/2.0": (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "neither HTTP/1.1 nor HTTP/1.0"),
    "HTTP/0.9": (b"GET /\r\n\r\n", "neither HTTP/1.1 nor HTTP/1.0"),
    "no address": (b"GET http://a:999999/?token=s3cr3t HTTP/1.1\r\nHost: a\r\n\r\n", "400: the address is none"),
    "a fragment": (b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", "a fragment in the address"),
    "two hosts in HTTP/1.0": (b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", "more than one Host"),
    "chunks in HTTP/1.0": (
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding, in HTTP/1.0",
    ),
}


@pytest.mark.parametrize(("head", "why"), READ_IN_TWO_WAYS.values(), ids=READ_IN_TWO_WAYS)
@on_both_loops
async def test_head_is_refused_when_others_may_read_it_differently(
    head: bytes, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What the parser lets pass all the same: 400 and the end, and the application hears nothing of it."""
    app = Application()
    async with serving(app) as server, connected(server) as client:
        await client.send(head + GET % 1)
        assert (await client.rest()).count(b"HTTP/1.1 400 ") == 1
    assert not app.started
    assert why in caplog.text
    assert "s3cr3t" not in caplog.text


@on_both_loops
async def test_client_of_http_1_0_is_answered_when_it_names_no_host() -> None:
    """As balancers do that look whether a server is there."""
    async with serving(Application()) as server, connected(server) as client:
        await client.send(b"GET /old HTTP/1.0\r\n\r\n")
        assert await client.answer() == (200, "/old 0\n")


@pytest.mark.parametrize(
    "behind",
    [b"nonsense\r\n\r\n", b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nnonsense"],
    ids=["a head", "a body"],
)
@on_both_loops
async def test_answer_under_way_is_given_when_what_follows_is_no_http(behind: bytes) -> None:
    """No 400 comes before it, which the client would take for the answer; the connection ends after it."""
    app = Application()
    async with serving(app) as server, connected(server) as client:
        await client.send(BUSY)
        await app.held.wait()
        await client.send(behind)
        await until(lambda: connection(server)._leaving)
        app.release.set()
        assert await client.answer() == (200, "/held 0\n")
        assert await client.rest() == b""


@on_both_loops
async def test_genuine_client_is_served_when_silent_ones_had_taken_all() -> None:
    """Their time ends, and nobody has to give way."""
    meters = Meters()
    async with serving(Application(), limits(connections=2, head_seconds=SHORT), meters=meters) as server:
        async with connected(server) as one, connected(server) as two:
            await one.rest()
            await two.rest()
        async with connected(server) as client:
            await client.send(GET % 1)
            assert await client.answer() == (200, "/1 0\n")
    assert meters.turned_away.values == {}


def test_connections_leave_files_for_the_rest_when_the_limit_of_open_files_is_low(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Never so many that the store or the portal's client find no file, and never none."""
    for soft, expected in ((10_000, 1000), (256, 192), (70, 16), (resource.RLIM_INFINITY, 1000)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, soft=soft: (soft, soft))
        assert most_connections() == expected


UNFINISHED = {
    "nothing": b"",
    "half a head": b"GET / HTTP/1.1\r\nHost: h\r\nX-Half: ",
    "half a body": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf",
}


@pytest.mark.parametrize("sent", UNFINISHED.values(), ids=UNFINISHED)
@on_both_loops
async def test_incomplete_request_is_given_up_at_once_when_the_server_stops(
    sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither does the server wait out its grace, nor is there a line about a task that had to be cancelled."""
    app = Application()
    async with serving(app) as server, connected(server) as client:
        await client.send(sent)
        await until(lambda: server._server.server_state.connections and (app.started or sent[:4] != b"POST"))
        started = seconds()
        await server.stop()
        assert seconds() - started < 3
        assert await client.rest() == b""
    assert not caplog.records


@pytest.mark.parametrize("behind", [b"", GET % 1, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf"])
@on_both_loops
async def test_complete_request_is_answered_when_the_server_stops(
    behind: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """It has the grace; one behind it is answered if it is complete, and does not hold up the stop if it is not."""
    app = Application()
    async with serving(app) as server, connected(server) as client:
        await client.send(b"POST /held HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc" + behind)
        await app.held.wait()
        started = seconds()
        stopping = asyncio.create_task(server.stop())
        kept = connection(server)
        await until(lambda: kept._leaving or not kept.cycle.keep_alive)
        app.release.set()
        assert await client.answer() == (200, "/held 3\n")
        if behind.startswith(b"GET"):
            assert await client.answer() == (200, "/1 0\n")
        assert await client.rest() == b""
        await stopping
        assert seconds() - started < 3
    assert not caplog.records
