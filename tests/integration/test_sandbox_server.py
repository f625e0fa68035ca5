"""The sandbox on real sockets: broken connections, held answers, starting and stopping."""

import asyncio
import os
import signal
import socket
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from badge_bridge.errors import SettingsError
from badge_bridge.sandbox.errors import SandboxError
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.serving import SandboxServer
from badge_bridge.sandbox.tls import throwaway_tls
from badge_bridge.serving import Server, bind
from support.programs import badge_bridge, program

ADD = "crm.activity.badge.add"
MISSED: dict[str, Any] = {"code": "missedCall", "title": "Call status", "value": "Missed", "type": "failure"}


async def order(client: httpx.AsyncClient, server: SandboxServer, fault: str, **more: Any) -> None:
    (await client.post(f"{server.url}/_sandbox/faults", json={"fault": fault, **more})).raise_for_status()


async def add(client: httpx.AsyncClient, server: SandboxServer, **more: Any) -> httpx.Response:
    return await client.post(server.portal.webhook_url(server.url) + ADD, json=MISSED, **more)


def codes(server: SandboxServer) -> list[str]:
    return [badge.code for badge in server.portal.seed.badges]


async def until(condition: Callable[[], Any]) -> None:
    """Let the loop run until something has happened that no call here waits for; the test's time limit ends it."""
    while not condition():  # noqa: ASYNC110 - the server under test has no event to wait for
        await asyncio.sleep(0)


async def test_url_answers_when_the_server_was_started_on_port_0() -> None:
    """The port is known before the start, and the webhook URL works after it."""
    server = SandboxServer(SandboxPortal())
    assert server.port > 0
    async with server, httpx.AsyncClient() as client:
        answer = await client.post(server.portal.webhook_url(server.url) + "profile")
    assert answer.json()["result"]["ID"] == "1"


async def test_servers_run_side_by_side_and_one_after_another() -> None:
    """Several portals in one process share nothing, and a port can be taken again once it is free."""
    async with httpx.AsyncClient() as client:
        async with SandboxServer(SandboxPortal()) as first, SandboxServer(SandboxPortal()) as second:
            assert (await add(client, first)).status_code == 200
            assert (await add(client, second)).status_code == 200
            assert first.port != second.port
        async with SandboxServer(SandboxPortal(), port=first.port) as third:
            assert (await add(client, third)).status_code == 200


async def test_taken_port_is_named_when_the_server_is_made() -> None:
    """The message says which port and what to do."""
    async with SandboxServer(SandboxPortal()) as server:
        with pytest.raises(SettingsError, match=rf"port {server.port} of 127\.0\.0\.1 is taken.*another with --port"):
            SandboxServer(SandboxPortal(), port=server.port)


@pytest.mark.parametrize(("host", "port"), [("192.0.2.1", 0), ("127.0.0.1", 70_000)])
def test_impossible_address_is_named_when_the_server_is_made(host: str, port: int) -> None:
    """An address of another machine, or no port at all."""
    with pytest.raises(SettingsError, match=f"port {port} of {host}"):
        SandboxServer(SandboxPortal(), host=host, port=port)


async def test_server_that_never_started_can_be_stopped() -> None:
    """Its socket is closed, so that the port is free."""
    server = SandboxServer(SandboxPortal())
    await server.stop()
    async with SandboxServer(SandboxPortal(), port=server.port) as again:
        assert again.port == server.port


async def test_signals_stay_with_the_program_when_the_server_runs() -> None:
    """Ctrl-C belongs to whoever embeds the sandbox."""
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    async with SandboxServer(SandboxPortal()):
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.parametrize(("fault", "carried_out"), [("drop-before", []), ("drop-after-commit", ["missedCall"])])
@pytest.mark.parametrize("secure", [False, True])
async def test_connection_breaks_without_an_answer_when_it_is_dropped(
    tmp_path: Path, fault: str, carried_out: list[str], secure: bool
) -> None:
    """Not a byte of HTTP comes back, with and without TLS; the next request is answered."""
    tls = throwaway_tls(tmp_path) if secure else None
    trust = ssl.create_default_context(cafile=tls.ca) if tls else True
    async with SandboxServer(SandboxPortal(), tls=tls) as server, httpx.AsyncClient(verify=trust) as client:
        await order(client, server, fault)
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await add(client, server)
        assert codes(server) == carried_out
        entry = next(server.portal.journal.since())
        assert (entry.status, entry.fault, entry.carried_out) == (None, fault, bool(carried_out))
        assert (await client.post(server.portal.webhook_url(server.url) + "profile")).status_code == 200


