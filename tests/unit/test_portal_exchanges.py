"""What is told of a call and its answer: by a table, in a few words, and nothing that the table does not name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from badge_bridge.errors import AccessRefused, CallRefused, NotFound, OutcomeUnknown, PortalError
from badge_bridge.outcomes import Exchange
from badge_bridge.portal import activities, badges, owners
from badge_bridge.portal.answers import Reply, read, read_share
from badge_bridge.portal.credentials import InboundWebhook
from badge_bridge.portal.exchanges import TOLD, answer_of, answered, cancelled
from badge_bridge.portal.wire import Answer

PHONE = "+49301234567"
SECRET = "abcdefghijklmnop"
WEBHOOK = InboundWebhook(f"https://acme.bitrix24.com/rest/1/{SECRET}/")
PLANTED = "pl4nted"
METHODS = (*badges.METHODS, *owners.METHODS, *activities.METHODS)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(
    [
        *("code", "type", "values", "entity_type", "FILTER", "CALL_ID", "entityTypeId", "filter", "@id", "@contactIds"),
        *("originId", "fields", "fm", "typeId", "value", "ownerTypeId", "ownerId", "id", ">ID", "ORIGIN_ID", "ID"),
        *("OWNER_TYPE_ID", "OWNER_ID", "badge", "items", "item", "activity", "completed", "LEAD", "CONTACT"),
        *("CRM_ENTITY_TYPE", "CRM_ENTITY_ID"),
    ]
)
NEARLY = st.recursive(
    ANY_JSON | st.sampled_from([1, 2, 3, 41, "PHONE", "EMAIL", "CONTACT", "deal", PHONE]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
"""JSON that has the names of what is looked for, with anything under them."""


def told(method: str, params: Any, result: Any) -> tuple[str, str]:
    exchange = answered(method, params, Reply(result, None), seconds=0.0125, together=3)
    assert (exchange.method, exchange.answer, exchange.milliseconds, exchange.together) == (method, "ok", 12.5, 3)
    return exchange.about, exchange.said


def refused(error: str, description: str) -> PortalError:
    """What the client makes of such an answer."""
    body = json.dumps({"error": error, "error_description": description}).encode()
    with pytest.raises(PortalError) as caught:
        read(Answer(400, body, ""), portal="main", method="crm.activity.badge.get", credential=WEBHOOK)
    return caught.value


def items(type_id: int, **where: Any) -> dict[str, Any]:
    return {"entityTypeId": type_id, "select": ["id"], "filter": where, "order": {"id": "desc"}}


LEAD = {"title": "A call", "fm": [{"typeId": "PHONE", "valueType": "WORK", "value": PHONE}], "originId": "5f"}
DEALS = {"items": [{"id": 41}, {"id": "40"}]}
OPEN = {"stageSemanticId": "P"}


@pytest.mark.parametrize(
    ("method", "params", "result", "about", "said"),
    [
        ("crm.activity.badge.get", {"code": "bb_missedCall"}, {"badge": {"code": "bb_missedCall"}}, "of bb_missedCall", "there"),
        ("crm.activity.badge.get", {"code": "bb_missedCall"}, {"badge": []}, "of bb_missedCall", "none"),
        ("crm.activity.badge.add", {"code": "bb_missedCall", "title": "T"}, {"badge": {"code": "bb_missedCall"}}, "of bb_missedCall", ""),
        ("crm.duplicate.findbycomm", {"type": "PHONE", "values": [PHONE, PHONE[1:]]}, {"CONTACT": [3]}, f"of the phone {PHONE}", "contact 3"),
        ("crm.duplicate.findbycomm", {"type": "PHONE", "values": [PHONE], "entity_type": "COMPANY"}, [], f"of the phone {PHONE} among companies", "nobody"),
        ("crm.duplicate.findbycomm", {"type": "EMAIL", "values": ["a@b.example"]}, {"LEAD": [7], "CONTACT": ["3", 5]}, "of the e-mail address a@b.example", "lead 7 and contacts 3, 5"),
        ("voximplant.statistic.get", {"FILTER": {"CALL_ID": "c.1"}}, [{"CALL_ID": "c.1", "CRM_ENTITY_TYPE": "CONTACT", "CRM_ENTITY_ID": "3", "PHONE_NUMBER": "+1"}], "of the call c.1", "contact 3"),
        ("voximplant.statistic.get", {"FILTER": {"CALL_ID": "c.1"}}, [{"CALL_ID": "c.1", "CRM_ENTITY_TYPE": None}], "of the call c.1", "no card"),
        ("crm.item.list", items(2, **{"@contactIds": [3], **OPEN}), DEALS, "of open deals of contact 3", "deals 41, 40"),
        ("crm.item.list", items(2, **{"@contactId": [3, 5], **OPEN}), {"items": [{"id": 41}]}, "of open deals of contacts 3, 5", "deal 41"),
        ("crm.item.list", items(2, **{"@companyId": [6], **OPEN}), {"items": []}, "of open deals of company 6", "none"),
        ("crm.item.list", items(3, **{"@id": [3]}), {"items": [{"id": 3}]}, "of contact 3", "contact 3"),
        ("crm.item.list", items(1, **{"@id": [7, 8], **OPEN}), {"items": []}, "of open leads 7, 8", "none"),
        ("crm.item.list", items(1, originatorId="badge-bridge", originId="5f", **OPEN), {"items": []}, "of open leads that the bridge made for this customer", "none"),
        ("crm.item.list", items(2, **{"@id": list(range(1, 51))}), {"items": [{"id": n} for n in range(50, 0, -1)]}, "of deals 1, 2, 3, 4, 5, ...", "deals 50, 49, 48, 47, 46, ..."),
        ("crm.item.add", {"entityTypeId": 1, "fields": LEAD}, {"item": {"id": 12}}, f"of a lead for the phone {PHONE}", "lead 12"),
        ("crm.activity.configurable.add", {"ownerTypeId": 2, "ownerId": 41, "fields": {}, "layout": {}}, {"activity": {"id": 93}}, "on deal 41", "activity 93"),
        ("crm.activity.configurable.update", {"id": 93, "fields": {"completed": "Y"}, "layout": {}}, {"activity": {"id": 93}}, "to complete activity 93", ""),
        ("crm.activity.configurable.get", {"id": 93}, {"activity": {"fields": {"completed": True}}}, "of activity 93", "completed"),
        ("crm.activity.configurable.get", {"id": 93}, {"activity": {"fields": {"completed": "N"}}}, "of activity 93", "not completed"),
        ("crm.activity.list", {"filter": {"ORIGINATOR_ID": "badge-bridge", "ORIGIN_ID": "5f"}}, [{"ID": "93"}, {"ID": "94"}], "of the activity that may have been added before", "activities 93, 94"),
        ("crm.activity.list", {"filter": {"OWNER_TYPE_ID": 2, "OWNER_ID": 41, ">ID": 0}}, [], "of the activities on deal 41", "none"),
        ("crm.activity.list", {"filter": {"OWNER_TYPE_ID": 2, "OWNER_ID": 41, ">ID": 90}}, [{"ID": "93"}], "of the activities on deal 41 after 90", "activity 93"),
    ],
)  # fmt: skip
def test_call_is_told_with_what_it_asked_and_what_came_back(
    method: str, params: Any, result: Any, about: str, said: str
) -> None:
    """In words that go on after the method's name."""
    assert told(method, params, result) == (about, said)


