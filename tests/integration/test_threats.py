"""Attacks on a running bridge, over its own sockets: what an attacker sends, and that it gains him nothing.

The table under "Security" in the README names these tests.
"""

from __future__ import annotations

import base64
import json
import os
import re
import select
import sqlite3
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest

from badge_bridge.portal.oauth import new_key
from badge_bridge.sandbox.seed import APPLICATION_SECRET
from badge_bridge.sandbox.tls import throwaway_tls
from support.attacker import Trap, connected, flood, head, raw, trap
from support.deliveries import PBX_TOKEN, RULES, Sent, environ, pbx, twilio
from support.parrot import parrot
from support.programs import Program, badge_bridge, program, sandbox, send, serve

pytestmark = pytest.mark.slow

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@contextmanager
def running(folder: Path, rules: str, **environ: str) -> Iterator[tuple[Program, str]]:
    """`serve` with this rules file and environment; its store is in the folder."""
    (folder / "rules.yaml").write_text(rules, "utf-8")
    with program(badge_bridge("serve", "--port", "0"), env={"LOG_FORMAT": "json", **environ}, cwd=folder) as log:
        yield log, log.find(r"listening on (http://127\.0\.0\.1:\d+)")[1]


def stored(folder: Path) -> int:
    """Events in the store of this folder."""
    (file,) = folder.glob("*.db")
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
        return int(connection.execute("select count(*) from events").fetchone()[0])


# A slow client

SLOW = [
    b"",
    b"POST /hooks/pbx HTTP/1.1\r\nHost: x\r\nX-Slow: ",
    b"POST /hooks/pbx HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
]


def test_good_delivery_is_answered_while_slow_clients_hold_their_connections(tmp_path: Path) -> None:
    """300 clients that send a head, a body, or nothing at all, and go on no further: others are answered meanwhile."""
    with sandbox() as (_, webhook), serve(tmp_path, webhook) as (_, url):
        slow = [connected(url) for _ in range(100) for _ in SLOW]
        try:
            for number, client in enumerate(slow):
                client.sendall(SLOW[number % len(SLOW)])
            for number in range(20):
                assert send(url, twilio(f"call {number}")).status_code == 200
            ended, _, _ = select.select(slow, [], [], 0)
            assert ended == []  # they still hold what they have, and it has held nobody up
        finally:
            for client in slow:
                client.close()


def test_good_deliveries_are_answered_when_one_address_opens_all_connections(tmp_path: Path) -> None:
    """1,200 unfinished requests, and each that is ended is opened anew: whoever sends a whole one, from elsewhere or
    from the same address as behind a proxy, is answered by 2xx.
    """
    with sandbox() as (_, webhook), serve(tmp_path, webhook) as (log, url), flood(url, SLOW * 400) as attack:
        log.find("the listener for deliveries is full: ended the connection that had waited longest")
        for number in range(40):
            attack.renew()
            address = "127.0.0.1" if number % 2 else "127.0.0.2"
            assert send(url, twilio(f"call {number}"), address=address).status_code == 200
        assert attack.renewed > 200


# Server-side request forgery

REDIRECTS = (
    "http://{trap}/",
    "https://{trap}/",
    "//{trap}/rest/",
    "https://localhost:{port}/",
    "https://LOCALHOST:{port}/",
    "https://127.1:{port}/",
    "https://2130706433:{port}/",
    "https://[::ffff:127.0.0.1]:{port}/",
    "https://acme.bitrix24.com@{trap}/",
    "https://acme.bitrix24.com:{port}/",
    "https://acme.bitrix24.com.{trap}/",
    "http://169.254.169.254/computeMetadata/v1/",
    "https://169.254.169.254/",
    "https://metadata.google.internal/",
    "file:///etc/passwd",
    "gopher://{trap}/_x",
    "https:///{trap}",
    "\\\\{trap}\\x",
)
"""Where a portal, or who answers in its place, may send a call: this machine, its network, its files."""


