"""What a sender hears, the same from `badge-bridge serve` and from the functions framework, over real sockets."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from support.deliveries import Sent, bitrix24, pbx, shop, twilio
from support.programs import functions_framework, sandbox, send, serve, until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["serve", "functions-framework"])
def bridge(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Addresses of the bridge and of its sandbox portal."""
    folder = tmp_path_factory.mktemp("bridge")
    start = serve if request.param == "serve" else functions_framework
    with sandbox() as (portal, webhook), start(folder, webhook) as (_, url):
        yield url, portal


def good(message: str) -> Sent:
    """A genuine delivery, signed now: what was signed when the tests were collected would be stale in a slow run."""
    return shop(message, {"status": "new", "phone": "+4930901820"})


@pytest.mark.parametrize(
    ("make", "status"),
    [
        (lambda: twilio("CA-surface"), 200),
        (lambda: bitrix24("call.surface"), 200),
        (lambda: good("msg_good"), 204),
        (lambda: pbx(b'{"type": "call.missed", "id": "1"}'), 204),
    ],
    ids=["twilio", "bitrix24", "standard webhooks", "bearer"],
)
def test_genuine_delivery_is_answered_as_its_provider_expects(
    bridge: tuple[str, str], make: Callable[[], Sent], status: int
) -> None:
    """Each provider hears the 2xx and the body that it wants."""
    sent = make()
    answer = send(bridge[0], sent)
    assert answer.status_code == status
    if sent.path == "/hooks/reception":
        assert answer.headers["content-type"].startswith("text/xml")
        assert answer.text.endswith("<Response/>")
    else:
        assert answer.content == b""


@pytest.mark.parametrize(
    ("sent", "status", "word"),
    [
        (Sent("/hooks/nobody", b"{}"), 404, "no such source"),
        (Sent("/hooks/../etc", b"{}"), 404, "nothing at this path"),
        (Sent("/hooks/%2e%2e", b"{}"), 404, "nothing at this path"),
        (Sent("/hooks/reception/", b""), 404, "nothing at this path"),
        (Sent("/", b""), 404, "nothing at this path"),
        (Sent("/hooks/shop", b"", method="GET"), 405, "POST"),
        (Sent("/hooks/shop", b"", method="DELETE"), 405, "POST"),
        (Sent("/healthz", b"", method="POST"), 405, "GET"),
        (Sent("/hooks/shop", b"x" * (1024 * 1024 + 1)), 413, "1048576"),
        (Sent("/hooks/reception", b"x" * (64 * 1024 + 1)), 413, "65536"),
        (Sent("/hooks/portal", b"x" * (1024 * 1024 + 1)), 413, "1048576"),
        (Sent("/hooks/shop", b"x", {"Content-Encoding": "gzip"}), 415, "Content-Encoding"),
        (pbx(b"{not json"), 400, "JSON"),
        (pbx(b"\xff\xfe"), 400, "UTF-8"),
        (pbx(b"[1, 2]"), 400, "object"),
        (pbx(b"<xml/>", content_type="text/xml"), 415, "application/json"),
        (pbx(b'{"id": "1"}'), 422, "event.type"),
        (bitrix24("", code="304"), 422, "CALL_ID"),
        (bitrix24("c", kind="9"), 422, "CALL_TYPE"),
    ],
)
def test_bad_delivery_gets_a_clear_answer(bridge: tuple[str, str], sent: Sent, status: int, word: str) -> None:
    """Whoever sends something wrong hears the status and, in JSON, what to mend."""
    answer = send(bridge[0], sent)
    assert answer.status_code == status, answer.text
    assert word in json.dumps(answer.json()) + answer.headers.get("allow", "")


@pytest.mark.parametrize(
    "make",
    [
        lambda: twilio("CA-forged", token="another token"),
        lambda: bitrix24("call.forged", token="another token"),
        lambda: shop("msg_forged", {"status": "paid"}, secret="whsec_" + "A" * 44),
        lambda: shop("msg_old", {"status": "paid"}, at=1_000_000_000),
        lambda: replace(good("msg_altered"), body=good("msg_altered").body + b" "),
        lambda: Sent("/hooks/shop", b"", {}),
        lambda: pbx(b"{}", token="another token"),
        lambda: Sent("/hooks/portal", b"\xff" * 100, {"Content-Type": "application/x-www-form-urlencoded"}),
    ],
    ids=["twilio", "bitrix24", "foreign secret", "stale", "altered", "unsigned", "wrong token", "no text"],
)
def test_unproven_delivery_is_refused_without_a_word(bridge: tuple[str, str], make: Callable[[], Sent]) -> None:
    """A wrong, stale, missing or foreign signature is answered with 401 and nothing else."""
    answer = send(bridge[0], make())
    assert (answer.status_code, answer.content) == (401, b"")


def test_chunked_body_is_cut_off_when_it_is_too_large(bridge: tuple[str, str]) -> None:
    """A body without a declared length is refused as soon as it is larger than allowed."""
    answer = httpx.post(f"{bridge[0]}/hooks/shop", content=(b"x" * 65536 for _ in range(17)), trust_env=False)
    assert answer.status_code == 413


def test_chunked_body_is_taken_when_it_is_small(bridge: tuple[str, str]) -> None:
    """A signed body in chunks is as good as one with a length."""
    sent = good("msg_chunked")
    chunks = (sent.body[i : i + 7] for i in range(0, len(sent.body), 7))
    answer = httpx.post(bridge[0] + sent.path, content=chunks, headers=sent.headers, trust_env=False)
    assert answer.status_code == 204


def test_half_an_upload_is_forgotten(bridge: tuple[str, str]) -> None:
    """A sender that leaves in the middle of its body changes nothing and harms nobody."""
    host, port = bridge[0].removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        sock.sendall(b"POST /hooks/shop HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf")
    assert httpx.get(f"{bridge[0]}/healthz", trust_env=False).status_code == 200


def test_health_says_ok(bridge: tuple[str, str]) -> None:
    """A bridge whose store can be used says so."""
    answer = httpx.get(f"{bridge[0]}/healthz", trust_env=False)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_badge_is_in_the_portal_after_a_missed_call(bridge: tuple[str, str]) -> None:
    """The worker runs in either server: a delivery that is accepted ends as a badge in the portal."""
    url, portal = bridge
    assert send(url, twilio("CA-badge")).status_code == 200

    def badges() -> list[Any]:
        state = httpx.get(f"{portal}/_sandbox/state", trust_env=False).json()
        return [badge for badge in state["badges"] if badge["code"] == "bb_missedCall"]

    assert len(until(badges, what="the badge")) == 1