@pytest.mark.parametrize(("fault", "carried_out"), [("timeout-before", []), ("timeout-after-commit", ["missedCall"])])
async def test_held_request_ends_when_the_client_leaves(fault: str, carried_out: list[str]) -> None:
    """The client gives up; the server notices at once and keeps nothing of the request but its log."""
    async with SandboxServer(SandboxPortal()) as server, httpx.AsyncClient() as client:
        await order(client, server, fault)
        with pytest.raises(httpx.ReadTimeout):
            await add(client, server, timeout=0.1)
        entry = next(server.portal.journal.since())
        await until(lambda: entry.milliseconds)
        assert codes(server) == carried_out
        assert (entry.status, entry.carried_out) == (None, bool(carried_out))


async def test_slow_call_is_carried_out_when_the_client_has_left() -> None:
    """A portal does not stop working because nobody listens any more."""
    async with SandboxServer(SandboxPortal()) as server, httpx.AsyncClient() as client:
        await order(client, server, "slow", seconds=300)
        with pytest.raises(httpx.ReadTimeout):
            await add(client, server, timeout=0.1)
        await until(lambda: codes(server))
        assert next(server.portal.journal.since()).status is None


async def test_call_is_carried_out_late_when_its_connection_has_broken() -> None:
    """The client sees the connection break, asks, and sees the badge come after all."""
    async with SandboxServer(SandboxPortal()) as server, httpx.AsyncClient() as client:
        await order(client, server, "commit-late", seconds=0.2)
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await add(client, server)
        assert codes(server) == []
        await until(lambda: codes(server))
        entry = next(server.portal.journal.since())
        assert (entry.status, entry.fault, entry.carried_out) == (None, "commit-late", True)


@pytest.mark.parametrize("patience", [0.1, 60])
async def test_call_is_carried_out_late_when_a_gateway_has_answered_for_the_portal(patience: float) -> None:
    """Whether the client has waited for the gateway's page or not."""
    async with SandboxServer(SandboxPortal()) as server, httpx.AsyncClient() as client:
        await order(client, server, "http-504", seconds=0.3)
        try:
            status: int | None = (await add(client, server, timeout=patience)).status_code
        except httpx.ReadTimeout:
            status = None
        assert (codes(server), status) == ([], 504 if patience > 1 else None)
        await until(lambda: codes(server))
        entry = next(server.portal.journal.since())
        assert (entry.status, entry.fault, entry.carried_out) == (status, "http-504", True)


async def test_nothing_is_carried_out_late_when_the_server_stops() -> None:
    """Its late work ends with it, and it does not wait for that."""
    async with httpx.AsyncClient() as client:
        async with SandboxServer(SandboxPortal()) as server:
            await order(client, server, "commit-late", seconds=3600)
            with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
                await add(client, server)
        await asyncio.sleep(0)
        assert [task for task in asyncio.all_tasks() if "Holds" in repr(task)] == []
        assert codes(server) == []


@pytest.mark.parametrize("fault", ["timeout-before", "timeout-after-commit", "slow", "http-504"])
async def test_held_request_is_broken_when_the_server_stops(fault: str) -> None:
    """Stopping waits for nobody: the client sees its connection break."""
    async with httpx.AsyncClient(timeout=60) as client:
        async with SandboxServer(SandboxPortal()) as server:
            await order(client, server, fault, seconds=3600)
            held = asyncio.create_task(add(client, server))
            await until(lambda: server.portal.journal.last)
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await held


async def test_answers_under_way_are_finished_when_the_server_stops() -> None:
    """Open connections that are idle do not delay stopping, and nothing is lost."""
    async with httpx.AsyncClient() as client:
        async with SandboxServer(SandboxPortal()) as server:
            answers = await asyncio.gather(*(add(client, server) for _ in range(50)))
        assert sorted(answer.status_code for answer in answers) == [200, *[400] * 49]
        with pytest.raises(httpx.ConnectError):
            await add(client, server)


class SlowAnswer:
    """An ASGI application whose answer waits to be let go."""

    def __init__(self, body: bytes = b"done") -> None:
        self.body = body
        self.begun = asyncio.Event()
        self.go = asyncio.Event()

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        self.begun.set()
        await self.go.wait()
        length = str(len(self.body)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        await send({"type": "http.response.body", "body": self.body})


@pytest.mark.parametrize("secure", [False, True])
async def test_request_under_way_is_answered_when_the_server_stops(tmp_path: Path, secure: bool) -> None:
    """An idle connection is gone at once, one with a request stays until its answer is out, and then goes too."""
    tls = throwaway_tls(tmp_path) if secure else None
    trust = ssl.create_default_context(cafile=tls.ca) if tls else None
    app = SlowAnswer()
    server = Server(app, bind("127.0.0.1", 0), ssl_certfile=tls.server if tls else None)
    await server.start()
    idle_reader, idle = await asyncio.open_connection("127.0.0.1", server.port, ssl=trust)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trust)
    writer.write(b"GET / HTTP/1.1\r\nHost: sandbox\r\n\r\n")
    await app.begun.wait()

    stopping = asyncio.create_task(server.stop())
    async with asyncio.timeout(4):
        assert await idle_reader.read() == b""
        assert not stopping.done()
        app.go.set()
        await stopping
        assert (await reader.read()).endswith(b"done")
    idle.close()
    writer.close()