@contextmanager
def redirecting(folder: Path) -> Iterator[tuple[int, list[str]]]:
    """A portal that answers every call to `/rest/<n>/...` with the n-th redirect; its port, and what it was asked."""
    tls = throwaway_tls(folder)
    asked: list[str] = []

    with trap() as caught:

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked.append(self.path)
                target = REDIRECTS[int(self.path.split("/")[2])]
                self.send_response(302)
                self.send_header("Location", target.format(trap=caught.host, port=caught.port))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(tls.server)
        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            server.socket = context.wrap_socket(server.socket, server_side=True)
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            try:
                yield server.server_address[1], asked
            finally:
                server.shutdown()
        assert caught.heard == []


def test_redirect_of_a_portal_leads_to_nobody_else(tmp_path: Path) -> None:
    """The token in each call goes to the address of the rules file and to no other, whatever the answer says."""
    with redirecting(tmp_path) as (port, asked):
        portals = {f"p{n}": {"webhook": f"${{HOOK_{n}}}"} for n in range(len(REDIRECTS))}
        rules = [{"name": name, "on": f"to.{name}", "portal": name, "badge": "b"} for name in portals]
        source = {"provider": "generic", "verify": {"scheme": "bearer"}, "secrets": ["${PBX_TOKEN}"]}
        source["event"] = {"type": "body.type", "id": "body.id"}
        badges = {"b": {"title": "t", "value": "v", "type": "failure"}}
        text = json.dumps({"portals": portals, "sources": {"pbx": source}, "badges": badges, "rules": rules})
        hooks = {f"HOOK_{n}": f"https://127.0.0.1:{port}/rest/{n}/s3cr3ts3cr3t/" for n in range(len(REDIRECTS))}
        ca = str(tmp_path / "sandbox-ca.pem")
        with running(tmp_path, text, PBX_TOKEN=PBX_TOKEN, SSL_CERT_FILE=ca, **hooks) as (log, url):
            for name in portals:
                assert send(url, pbx(json.dumps({"type": f"to.{name}", "id": name}).encode())).status_code == 204
            for name in portals:
                line = log.find(rf'"message":"waiting \S+ to\.{name} -> [^\n]*')[0]
                assert "redirects" in line, line
    assert len(asked) == len(REDIRECTS)


APPLICATION = """
portals:
  main:
    url: {portal}
    oauth: {{client_id: local.sandbox-application, client_secret: "${{CLIENT_SECRET}}", server: "{portal}"}}
sources:
  portal: {{provider: bitrix24, public_url: "http://127.0.0.1:9/hooks/portal"}}
  pbx:
    provider: generic
    verify: {{scheme: bearer}}
    secrets: ["${{PBX_TOKEN}}"]
    event: {{type: body.type, id: body.id, caller: body.phone}}
badges:
  missed: {{title: Call, value: Missed, type: failure}}
rules:
  - {{name: missed, on: call.missed, badge: missed, attach: {{}}}}
"""


@contextmanager
def application(folder: Path, portal: str) -> Iterator[tuple[Program, str]]:
    """`serve` as an application of a sandbox portal, into which it has still to be let."""
    environ = {"CLIENT_SECRET": APPLICATION_SECRET, "PBX_TOKEN": PBX_TOKEN, "ENCRYPTION_KEY": KEY}
    with running(folder, APPLICATION.format(portal=portal), **environ) as bridge:
        yield bridge


KEY = new_key()


def payload(caught: Trap, **auth: str) -> Sent:
    """What Bitrix24 posts when an application is installed, with a server of the attacker wherever one is named."""
    evil = f"http://{caught.host}"
    told = {
        "access_token": "stolen",
        "refresh_token": "stolen",
        "application_token": "stolen",
        "member_id": "a223c6b9410f85df78e9377d6c4f7213",
        "domain": caught.host,
        "client_endpoint": f"{evil}/rest/",
        "server_endpoint": f"{evil}/rest/",
        "status": "L",
        **auth,
    }
    form = {"event": "ONAPPINSTALL", **{f"auth[{name}]": value for name, value in told.items()}}
    return Sent("/install", urlencode(form).encode(), FORM)


