"""The wire form of a batch, read back by the sandbox's reading of PHP's query strings."""

from __future__ import annotations

from typing import Any

import pytest

from badge_bridge.errors import CallRefused, NotFound, OutcomeUnknown
from badge_bridge.portal import InboundWebhook
from badge_bridge.portal.answers import Reply, read_share
from badge_bridge.portal.batch import phrase, request, share
from support.portals import command_of

CREDENTIAL = InboundWebhook("https://acme.bitrix24.com/rest/7/s3cr3tw0rd/")
METHOD = "crm.activity.configurable.add"


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, METHOD),
        ({"code": "bb_missed"}, f"{METHOD}?code=bb_missed"),
        ({"id": 41, "done": True, "open": False}, f"{METHOD}?id=41&done=1&open=0"),
        ({"fields": {"badgeCode": "x"}}, f"{METHOD}?fields[badgeCode]=x"),
        ({"values": ["a", "b"]}, f"{METHOD}?values[0]=a&values[1]=b"),
        ({"values": [{"a": [1]}, {"b": {"c": 2}}]}, f"{METHOD}?values[0][a][0]=1&values[1][b][c]=2"),
        ({"q": "a&b=c%+#[]?/ ü"}, f"{METHOD}?q=a%26b%3Dc%25%2B%23%5B%5D%3F%2F%20%C3%BC"),
        ({"filter": {">=DATE": "2026"}}, f"{METHOD}?filter[%3E%3DDATE]=2026"),
        ({"empty": "", "float": 1.5}, f"{METHOD}?empty=&float=1.5"),
    ],
    ids=lambda value: None if isinstance(value, str) else str(value)[:30],
)
def test_a_command_is_a_query_string_when_it_goes_into_a_batch(params: dict[str, Any], expected: str) -> None:
    """Brackets for maps and lists, 1 and 0 for truth, each value encoded once."""
    assert phrase(METHOD, params) == expected


@pytest.mark.parametrize(
    "value",
    [
        "",
        " a ",
        "a&b",
        "50%",
        "1+1",
        "x=y",
        "[0]",
        "#",
        "ü€😀",
        "a\nb\0c",
        "$resul",
        "%26",
        ";",
        "'\"",
        "\\",
        "+49 170",
    ],
)
def test_a_text_comes_out_as_it_went_in_when_php_reads_it(value: str) -> None:
    """Nothing in a customer's text can end its value or begin another one, at any depth."""
    params = {"text": value, "deep": {"list": [value, {"key": value}]}, "last": "x"}
    text = phrase(METHOD, params)
    assert text is not None
    assert text.isascii()
    assert command_of(text) == (METHOD, params)


@pytest.mark.parametrize(
    "params",
    [
        {"a": None},
        {"a": {}},
        {"a": []},
        {"a": {"b": {"c": []}}},
        {"a": [None]},
        {"a.b": 1},
        {"a b": 1},
        {"": 1},
        {"a[b]": 1},
        {"a": {"b]": 1}},
        {"a": {"": 1}},
        {"a": {1: 2}},
        {"a": float("nan")},
        {"a": float("inf")},
        {"a": set()},
        {"a": b"bytes"},
        {"a": "\ud800"},
        {"a": "$result[c0][badge]"},
        {"a": [{"b": "Call $RESULT[c0]"}]},
        {"a": list(range(1001))},
    ],
    ids=lambda params: str(params)[:30],
)
def test_a_command_does_not_fit_into_a_batch_when_a_query_string_says_something_else(params: dict[Any, Any]) -> None:
    """Null and emptiness vanish there, PHP changes some names, and a text may look like a reference."""
    assert phrase(METHOD, params) is None


def test_a_command_does_not_fit_into_a_batch_when_it_is_nested_too_deep() -> None:
    """PHP leaves out what is below its limit."""
    deep: Any = "x"
    for _ in range(80):
        deep = {"a": deep}
    assert phrase(METHOD, {"a": deep}) is None


