"""The checks of an endpoint that providers make: whatever is sent as one stores nothing."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from urllib.parse import quote

from badge_bridge.sources.base import Delivery
from support.mutations import mutated, proofs
from support.senders import SENDERS, Sender

__all__ = ["HANDSHAKES", "SIGNED", "changed_handshake", "handshake"]

WORD = "qgg8vlvZRS6UYooatFL8Aw"
ODD = (
    "", " ", "\u00ff", "a b", "a\r\nSet-Cookie: x=1", "<script>alert(1)</script>", "../..", "%ff", "{}", "0", "x" * 600, "x" * 5_000,
)  # fmt: skip

Asked = Callable[[Delivery, str], Delivery]
"""A delivery made into the check, in front of whatever it holds, with this word to send back."""


def _in_header(name: str, method: str) -> Asked:
    return lambda sent, word: replace(sent, method=method, headers=[(name, word), *sent.headers])


def _zadarma(sent: Delivery, word: str) -> Delivery:
    query = "&".join(filter(None, (f"zd_echo={quote(word)}", sent.query)))
    return replace(sent, method="GET", query=query)


def _mango(sent: Delivery, word: str) -> Delivery:
    return replace(sent, path={WORD: "/ping"}.get(word, f"/ping/{quote(word)}"))


def _zoom(sent: Delivery, word: str) -> Delivery:
    body = {"event": "endpoint.url_validation", "payload": {"plainToken": word}, "event_ts": 1}
    return SENDERS["zoom"].signed(json.dumps(body).encode(), sent.received_at)


HANDSHAKES: Mapping[str, Asked] = {
    "cloudevents": _in_header("webhook-request-origin", "OPTIONS"),
    "mango": _mango,
    "novofon": _zadarma,
    "ringcentral": _in_header("validation-token", "POST"),
    "zadarma": _zadarma,
    "zoom": _zoom,
}
"""By provider."""

SIGNED = frozenset({"zoom"})
"""Theirs are answered to nobody but them; the others are public by design."""


def _nothing(base: Delivery) -> Delivery:
    return replace(base, query="", headers=[], body=b"")


def handshake(sender: Sender, base: Delivery) -> Delivery:
    """The check as the provider makes it, to where this delivery of its goes."""
    return HANDSHAKES[sender.provider](_nothing(base), WORD)


def changed_handshake(sender: Sender, base: Delivery, rng: random.Random) -> tuple[str, Delivery]:
    """The check with one change, and what was done: of a signed one anything, else another word, method or content."""
    asked = HANDSHAKES[sender.provider]
    if sender.provider in SIGNED:
        what, changed = mutated(handshake(sender, base), sender.source, rng)
        return f"handshake, {what}", changed
    match rng.randrange(4):
        case 0:
            return "handshake with another word", asked(_nothing(base), rng.choice(ODD))
        case 1:
            return "handshake with two words", asked(asked(_nothing(base), WORD), rng.choice(ODD))
        case 2:
            method = rng.choice(("GET", "HEAD", "OPTIONS", "POST", "PUT"))
            return "handshake by another method", replace(handshake(sender, base), method=method)
    # RingCentral sends the word with deliveries too: those count, and so must not be genuine here.
    gone = proofs(base) if sender.provider == "ringcentral" else []
    headers = [header for index, header in enumerate(base.headers) if index not in gone]
    return "handshake with a delivery in it", asked(replace(base, headers=headers), WORD)