def test_install_payload_brings_the_bridge_to_no_other_server(tmp_path: Path) -> None:
    """Tokens are proven at the portal of the rules file and renewed at its server, whatever endpoints are named; those
    of a forger are refused.
    """
    with sandbox() as (portal, _), application(tmp_path, portal) as (log, url), trap() as caught:
        here = portal.removeprefix("http://")
        assert send(url, payload(caught)).status_code == 401
        assert send(url, payload(caught, domain=here)).status_code == 401
        link = {"code": "c", "state": "s", "domain": caught.host, "server_domain": caught.host}
        assert httpx.get(f"{url}/install?{urlencode(link)}", trust_env=False).status_code == 401
        httpx.post(f"{portal}/_sandbox/install", json={"url": f"{url}/install"}, trust_env=False).raise_for_status()
        state = httpx.get(f"{portal}/_sandbox/state", trust_env=False).json()
        good = {"access_token": state["tokens"][-1]["access_token"], "application_token": "another"}
        good["refresh_token"] = state["grants"][-1]["refresh_token"]
        assert send(url, payload(caught, **good)).status_code == 401
        assert send(url, payload(caught, **good, domain=here)).status_code == 200
        fault = {"method": "crm.activity.badge.get", "fault": "expired_token"}
        httpx.post(f"{portal}/_sandbox/faults", json=fault, trust_env=False).raise_for_status()
        missed = {"type": "call.missed", "id": "1", "phone": "+4917139200011"}
        assert send(url, pbx(json.dumps(missed).encode())).status_code == 204
        log.find(r'"message":"done \S+ call\.missed')
        asked = httpx.get(f"{portal}/_sandbox/requests?method=oauth/token", trust_env=False).json()["requests"]
        assert [one["status"] for one in asked] == [200]
        assert caught.heard == []


# Header injection and smuggling

BAD_HEADS = (
    b"X-A: b\rSet-Cookie: a=b\r\nContent-Length: 0",
    b"X-A: b\nSet-Cookie: a=b\r\nContent-Length: 0",
    b"X A: b\r\nContent-Length: 0",
    b"X-A : b\r\nContent-Length: 0",
    b" X-A: b\r\nContent-Length: 0",
    b"X-A: \x00\r\nContent-Length: 0",
    b"Content-Length: 5\r\nContent-Length: 6",
    b"Content-Length: 5, 6",
    b"Content-Length: -1",
    b"Content-Length: +5",
    b"Content-Length: 0x5",
    b"Transfer-Encoding: chunked\r\nContent-Length: 5",
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunked, identity",
)
"""Heads in which a proxy and the bridge could read two different requests, or a header could begin in another."""


def test_head_that_can_be_read_in_two_ways_is_refused(tmp_path: Path) -> None:
    """400, one answer and the end of the connection: a second request behind it is never read."""
    second = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with sandbox() as (_, webhook), serve(tmp_path, webhook) as (_, url):
        for bad in BAD_HEADS:
            answer = raw(url, b"POST /hooks/pbx HTTP/1.1\r\nHost: x\r\n" + bad + b"\r\n\r\n" + second)
            assert head(answer)[0] == 400, bad
            assert answer.count(b"HTTP/1.1 ") == 1, bad
        assert stored(tmp_path) == 0


ECHOES = """
portals: {main: {webhook: "${WEBHOOK}"}}
sources:
  ring: {provider: ringcentral, secrets: ["${RING}"], portal: main}
  zad: {provider: zadarma, secrets: ["${ZAD}"]}
  zoo: {provider: zoom, secrets: ["${ZOO}"]}
badges: {b: {title: t, value: v, type: failure}}
rules: [{name: r, on: call.missed, badge: b}]
"""