def test_a_batch_goes_on_when_a_command_fails() -> None:
    """Its commands belong to different events; keys are words and keep the order."""
    assert request(["profile", "a?b=1"]) == {"halt": 0, "cmd": {"c0": "profile", "c1": "a?b=1"}}
    assert list(request([str(number) for number in range(12)])["cmd"]) == [f"c{number}" for number in range(12)]


def meant(result: Any, key: str = "c0") -> Reply:
    return read_share(share(result, key), portal="main", method=METHOD, credential=CREDENTIAL)


NOTHING: dict[str, Any] = {
    "result": [],
    "result_error": [],
    "result_total": [],
    "result_next": [],
    "result_time": [],
}


@pytest.mark.parametrize("value", [None, [], {}, True, False, 0, "", {"badge": {"code": "x"}}])
def test_a_result_is_handed_out_as_it_is_when_a_command_succeeded(value: Any) -> None:
    """Null is a result, too: the key is there."""
    assert meant({**NOTHING, "result": {"c0": value}}) == Reply(value, None)


def test_a_command_gets_its_own_page_and_time_when_the_batch_has_them() -> None:
    """`next`, `total` and the reset of the run time are by command."""
    result = {
        "result": {"c0": [1], "c1": [2]},
        "result_error": [],
        "result_total": {"c0": 120, "c1": "7"},
        "result_next": {"c0": 50},
        "result_time": {"c0": {"operating_reset_at": 1773239624}, "c1": []},
    }
    assert meant(result, "c0") == Reply([1], 1773239624.0, next=50, total=120)
    assert meant(result, "c1") == Reply([2], None, next=None, total=7)


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        ({"error": "NOT_FOUND", "error_description": "Not found."}, NotFound, "NOT_FOUND"),
        ({"error": "", "error_description": "Sorry."}, OutcomeUnknown, ""),
        ({"error": "ERROR_CORE"}, OutcomeUnknown, "ERROR_CORE"),
        ({"error": "ERROR_DATABASE"}, OutcomeUnknown, "ERROR_DATABASE"),
        ({"error": "100"}, CallRefused, "100"),
        ({"error": 100}, CallRefused, "100"),
        ("NOT_FOUND", NotFound, "NOT_FOUND"),
        ({"error": "INTERNAL_SERVER_ERROR"}, OutcomeUnknown, "INTERNAL_SERVER_ERROR"),
        ([], OutcomeUnknown, "no answer in batch"),
        ({}, OutcomeUnknown, "no answer in batch"),
        (None, OutcomeUnknown, "no answer in batch"),
    ],
    ids=str,
)
def test_a_command_gets_its_own_error_when_it_failed(error: Any, kind: type[Exception], code: str) -> None:
    """By the same codes as alone, and although the batch was answered with 200; a result beside it does not count.

    A code that says nothing, of an add that must not be done twice, leaves open whether it was done.
    """
    with pytest.raises(kind) as caught:
        meant({**NOTHING, "result": {"c0": None}, "result_error": {"c0": error}})
    assert type(caught.value) is kind
    assert getattr(caught.value, "code", None) == code
    assert METHOD in str(caught.value)


@pytest.mark.parametrize(
    "result",
    [NOTHING, {}, [], None, True, "text", {"result": None}, {"result": ["x"]}, {"result": {"c1": 1}}, {"result": "c0"}],
    ids=str,
)
def test_the_outcome_of_a_command_is_unknown_when_the_batch_does_not_mention_it(result: Any) -> None:
    """It may have been carried out before whatever went wrong."""
    with pytest.raises(OutcomeUnknown, match="does not say what became of it"):
        meant(result)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (50, 50),
        ("50", 50),
        (0, 0),
        (-1, None),
        (True, None),
        ("", None),
        ("5x", None),
        (None, None),
        (1.5, None),
        ([], None),
        ("9" * 50, None),
    ],
    ids=repr,
)
def test_a_number_of_rows_is_read_when_it_is_one(said: Any, expected: int | None) -> None:
    """Numbers may come as texts, and anything else is no page to go to."""
    reply = meant({"result": {"c0": []}, "result_next": {"c0": said}, "result_total": {"c0": said}})
    assert (reply.next, reply.total) == (expected, expected)