def test_table_has_every_method_that_is_called_for_an_event() -> None:
    """And no other."""
    assert set(TOLD) == set(METHODS)


@pytest.mark.parametrize("method", ["profile", "crm.deal.list", "event.bind", "batch"])
def test_nothing_is_told_of_a_method_that_the_table_does_not_name(method: str) -> None:
    """What its parameters mean is not known, so they stay where they are."""
    params = {"code": PLANTED, "id": 3, "auth": PLANTED, "filter": {"@id": [3]}}
    assert told(method, params, {"items": [{"id": 3}], "token": PLANTED}) == ("", "")


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_told_but_codes_ids_and_whom_it_is_about(method: str) -> None:
    """Layouts, texts, other fields and what comes along in an answer never are."""
    other = dict.fromkeys(("auth", "title", "TITLE", "text", "layout", "select", "order", "NAME"), PLANTED)
    params = {
        **other,
        "code": "bb",
        "type": "PHONE",
        "values": [PHONE, PLANTED],
        "entityTypeId": 2,
        "ownerTypeId": 2,
        "ownerId": 41,
        "id": 93,
        "fields": {**other, "fm": [{**other, "typeId": "PHONE", "value": PHONE}]},
        "filter": {**other, "@id": [3], "originId": PLANTED, "ORIGIN_ID": PLANTED},
        "FILTER": {**other, "CALL_ID": "c.1"},
    }
    row = {**other, "id": 41, "ID": 93, "CRM_ENTITY_TYPE": "CONTACT", "CRM_ENTITY_ID": 3, "PHONE_NUMBER": PLANTED}
    inner = {"badge": row, "items": [row], "item": row, "activity": {**row, "fields": other}, "CONTACT": [3]}
    for result in ({**other, **inner}, [row], PLANTED):
        about, said = told(method, params, result)
        assert about
        assert PLANTED not in about + said


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.sampled_from(METHODS), st.dictionaries(NAMES | st.text(), NEARLY), NEARLY)
def test_call_is_told_in_one_short_line_whatever_is_sent_and_answered(method: str, params: Any, result: Any) -> None:
    """An answer of another shape is no reason to fail, here least of all."""
    for text in told(method, params, result):
        assert len(text) <= 120
        assert text == " ".join(text.split())