def test_answer_has_no_header_that_a_sender_has_made_up(tmp_path: Path) -> None:
    """Checks of an endpoint are answered with what came with them: never as a header, nor as more than one of it."""
    evil = "x\r\nSet-Cookie: stolen=1\r\n\r\n<script>"
    escaped = b"x%0d%0aSet-Cookie:%20stolen=1%0d%0a%0d%0a<script>"
    validation = json.dumps({"event": "endpoint.url_validation", "payload": {"plainToken": evil}}).encode()
    requests = [
        b"GET /hooks/zad?zd_echo=" + escaped + b" HTTP/1.1\r\nHost: x\r\n",
        b"POST /hooks/ring HTTP/1.1\r\nHost: x\r\nValidation-Token: " + escaped + b"\r\nContent-Length: 0\r\n",
        b"POST /hooks/ring HTTP/1.1\r\nHost: x\r\nValidation-Token: \xe2\x80\xa8\xff\tSet-Cookie: a=b\r\nContent-Length: 0\r\n",
        b"POST /hooks/ring HTTP/1.1\r\nHost: x\r\nValidation-Token: an-honest-one\r\nContent-Length: 0\r\n",
        b"GET /install?state=" + escaped + b" HTTP/1.1\r\nHost: x\r\n",
        b"DELETE /hooks/zad?" + escaped + b" HTTP/1.1\r\nHost: x\r\n",
        b"POST /hooks/zoo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
        + str(len(validation)).encode()
        + b"\r\n",
    ]
    environ = {
        "WEBHOOK": "http://127.0.0.1:9/rest/1/secretsecret/",
        "RING": "r1ngt0ken",
        "ZAD": "zads3cret",
        "ZOO": "z00",
    }
    with running(tmp_path, ECHOES, **environ) as (_, url):
        echoed = 0
        for request in requests:
            body = validation if b"/hooks/zoo" in request else b""
            answer = raw(url, request + b"Connection: close\r\n\r\n" + body)
            status, names = head(answer)
            assert "set-cookie" not in names, request
            assert status < 500, request
            assert answer.count(b"HTTP/1.1 ") == 1
            echoed += status == 200
        assert echoed >= 2  # they are echoes indeed


# Log injection

FORGED = {
    "console": "\n12:00:00.000 ERROR    FORGED  \r\n\x1b[2J\x1b]0;FORGED\x07\x9b31m\u2028FORGED\u202e\x00",
    "json": '"}\n{"time":"x","level":"CRITICAL","logger":"x","message":"FORGED"}\r\n\x1b[2J\u2028{"FORGED":1}\x85',
    "gcp": '"}\n{"severity":"EMERGENCY","message":"FORGED","time":"x"}\r\n\x1b[2J\u2028{"FORGED":1}',
}
"""What would be a line of its own, or move a terminal's cursor, if it were written as it is."""


