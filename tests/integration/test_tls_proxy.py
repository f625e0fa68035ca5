"""The README's TLS proxies let deliveries through as they are, and nobody to what is for this machine."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from support.deliveries import Sent, shop, twilio
from support.programs import serve, until
from support.readme_files import readme_file
from support.tls_proxies import HOST, PROXIES, TlsProxy, running_proxy

pytestmark = pytest.mark.slow
WEBHOOK = "http://127.0.0.1:9/rest/1/abcdefabcdefabcd/"
LARGEST = 1024 * 1024

Before = Callable[[str], AbstractContextManager[TlsProxy]]


@pytest.fixture(params=sorted(PROXIES))
def proxy(request: pytest.FixtureRequest, tmp_path: Path, optional_program: Callable[[str], str]) -> Before:
    """Starts a proxy before an address."""
    folder = tmp_path / "proxy"
    folder.mkdir()
    return lambda upstream: running_proxy(request.param, optional_program(request.param), folder, upstream)


class Listener:
    """Something that answers everything, and knows what it was asked: request line, headers, body."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, str], bytes]] = []
        self.url = ""
        self.connections = 0


@contextmanager
def listening() -> Iterator[Listener]:
    listener = Listener()

    class Handler(BaseHTTPRequestHandler):
        def setup(self) -> None:
            listener.connections += 1
            super().setup()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            listener.heard.append((self.requestline, headers, body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        listener.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield listener
        finally:
            server.shutdown()


def send(proxy: TlsProxy, sent: Sent) -> int:
    return proxy.send(sent.method, sent.path, sent.body, sent.headers)


def test_signed_deliveries_are_accepted_through_the_proxy(proxy: Before, tmp_path: Path) -> None:
    """Twilio's, whose signature covers the URL that it called, and one over the body; and no forged ones."""
    with serve(tmp_path, WEBHOOK) as (_, url), proxy(url) as through:
        assert send(through, twilio("one")) == 200
        assert send(through, shop("msg_1", {"status": "paid", "phone": "+4930901820", "total": 1})) == 204
        assert send(through, twilio("two", token="f" * 32)) == 401
        assert through.send("POST", "/hooks/absent", b"{}") == 404


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/metrics",
        "/console",
        "/console/api/v1/events.json",
        "/healthz",
        "/health",
        "/hooks",
        "/hookshot",
        "/install/more",
        "/installed",
        "//metrics",
        "/hooks/../metrics",
        "/hooks/%2e%2e/metrics",
        "/hooks/..%2fmetrics",
        "/hooks/reception/../../console",
        "/install/../metrics",
        "/METRICS",
        "http://bridge.example.com/metrics",
    ],
)
def test_nothing_else_is_reached_through_the_proxy(proxy: Before, target: str) -> None:
    """Whatever the path looks like, what listens behind the proxy is not asked for a page of this machine."""
    with listening() as listener, proxy(listener.url) as through:
        assert through.send("GET", target) in {301, 308, 400, 404}
        assert listener.heard == []
        assert through.send("GET", "/hooks/reception?ping=1") == 200
        assert through.send("POST", "/install", b"event=ONAPPINSTALL") == 200
        assert [line.rpartition(" ")[0] for line, _, _ in listener.heard] == [
            "GET /hooks/reception?ping=1",
            "POST /install",
        ]


def test_requests_pass_as_they_came(proxy: Before) -> None:
    """Path, query and body byte for byte, since they are signed; who called is said by the proxy and not by the caller."""
    target, body = "/hooks/reception/part?a=%2F%20+b&c=%C3%A4&a=2&empty=", bytes(range(256)) * 16
    headers = {
        "X-Twilio-Signature": "abc+/=",
        "X-Forwarded-For": "192.0.2.66",
        "X-Forwarded-Proto": "http",
        "Content-Type": "text/x",
    }
    with listening() as listener, proxy(listener.url) as through:
        assert through.send("POST", target, body, headers) == 200
    ((line, heard, received),) = listener.heard
    assert (line.split()[1], received) == (target, body)
    assert (heard["x-twilio-signature"], heard["content-type"], heard["host"]) == ("abc+/=", "text/x", HOST)
    assert (heard["x-forwarded-for"], heard["x-forwarded-proto"]) == ("127.0.0.1", "https")


def test_body_that_no_source_takes_is_ended_by_the_proxy(proxy: Before) -> None:
    """The largest that a source takes does; of a larger one Caddy passes on what comes before it notices."""
    with listening() as listener, proxy(listener.url) as through:
        assert through.send("POST", "/hooks/reception", b"x" * LARGEST) == 200
        assert through.send("POST", "/hooks/reception", b"x" * (LARGEST + 1)) in {413, 502}
        assert max(len(body) for _, _, body in listener.heard) == LARGEST


def test_slow_body_costs_the_bridge_no_connection(tmp_path: Path, optional_program: Callable[[str], str]) -> None:
    """Nginx holds it until it is whole."""
    head = f"POST /hooks/reception HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n"
    nginx = optional_program("nginx")
    with listening() as listener, running_proxy("nginx", nginx, tmp_path, listener.url) as through:
        with through.connected() as slow:
            slow.sendall(head.encode() + b"x" * 99_999)
            assert through.send("POST", "/hooks/reception", b"whole") == 200
            assert listener.connections == 1
            slow.sendall(b"x")
            assert slow.recv(100).startswith(b"HTTP/1.1 200 ")
        assert [len(body) for _, _, body in listener.heard] == [5, 100_000]


def test_address_has_so_many_requests_under_way_and_no_more(
    tmp_path: Path, optional_program: Callable[[str], str]
) -> None:
    """Nginx answers further ones with 503, as the bridge would; when one is over there is room again."""
    head = f"POST /hooks/reception HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 2\r\n\r\n".encode()
    with (
        listening() as listener,
        running_proxy("nginx", optional_program("nginx"), tmp_path, listener.url) as through,
        ExitStack() as stack,
    ):
        held = [stack.enter_context(through.connected()) for _ in range(100)]
        for client in held:
            client.sendall(head)
        until(lambda: through.send("GET", "/hooks/reception") == 503, what="100 requests under way")
        held[0].sendall(b"{}")
        assert held[0].recv(100).startswith(b"HTTP/1.1 200 ")
        until(lambda: through.send("GET", "/hooks/reception") == 200, what="one of them over")


def test_log_of_the_proxy_has_no_queries(proxy: Before) -> None:
    """They hold tokens and numbers; also where the bridge is away."""
    with listening() as listener, proxy(listener.url) as through:
        assert through.send("GET", "/hooks/reception?token=s3cr3t") == 200
        folder = through.folder
    with proxy("http://127.0.0.1:9") as through:
        assert through.send("GET", "/hooks/reception?token=s3cr3t") == 502
    written = [path.read_text("utf-8") for path in folder.glob("*.log")]
    assert not [text for text in written if "s3cr3t" in text]


def test_caddyfile_is_formatted_as_caddy_does_it(optional_program: Callable[[str], str], tmp_path: Path) -> None:
    """Else it says so with each start, and whoever reads the log looks for a mistake."""
    file = tmp_path / "Caddyfile"
    file.write_text(readme_file("/etc/caddy/Caddyfile"))
    said = subprocess.run(
        [optional_program("caddy"), "fmt", str(file)], capture_output=True, text=True, check=False, timeout=60
    )
    assert said.stdout == file.read_text()
