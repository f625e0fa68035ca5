"""What somebody pastes into the page Try."""

from __future__ import annotations

import json

import pytest

from badge_bridge.console.answers import Senseless
from badge_bridge.console.pasted import MOST, read_pasted
from badge_bridge.sources.base import Source

NOW = 1_795_345_200.0
CURL = "curl --header 'content-type: application/json' --data-raw '{\"id\": 7}' https://b.example.com/hooks/pbx"
REQUEST = 'POST /hooks/pbx HTTP/1.1\nContent-Type: application/json\n\n{"id": 7}'
RECORD = json.dumps(
    [{"url": "https://b.example.com/hooks/pbx", "headers": {"content-type": "application/json"}, "body": '{"id": 7}'}]
)


@pytest.mark.parametrize("text", [CURL, f"$ {CURL}\n", REQUEST, REQUEST.replace("\n", "\r\n"), RECORD])
def test_delivery_is_read_when_it_is_a_whole_request(text: str) -> None:
    """However somebody has got hold of a request, it goes to the source that its path names, whatever he has chosen."""
    ((source, delivery),) = read_pasted(text, source="shop", at=NOW)
    assert source == "pbx"
    assert (delivery.method, delivery.body, delivery.received_at) == ("POST", b'{"id": 7}', NOW)
    assert delivery.header("content-type") == "application/json"


@pytest.mark.parametrize(
    ("text", "media"),
    [
        ('\n {"id": 7}\n', "application/json"),
        ('[{"id": 7}]', "application/json"),
        ("CallSid=CA1&From=%2B4930901820\n", "application/x-www-form-urlencoded"),
    ],
)
def test_body_alone_is_read_when_a_source_is_chosen(text: str, media: str) -> None:
    """A body from a provider's log has no headers; its kind is seen from how it begins."""
    ((source, delivery),) = read_pasted(text, source="pbx", at=NOW)
    assert (source, delivery.body) == ("pbx", text.strip().encode())
    assert delivery.header("content-type") == media


@pytest.mark.parametrize("text", ['{"id": 7}', "CallSid=CA1", "hello", "", '{"id": ', "[" * 100_000])
def test_text_is_refused_when_it_is_no_delivery(text: str) -> None:
    """The author of the text hears what can be pasted."""
    with pytest.raises(Senseless, match="cannot be read as a delivery") as told:
        read_pasted(text, source="", at=NOW)
    assert told.value.field == "delivery"


@pytest.mark.parametrize("text", ["hello", "a = b", "[" * 100_000, "{,}"])
def test_text_is_refused_when_it_is_no_body_either(text: str) -> None:
    """Choosing a source makes no body of what is none."""
    with pytest.raises(Senseless):
        read_pasted(text, source="pbx", at=NOW)


def test_deliveries_are_refused_when_they_are_too_many() -> None:
    """So many are judged together as tell of one call, and no more."""
    with pytest.raises(Senseless, match=f"{MOST} are judged together"):
        read_pasted("\n".join([CURL] * (MOST + 1)), source="", at=NOW)


def test_body_is_cut_where_the_source_refuses_it_for_its_size() -> None:
    """What is larger than any delivery is told to be so by the source itself, and is not kept whole."""
    ((_, delivery),) = read_pasted("a=" + "x" * 3_000_000, source="pbx", at=NOW)
    assert len(delivery.body) == Source.max_body + 1