@pytest.mark.parametrize("log_format", FORGED)
def test_sender_writes_no_line_of_his_own_into_the_log(tmp_path: Path, log_format: str) -> None:
    """Nor does a portal: each line is one of ours, as a whole, in every format and with every line written."""
    forged = FORGED[log_format]
    rules = RULES.replace("sources:", 'odd: {webhook: "${ODD}"}\nsources:').replace("odd:", "  odd:", 1)
    rules = rules.replace("id: body.id}", "id: body.id, caller: body.phone}").replace("country: DE", "portal: main")
    rules += (
        "  - {name: number, on: x.odd, portal: main, badge: paid, when: 'int(event.data.text) == 1'}\n"
        "  - {name: key, on: x.odd, portal: main, badge: paid, when: 'event.data[event.data.text] == 1'}\n"
        "  - {name: told, on: x.told, portal: odd, badge: paid}\n"
    )
    rules = re.sub(r"(  - name: .*\n)", r"\1    portal: main\n", rules)
    with sandbox() as (_, webhook), parrot("refuses", forged) as bird:
        settings = {**environ(webhook), "LOG_FORMAT": log_format, "LOG_LEVEL": "DEBUG", "NO_COLOR": "1"}
        with running(tmp_path, rules, **settings, ODD=f"{bird.url}/rest/1/s3cr3ts3cr3t/") as (log, url):
            assert send(url, pbx(b'{"type": "x.told", "id": "1"}')).status_code == 204
            log.find(r"x\.told -> ")
            told = {"type": "x.odd", "id": forged, "text": forged, "phone": forged, forged: forged}
            assert send(url, pbx(json.dumps(told).encode())).status_code == 204
            for body in (
                json.dumps({"type": forged, "id": "1"}).encode(),
                json.dumps({"type": "x.y", "id": {forged: forged}}).encode(),
                b'{"a":1,' + json.dumps(forged).encode() + b":1," + json.dumps(forged).encode() + b":1}",
                forged.encode(),
            ):
                assert 400 <= send(url, pbx(body)).status_code < 500
            raw(
                url,
                b"GET /"
                + re.sub(rb"[\s\0]", b"+", forged.encode())
                + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            )
            raw(url, b"GET /%0a%1b[2JFORGED HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            raw(
                url,
                b"POST /hooks/pbx HTTP/1.1\r\nHost: x\r\ntraceparent: 00-\x1b[2JFORGED-1-01\r\nConnection: close\r\n\r\n",
            )
            log.find(r"x\.odd -> ")
            log.stop()
            written = log.drain()
    assert "FORGED" in written  # it is there, as a part of lines of ours
    for line in written.splitlines():
        if log_format == "console":
            assert re.match(r"\d\d:\d\d:\d\d\.\d{3} (?:DEBUG|INFO|WARNING|ERROR|CRITICAL)|  \| ", line), line
            assert not re.match(r"12:00:00\.000 ERROR    FORGED", line)
        else:
            assert "FORGED" not in json.loads(line), line
            assert json.loads(line)["message"] != "FORGED"
            assert json.loads(line).get("severity", json.loads(line).get("level")) not in ("EMERGENCY", "CRITICAL")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", written)


# Path tricks

PATHS: dict[str, int] = {
    "/hooks/../install": 404,
    "/hooks/%2e%2e/healthz": 404,
    "/hooks/..%2fhealthz": 404,
    "/hooks/pbx%00": 404,
    "/hooks/pbx%0a": 404,
    "/hooks/pbx/": 404,
    "/hooks/pbx/../shop": 404,
    "//hooks/pbx": 404,
    "/hooks//pbx": 404,
    "/./hooks/pbx": 404,
    "/HOOKS/pbx": 404,
    "/hooks/PBX": 404,
    "/hooks/pbx%2f": 404,
    "/hooks/pbx;a=b": 404,
    "/hooks/pbx\\..\\x": 404,
    "/hooks/" + "a" * 20_000: 404,
    "/hooks/" + "a" * 40_000: 431,
    "/hooks/%c3%bc": 404,
    "/hooks/p%D0%B2x": 404,
    "/hooks/__class__": 404,
    "/hooks/-": 404,
    "/hooks/con": 404,
    "*": 404,
    "/hooks/%70bx": 404,
    "/%68ooks/pbx": 404,
    "/hooks/pbx%2e": 404,
    "/hooks/pbx#x": 400,
    "/hooks/pbx?a=%70#x": 400,
    "/hooks/pbx?a=%70": 401,
    "http://evil.example/hooks/pbx": 401,
}
"""Other spellings of other paths, and what is answered; the last two are the source, whose token is missing."""