def test_long_text_is_cut() -> None:
    """A life is read line by line."""
    about, _ = told("crm.duplicate.findbycomm", {"type": "EMAIL", "values": ["a" * 300 + "@b.example"]}, [])
    assert about == f"of the e-mail address {'a' * 97}…"
    assert len(about) == 120


@pytest.mark.parametrize(
    ("error", "description", "kind", "said"),
    [
        ("NOT_FOUND", "Badge not found", NotFound, "Badge not found"),
        ("ACCESS_DENIED", "Ask\n for it! ", AccessRefused, "Ask for it!"),
        ("WRONG_FIELD_VALUE", f"{SECRET} and {PHONE}", CallRefused, "*** and +*******"),
        ("NOT_FOUND", "Not found.", NotFound, ""),
        ("INTERNAL_SERVER_ERROR", "x" * 300, OutcomeUnknown, f"{'x' * 119}…"),
    ],
)
def test_refusal_is_told_in_the_portals_own_words(error: str, description: str, kind: type, said: str) -> None:
    """Without a secret or a number, as wherever they are told, and not where they only repeat the code."""
    meaning = refused(error, description)
    assert isinstance(meaning, kind)
    exchange = answered("crm.activity.badge.get", {"code": "bb"}, meaning, seconds=0, together=1)
    assert exchange == Exchange(method="crm.activity.badge.get", about="of bb", answer=error, said=said, milliseconds=0)


def test_refusal_within_a_batch_is_told_in_the_portals_own_words() -> None:
    """Also where it does not say whether something was added."""
    share = {"error": "ODD", "error_description": "What is this?"}
    with pytest.raises(OutcomeUnknown) as caught:
        read_share(share, portal="main", method="crm.item.add", credential=WEBHOOK)
    assert answered("crm.item.add", {}, caught.value, seconds=0, together=2).said == "What is this?"


def test_answer_is_the_status_when_there_is_no_code() -> None:
    """There is always something to look up."""
    error = PortalError("m", portal="main", method="m", status=502)
    assert (answer_of(error), answer_of(Reply(None, None))) == ("HTTP 502", "ok")


def test_only_what_was_asked_is_told_when_nobody_waited_for_the_answer() -> None:
    """He has left, and it may have come later."""
    exchange = cancelled("crm.activity.badge.get", {"code": "bb"}, seconds=1, together=2)
    assert (exchange.about, exchange.answer, exchange.said) == ("of bb", "cancelled", "")


def test_answer_to_a_whole_batch_says_nothing_of_its_calls() -> None:
    """Its result has another shape than theirs."""
    exchange = answered("crm.item.list", items(2), Reply([], None), seconds=0, together=2, as_a_whole=True)
    assert (exchange.answer, exchange.said) == ("ok", "")
