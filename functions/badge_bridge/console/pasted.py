"""What somebody pasted, as deliveries: a curl command, a request as it goes over the wire, what `badge-bridge sign`
prints, or a body alone with the name of its source.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from badge_bridge.console.answers import Senseless
from badge_bridge.delivery_files import NotADelivery, parse
from badge_bridge.sources.base import Delivery, Source

__all__ = ["MOST", "read_pasted"]

MOST = 20
"""Deliveries that are judged together: a call has fewer."""


def read_pasted(text: str, *, source: str, at: float) -> Sequence[tuple[str, Delivery]]:
    """The deliveries, each with the name of its source, as received `at` unix seconds. A body alone is one of `source`.

    Raises:
        Senseless: it is none, is too large, or there are too many.
    """
    content = text.encode("utf-8", "replace")
    try:
        found = parse(content, at=at)
    except NotADelivery as error:
        found = [(source, _body(content, at))] if source and _is_body(content) else ()
        if not found:
            raise Senseless(f"this cannot be read as a delivery: {error}", field="delivery") from error
    if len(found) > MOST:
        raise Senseless(f"there are {len(found):,} deliveries; {MOST} are judged together at most", field="delivery")
    return found


def _is_body(content: bytes) -> bool:
    """Whether it may be the body of a delivery: JSON, or the fields of a form in one line."""
    stripped = content.strip()
    if stripped[:1] in (b"{", b"["):
        return _is_json(stripped)
    return b"=" in stripped and b"\n" not in stripped and b" " not in stripped


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except (ValueError, RecursionError):
        return False
    return True


def _body(content: bytes, at: float) -> Delivery:
    stripped = content.strip()
    media = "application/json" if stripped[:1] in (b"{", b"[") else "application/x-www-form-urlencoded"
    return Delivery("POST", "", [("content-type", media)], stripped[: Source.max_body + 1], at)