def test_trick_in_a_path_finds_no_other_source_and_no_file(tmp_path: Path) -> None:
    """A name is one of the rules file, letter by letter, or nothing is there; no file is looked for or made."""
    body = b'{"type":"x.y","id":"1"}'
    with sandbox() as (_, webhook), serve(tmp_path, webhook) as (_, url):
        before = sorted(path.name for path in tmp_path.iterdir())
        for path, status in PATHS.items():
            request = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
            answer = raw(url, f"{request}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            assert head(answer)[0] == status, path
        assert sorted(path.name for path in tmp_path.iterdir()) == before
        assert stored(tmp_path) == 0


# Expressions

BURNING = """
  - {name: search, on: x.large, source: pbx, badge: paid, when: "event.data.n.all(x, !event.data.t.contains('aaaab'))"}
  - {name: copies, on: x.large, source: pbx, badge: paid, when: "event.data.n.map(x, bytes(event.data.t)) == []"}
  - {name: nested, on: x.large, source: pbx, badge: paid, when: "event.data.n.all(x, event.data.n.all(y, x != y || true))"}
  - {name: regex, on: x.large, source: pbx, badge: paid, when: "event.data.t.matches('(a+)+$b')"}
  - {name: theirs, on: x.large, source: pbx, badge: paid, when: "event.data.t.matches(event.data.p)"}
"""


def test_large_event_burns_no_time_in_expressions(tmp_path: Path) -> None:
    """A body of a megabyte meets loops and regular expressions: they have no value, the outcome says why, and the next
    event is judged as ever.
    """
    large = {"type": "x.large", "id": "1", "t": "a" * 950_000, "n": list(range(4_900)), "p": "(.*.*.*)*$b"}
    with sandbox() as (_, webhook), serve(tmp_path, webhook, rules=RULES + BURNING) as (log, url):
        assert send(url, pbx(json.dumps(large).encode())).status_code == 204
        line = json.loads(log.find(r'\{[^\n]*"message":"ignored \S+ x\.large[^\n]*')[0])
        assert line["unreadable"] == 3
        assert "too large for all, exists, map and filter" in json.dumps(line)
        assert send(url, twilio("after it")).status_code == 200
        log.find(r'"message":"done \S+ call\.missed')


# A hostile rules file

ATTACKS = Path(__file__).parents[1] / "data/rules/attacks"
HOSTILE = {
    "10 MB of aliases": "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*a, *a]\n" for n in range(400_000)),
    "10 MB of one text": f"a: '{'x' * 10_000_000}'\n",
    "10 MB of brackets": "a: " + "[" * 10_000_000,
    "10 MB of keys": "".join(f"k{n}: 1\n" for n in range(900_000)),
    "10 MB of one number": f"a: {'9' * 10_000_000}\n",
    "10 MB of duplicate keys": "a: 1\n" * 2_000_000,
    "deep mappings": "".join(" " * n + "a:\n" for n in range(3_000)),
    "growing text": RULES + "  - {name: g, on: x.y, badge: paid, when: \"['a']" + ".map(a, a + a)" * 30 + ' == []"}\n',
    "many loops": RULES + '  - {name: g, on: x.y, badge: paid, when: "[1]' + ".map(a, a)" * 100 + ' == []"}\n',
    "deep expression": RULES + '  - {name: g, on: x.y, badge: paid, when: "' + "(" * 900 + "true" + ")" * 900 + '"}\n',
    "long expression": RULES + '  - {name: g, on: x.y, badge: paid, when: "' + "true && " * 200_000 + 'true"}\n',
    "attributes of fields": RULES
    + "  - {name: g, on: x.y, badge: paid, attach: {title: '{caller.__class__.__mro__}'}}\n",
    "format tricks": RULES
    + "  - {name: g, on: x.y, badge: paid, attach: {title: '{caller:>1000000000}{0}{caller!r}'}}\n",
    "source above the folder": RULES.replace("  pbx:\n", "  ../pbx:\n"),
    "source with a line end": RULES.replace("  pbx:\n", '  "pbx\\r\\nSet-Cookie: a=b":\n'),
    "secret above the project": RULES.replace("${PBX_TOKEN}", "sm://../../etc/passwd"),
    "secret of a file": RULES.replace("${PBX_TOKEN}", "sm://projects/p/secrets/..%2f..%2fx"),
    "secret by a nested name": RULES.replace("${PBX_TOKEN}", "${${PBX_TOKEN}}"),
    "webhook of the metadata server": RULES.replace('"${WEBHOOK}"', '"http://169.254.169.254/rest/1/abc/"'),
    "portal that is a file": RULES.replace('webhook: "${WEBHOOK}"', "url: file:///etc/passwd"),
}
"""Rules files that try to cost much, to reach what they should not, or to be read as something else."""

