"""Deliveries that are signed beforehand: whole HTTP requests of one size, each with an id of its own.

Each is signed twice, as Standard Webhooks asks and as `webhook` can check (`X-Signature`, the HMAC of the body), so that
all contenders are sent the same bytes.
"""

from __future__ import annotations

import base64
import hmac
import itertools
import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["KEY", "PATH", "SECRET", "Requests", "number_of", "write_requests"]

KEY = b"a key of thirty-two bytes, 0123!"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
PATH = "/hooks/pbx"
BODY = 300
"""Bytes."""

_runs = itertools.count()


@dataclass(frozen=True, slots=True)
class Requests:
    path: Path
    size: int
    """Bytes of each."""
    count: int


def write_requests(
    folder: Path, count: int, *, customers: int = 9_000_000, outcomes: Sequence[str] = ("missed",)
) -> Requests:
    """So many calls, as good as new for five minutes, as the scheme wants: of each customer in turn one of each outcome."""
    run, now = secrets.token_hex(4), int(time.time())
    called = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    path = folder / f"requests-{next(_runs)}"
    size = 0
    with path.open("wb") as file:
        for number in range(count):
            request = _request(
                f"{run}-{number:08}",
                outcomes[number % len(outcomes)],
                number_of(number // len(outcomes) % customers),
                now,
                called,
            )
            assert size in {0, len(request)}, "all requests have one size"
            size = len(request)
            file.write(request)
    return Requests(path, size, count)


def number_of(customer: int) -> str:
    """The telephone of a customer, who are counted from 0."""
    return f"+4930{customer + 1_000_000}"


def _request(name: str, outcome: str, caller: str, now: int, called: str) -> bytes:
    call = {
        "id": name,
        "outcome": outcome,
        "from": caller,
        "time": called,
        "note": "",
    }
    call["note"] = "x" * (BODY - len(json.dumps(call)))
    body = json.dumps(call).encode()
    signed = base64.b64encode(hmac.digest(KEY, f"msg_{name}.{now}.".encode() + body, "sha256")).decode()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: pbx/1.0\r\nContent-Type: application/json\r\n"
        f"webhook-id: msg_{name}\r\nwebhook-timestamp: {now}\r\nwebhook-signature: v1,{signed}\r\n"
        f"X-Signature: sha256={hmac.digest(KEY, body, 'sha256').hex()}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
