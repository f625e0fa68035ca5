"""The envelope of a push, in the forms in which it comes."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from badge_bridge.serverless.envelope import NotOurs, read_envelope


def body(message: Any, **more: Any) -> bytes:
    return json.dumps({"message": message, "subscription": "projects/p/subscriptions/s", **more}).encode()


@pytest.mark.parametrize(
    "message",
    [
        {"attributes": {"key": "pbx:1"}, "messageId": "7", "message_id": "7", "publishTime": "2026-11-22T11:00:00Z"},
        {"attributes": {"key": "pbx:1"}, "messageId": "7", "data": ""},
        {"attributes": {"key": "pbx:1"}, "message_id": "7", "data": None, "orderingKey": ""},
        {"attributes": {"key": "pbx:1", "googclient_schemaencoding": "JSON"}, "messageId": "7"},
        {"attributes": {"key": "pbx:1"}, "messageId": "7", "data": base64.b64encode(b"pbx:1").decode()},
    ],
    ids=["both ids", "empty data", "snake case", "further attributes", "data"],
)
def test_key_is_found_in_each_form_of_a_message(message: dict[str, Any]) -> None:
    """Ids in either case, with and without data."""
    envelope = read_envelope(body(message))
    assert (envelope.key, envelope.message.id) == ("pbx:1", "7")


@pytest.mark.parametrize(("more", "attempt"), [({"deliveryAttempt": 3}, 3), ({"delivery_attempt": 3}, 3), ({}, None)])
def test_delivery_attempt_is_read_where_there_is_one(more: dict[str, int], attempt: int | None) -> None:
    """A subscription without a dead-letter topic, and the emulator, do not count."""
    assert read_envelope(body({"attributes": {"key": "a"}}, **more)).delivery_attempt == attempt


def test_look_is_told_from_a_key() -> None:
    """A message without a key asks for whatever is due."""
    assert read_envelope(body({"attributes": {"look": "due"}})).key == ""


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        (b"", "no envelope"),
        (b"{}", "message"),
        (b"[]", "no envelope"),
        (b'{"message": "x"}', "message"),
        (b"\xff\xfe", "no envelope"),
        (body({"attributes": None, "messageId": "7"}), "message 7 has neither"),
        (body({"data": "eyJhIjogMX0="}), "neither"),
        (body({"attributes": {"key": ""}}), "neither"),
        (body({"attributes": {"look": "up"}}), "neither"),
        (body({"attributes": {"key": 7}}), "attributes.key"),
    ],
)
def test_what_is_no_message_of_ours_is_refused_with_a_reason(raw: bytes, word: str) -> None:
    """So that it ends on the dead-letter topic, and the log says why."""
    with pytest.raises(NotOurs, match=word):
        read_envelope(raw)