async def test_long_answer_is_complete_when_the_server_stops_and_its_client_reads_slowly() -> None:
    """A connection whose answer is still on its way is not idle."""
    app = SlowAnswer(bytes(20_000_000))
    app.go.set()
    server = Server(app, bind("127.0.0.1", 0))
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: sandbox\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")

    stopping = asyncio.create_task(server.stop())
    await asyncio.sleep(0)  # it begins
    assert len(await reader.read()) == 20_000_000
    await stopping
    writer.close()


@pytest.mark.parametrize("header", [b"", b"Connection: close\r\n"])
async def test_server_stops_soon_when_a_tls_client_keeps_its_connection(tmp_path: Path, header: bytes) -> None:
    """A client that does not say goodbye is left alone; its connection is gone, and no socket is left open."""
    tls = throwaway_tls(tmp_path)
    trust = ssl.create_default_context(cafile=tls.ca)
    with socket.socket() as client:
        async with SandboxServer(SandboxPortal(), tls=tls) as server:
            await asyncio.to_thread(client.connect, ("127.0.0.1", server.port))
            secure = await asyncio.to_thread(trust.wrap_socket, client, server_hostname="127.0.0.1")
            with secure:
                request = b"GET /_sandbox/state HTTP/1.1\r\nHost: sandbox\r\n" + header + b"\r\n"
                await asyncio.to_thread(secure.sendall, request)
                assert (await asyncio.to_thread(secure.recv, 15)) == b"HTTP/1.1 200 OK"
                async with asyncio.timeout(1.5):  # less than the two seconds that a sandbox gives to open requests
                    await server.stop()


async def test_certificate_is_trusted_only_by_those_who_are_told(tmp_path: Path) -> None:
    """The throw-away authority works for both names of loopback; nobody else trusts it; its key is nowhere."""
    tls = throwaway_tls(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sandbox-ca.pem", "sandbox-server.pem"]
    assert b"PRIVATE KEY" not in tls.ca.read_bytes()
    assert tls.server.stat().st_mode & 0o077 == 0
    trust = ssl.create_default_context(cafile=tls.ca)
    async with SandboxServer(SandboxPortal(), tls=tls) as server:
        assert server.url.startswith("https://127.0.0.1:")
        async with httpx.AsyncClient(verify=trust) as client:
            for host in ("127.0.0.1", "localhost"):
                base = server.portal.webhook_url(f"https://{host}:{server.port}")
                assert (await client.post(base + "profile")).status_code == 200
        async with httpx.AsyncClient() as stranger:
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await stranger.post(server.portal.webhook_url(server.url) + "profile")


def test_missing_package_is_named_when_certificates_are_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package comes with the extra `cli`; without it only https is missing."""
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(SandboxError, match=r"trustme.*extra cli"):
        throwaway_tls(tmp_path)


def test_directory_is_named_when_certificates_cannot_be_written(tmp_path: Path) -> None:
    """A file where the directory should be is named."""
    (tmp_path / "taken").touch()
    with pytest.raises(SandboxError, match="taken: the certificates cannot be written"):
        throwaway_tls(tmp_path / "taken")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_program_ends_cleanly_when_it_gets_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    """It tells where it listens, answers, and exits with 0 and without noise, a held answer notwithstanding."""
    state = tmp_path / "sandbox.json"
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "badge_bridge.cli", "sandbox", "--port", "0", "--state", str(state)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ},
    )
    assert program.stdout is not None
    url = (await program.stdout.readline()).decode().split()[-1]
    async with httpx.AsyncClient(timeout=60) as client:
        webhook = SandboxPortal().webhook_url(url)
        assert (await client.post(webhook + ADD, json=MISSED)).status_code == 200
        await client.post(f"{url}/_sandbox/faults", json={"fault": "timeout-before"})
        held = asyncio.create_task(client.post(webhook + "profile"))
        while (await client.get(f"{url}/_sandbox/state")).json()["requests"] < 2:
            pass
        program.send_signal(number)
        _, noise = await program.communicate()
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await held
    assert (program.returncode, noise) == (0, b"")
    assert [badge.code for badge in SandboxPortal(state_file=state).seed.badges] == ["missedCall"]


def test_sandbox_prints_what_a_rules_file_needs_for_an_application() -> None:
    """Its block with the address it listens at, the secret's variable, and the ways to be let in."""
    with program(badge_bridge("sandbox", "--port", "0")) as running:
        url = running.find(r"sandbox portal\s+(http://\S+)\n")[1]
        shown = running.find(r"(?s)For a rules file.*/_sandbox/install\n")[0]
    assert "SANDBOX_SECRET=sandbox-application-secret" in shown
    assert f"portals:\n  main:\n    url: {url}\n" in shown
    assert f'client_secret: "${{SANDBOX_SECRET}}", server: "{url}"}}' in shown
    assert "authorize" in shown
