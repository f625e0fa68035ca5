"""What every provider's tests do alike: take the published vectors, and try a delivery with something wrong in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import ValidationError

from badge_bridge.errors import DeliveryRefused, Unauthenticated
from badge_bridge.sources import OPTIONS, Delivery, Source, build
from badge_bridge.sources.base import SampleCall

NOW = 1_763_778_600.0
BROKEN = (b"", b"{", b"[]", b"null", b"{}", b"\xff", b'{"a":1,"a":2}', b'{"a":NaN}', b'{"a":"\\ud800"}', b"[" * 5000)
"""Bodies that are no event of anybody."""

ALL_VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "data" / "vectors.json").read_text())


def vectors(provider: str) -> list[dict[str, Any]]:
    return [vector for vector in ALL_VECTORS if vector["provider"] == provider]


def of_vector(vector: dict[str, Any], at: float = NOW) -> Delivery:
    headers = [(name.lower(), value) for name, value in vector["headers"].items()]
    query = urlsplit(vector["url"]).query
    return Delivery(vector["method"], query, headers, vector["body"].encode(), vector.get("verify_at", at))


def made(provider: str, *secrets: str, **options: Any) -> Source[Any]:
    given = {"provider": provider, "secrets": list(secrets), **options}
    return build("phone", OPTIONS[provider].model_validate(given))


def with_header(delivery: Delivery, name: str, *values: str) -> Delivery:
    """The delivery with these values of a header instead of its own; none takes the header away."""
    kept = [(key, value) for key, value in delivery.headers if key != name]
    return replace(delivery, headers=[*kept, *((name, value) for value in values)])


def assert_refused(source: Source[Any], *deliveries: Delivery) -> None:
    for delivery in deliveries:
        with pytest.raises(Unauthenticated):
            source.verify(delivery)


def assert_unreadable(source: Source[Any], deliveries: Sequence[Delivery]) -> None:
    for delivery in deliveries:
        with pytest.raises((DeliveryRefused, ValidationError)):
            source.read(delivery)


def sample(outcome: Any, call_id: str = "abc123") -> SampleCall:
    return SampleCall(id=call_id, outcome=outcome, at=NOW - 30, now=NOW)