IN_LITTLE_ROOM = (
    "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (1500 << 20, 1500 << 20));"
    "resource.setrlimit(resource.RLIMIT_CPU, (60, 60)); from badge_bridge.cli import main; main()"
)
"""Runs a command with a bound on its memory and its time, which ends it where it needs more."""


@pytest.mark.parametrize("name", [*HOSTILE, *(path.name for path in sorted(ATTACKS.iterdir()))])
def test_hostile_rules_file_is_refused_with_a_position(tmp_path: Path, name: str) -> None:
    """Each is a finding with a line and a column, made with little memory and time, and no traceback."""
    file = tmp_path / "rules.yaml"
    file.write_bytes(HOSTILE[name].encode() if name in HOSTILE else (ATTACKS / name).read_bytes())
    done = subprocess.run(
        [sys.executable, "-c", IN_LITTLE_ROOM, "check", "--no-secrets", str(file)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 1, done.stderr[-500:]
    assert re.match(rf"{re.escape(str(file))}:\d+:\d+: ", done.stdout), done.stdout[:500]
    assert "Traceback" not in done.stderr
    assert len(done.stdout) < 200_000


# A leaked store


def test_leaked_database_file_holds_no_token_that_can_be_read(tmp_path: Path) -> None:
    """All files of the store, while the bridge runs: no token or secret is in them, and without the key none can be
    had from them.
    """
    with sandbox() as (portal, _), application(tmp_path, portal) as (log, url):
        installed = httpx.post(
            f"{portal}/_sandbox/install", json={"url": f"{url}/install"}, trust_env=False, timeout=30
        )
        assert installed.json()["status"] == 200
        missed = {"type": "call.missed", "id": "1", "phone": "+4917139200011"}
        assert send(url, pbx(json.dumps(missed).encode())).status_code == 204
        log.find(r'"message":"done \S+ call\.missed')
        state = httpx.get(f"{portal}/_sandbox/state", trust_env=False).json()
        leaked = b"".join(path.read_bytes() for path in sorted(tmp_path.glob("*.db*")))
        log.stop()
    tokens = [one["access_token"] for one in state["tokens"]] + [one["refresh_token"] for one in state["grants"]]
    secrets = [*tokens, APPLICATION_SECRET, state["applications"][0]["application_token"], PBX_TOKEN, KEY]
    assert len(tokens) > 2
    for secret in secrets:
        for spelling in (
            secret.encode(),
            base64.b64encode(secret.encode()).rstrip(b"="),
            secret.encode().hex().encode(),
        ):
            assert spelling not in leaked, secret
    assert b"+4917139200011" in leaked  # what the events tell is in it, for whom to call back

    def asked(key: str) -> str:
        done = subprocess.run(
            badge_bridge("doctor", "--json"),
            cwd=tmp_path,
            env={**os.environ, "CLIENT_SECRET": APPLICATION_SECRET, "PBX_TOKEN": PBX_TOKEN, "ENCRYPTION_KEY": key},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout + done.stderr

    assert "ENCRYPTION_KEY" in asked(new_key())
    assert "ENCRYPTION_KEY" in asked("")
    assert "cannot be decrypted" not in asked(KEY)
