"""The provider bitrix24: a static token is checked, the end of a call is judged by a table."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from pydantic import ValidationError

from badge_bridge.errors import BodyTooLarge, Impossible, Malformed, Unauthenticated
from badge_bridge.events import Event
from badge_bridge.sources import build
from badge_bridge.sources.base import Delivery, Reading
from badge_bridge.sources.bitrix24 import Bitrix24, Bitrix24Options

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "data" / "vectors.json").read_text())
NOW = datetime(2025, 11, 22, 3, 0, tzinfo=UTC)
TOKEN = "51610fefc120afg4b628cc82d6298cce"
MEMBER = "a223c6b9410f85df78e9377d6c4f7213"
FORM = ("content-type", "application/x-www-form-urlencoded")
CALL_END = {
    "event": "ONVOXIMPLANTCALLEND",
    "event_handler_id": "1061",
    "data[CALL_ID]": "externalCall.7b0c7de811455ef32b18dc5917e4306a.1773239327",
    "data[CALL_TYPE]": "2",
    "data[PHONE_NUMBER]": "+499061234567",
    "data[PORTAL_NUMBER]": "+499061230000",
    "data[CALL_DURATION]": "7",
    "data[CALL_START_DATE]": "2025-11-22T05:29:40+03:00",
    "data[CALL_FAILED_CODE]": "304",
    "ts": "1763778600",
    "auth[domain]": "acme.bitrix24.com",
    "auth[member_id]": MEMBER,
    "auth[access_token]": "an-access-token",
    "auth[refresh_token]": "a-refresh-token",
    "auth[application_token]": TOKEN,
}


def source(**options: Any) -> Bitrix24:
    given_options = {"provider": "bitrix24", "secrets": [TOKEN], **options}
    built = build("portal", Bitrix24Options.model_validate(given_options))
    assert isinstance(built, Bitrix24)
    return built


def raw(body: bytes, *headers: tuple[str, str]) -> Delivery:
    return Delivery("POST", "", headers or (FORM,), body, NOW.timestamp())


def posted(**change: str | None) -> Delivery:
    """The end of a call with some fields changed, or left out where None; `_` stands for brackets."""
    fields: dict[str, str | None] = {**CALL_END}
    for name, value in change.items():
        group, _, key = name.partition("__")
        fields[f"{group}[{key}]" if key else group] = value
    return raw(urlencode({key: value for key, value in fields.items() if value is not None}).encode())


def read(**change: str | None) -> Event:
    (reading,) = source().read(posted(**change))
    return reading.event


def identity(**change: str | None) -> tuple[str, ...]:
    (reading,) = source().read(posted(**change))
    return reading.identity


PORTAL_VECTORS = [vector for vector in VECTORS if vector["provider"] == "bitrix24"]


@pytest.mark.parametrize("vector", PORTAL_VECTORS, ids=lambda vector: vector["id"])
def test_vector_is_judged_as_published(vector: dict[str, Any]) -> None:
    """The documented delivery is accepted with its token and refused with another."""
    request = raw(vector["body"].encode())
    portal = source(secrets=[vector["secret"]])
    if vector["valid"]:
        assert portal.verify(request) == "application token"
        (reading,) = portal.read(request)
        assert (reading.event.type, reading.event.reason) == ("call.missed", "no_answer")
    else:
        with pytest.raises(Unauthenticated):
            portal.verify(request)


@pytest.mark.parametrize("token", ["", TOKEN[:-1], TOKEN + "0", TOKEN.upper(), "ü" * 32, None])
def test_wrong_token_is_refused(token: str | None) -> None:
    """The token counts only as a whole."""
    with pytest.raises(Unauthenticated):
        source().verify(posted(auth__application_token=token))


@pytest.mark.parametrize(
    ("member", "accepted"), [(MEMBER, True), (MEMBER[:-1], False), ("ü", False), ("", False), (None, False)]
)
def test_member_id_is_compared_when_it_is_given(member: str | None, accepted: bool) -> None:
    """A source can be held to one portal, whatever other portal knows the token."""
    bound = source(member_id=MEMBER)
    if accepted:
        assert bound.verify(posted(auth__member_id=member))
    else:
        with pytest.raises(Unauthenticated, match="member_id"):
            bound.verify(posted(auth__member_id=member))


@pytest.mark.parametrize(
    "request_",
    [
        raw(b""),
        raw(b"\xff"),
        raw(b"auth%5Bapplication_token%5D=%ff"),
        raw(b"&".join(b"f%d=1" % number for number in range(2_000))),
        raw(b"auth" + b"[a]" * 20_000 + b"=1"),
        raw(b"auth=" + TOKEN.encode()),
        raw(b"auth[application_token][x]=" + TOKEN.encode()),
        raw(b"auth[application_token]=wrong&auth[application_token]=" + TOKEN.encode()),
        raw(json.dumps({"auth": {"application_token": TOKEN}}).encode(), ("content-type", "application/json")),
        replace(posted(), headers=[("content-type", "text/plain")]),
        replace(posted(), headers=[]),
        replace(posted(), headers=[FORM, ("content-type", "text/plain")]),
        replace(posted(), headers=[(FORM[0], FORM[1] + "; charset=koi8-r")]),
    ],
    ids=[
        "empty",
        "not utf-8",
        "escaped not utf-8",
        "2,000 fields",
        "deep",
        "no group",
        "too far inside",
        "two tokens",
        "json",
        "text",
        "no type",
        "two types",
        "charset",
    ],
)
def test_unreadable_request_is_refused(request_: Delivery) -> None:
    """Where the token cannot be found without doubt there is none."""
    with pytest.raises(Unauthenticated):
        source().verify(request_)


def test_missed_call_is_read_with_all_its_fields() -> None:
    """The end of an unanswered incoming call becomes call.missed, at the time when it started."""
    event = read()
    assert event.model_dump(exclude={"data"}) == {
        "id": CALL_END["data[CALL_ID]"],
        "source": "portal",
        "provider": "bitrix24",
        "type": "call.missed",
        "time": datetime(2025, 11, 22, 5, 29, 40, tzinfo=timezone(timedelta(hours=3))),
        "subject": "+499061234567",
        "direction": "inbound",
        "outcome": "missed",
        "reason": "no_answer",
        "caller": "+499061234567",
        "callee": "+499061230000",
        "line": "+499061230000",
        "duration": 7,
        "email": "",
        "leg": None,
        "told_time": None,
    }


def test_data_is_the_body_without_credentials() -> None:
    """Tokens of an application's event never reach the event; which portal it was does."""
    data = read().data
    assert data["data"]["CALL_FAILED_CODE"] == "304"
    assert data["auth"] == {"domain": "acme.bitrix24.com", "member_id": MEMBER}
    assert not {TOKEN, "an-access-token", "a-refresh-token"} & set(json.dumps(data).split('"'))


@pytest.mark.parametrize(
    ("kind", "code", "expected", "reason"),
    [
        ("2", "304", "missed", "no_answer"),
        ("3", "304", "missed", "no_answer"),
        ("1", "304", "failed", "no_answer"),
        ("4", "304", "failed", "no_answer"),
        ("5", "304", "unknown", "a robot's call: 304"),
        ("1", "200", "answered", ""),
        ("2", "200", "answered", ""),
        ("3", "200", "answered", ""),
        ("4", "200", "answered", ""),
        ("5", "200", "unknown", "a robot's call: 200"),
        ("2", "486", "busy", "busy"),
        ("1", "486", "busy", "busy"),
        ("2", "603", "rejected", "declined"),
        ("1", "603", "rejected", "declined"),
        ("2", "603-S", "unknown", "603-S: cancelled, by whom is not said"),
        ("1", "603-S", "unknown", "603-S: cancelled, by whom is not said"),
        ("2", "480", "failed", "480: temporarily unavailable"),
        ("1", "404", "failed", "404: wrong number"),
        ("2", "OTHER", "failed", "OTHER: undefined"),
        ("2", "999", "failed", "999: a code that is not documented"),
        ("2", None, "unknown", "CALL_FAILED_CODE is missing"),
    ],
)
def test_call_is_judged_by_type_and_code(kind: str, code: str | None, expected: str, reason: str) -> None:
    """Only incoming calls can be missed: 304 is also what outgoing calls that nobody took end with."""
    event = read(data__CALL_TYPE=kind, data__CALL_FAILED_CODE=code)
    assert (event.type, event.outcome, event.reason) == (f"call.{expected}", expected, reason)


@pytest.mark.parametrize("kind", ["1", "4", "5"])
def test_customer_is_called_when_the_call_goes_out(kind: str) -> None:
    """PHONE_NUMBER is the customer whoever called whom; our number may be an application's name."""
    event = read(data__CALL_TYPE=kind, data__PORTAL_NUMBER="REST_APP:12")
    assert (event.direction, event.caller, event.line) == ("outbound", "REST_APP:12", "REST_APP:12")
    assert (event.callee, event.subject) == ("+499061234567", "+499061234567")


def test_customer_is_the_same_when_the_portal_leaves_out_the_plus() -> None:
    """It writes numbers with and without."""
    assert read(data__PHONE_NUMBER="499061234567").subject == read(data__PHONE_NUMBER="+499061234567").subject


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"event": None}, "event"),
        ({"event": "two words"}, "event"),
        ({"event": "x" * 101}, "event"),
        ({"event": "."}, "event"),
        ({"event": "on..deal"}, "event"),
        ({"data__CALL_ID": None}, "data[CALL_ID]"),
        ({"data__CALL_ID": ""}, "data[CALL_ID]"),
        ({"data__CALL_TYPE": None}, "data[CALL_TYPE]"),
        ({"data__CALL_TYPE": "0"}, "data[CALL_TYPE]"),
        ({"data__CALL_TYPE": "6"}, "data[CALL_TYPE]"),
        ({"data__CALL_TYPE": "two"}, "data[CALL_TYPE]"),
    ],
)
def test_event_is_impossible_when_it_lacks_what_it_is_about(change: dict[str, str | None], field: str) -> None:
    """The error names the field as the portal writes it."""
    with pytest.raises(Impossible) as refused:
        read(**change)
    assert (refused.value.field, refused.value.status) == (field, 422)


def test_body_is_malformed_when_it_cannot_be_parsed() -> None:
    """Reading on its own refuses what is no form."""
    with pytest.raises(Malformed):
        source().read(raw(b"a[=1"))


@pytest.mark.parametrize("name", ["ONVOXIMPLANTCALLEND", "OnVoximplantCallEnd", "onvoximplantcallend"])
def test_event_name_is_compared_without_case(name: str) -> None:
    """Portals differ in how they write the names of events."""
    assert read(event=name).type == "call.missed"
    assert identity(event=name) == identity()


def test_identity_of_a_call_is_event_and_call() -> None:
    """The same call sent twice is one event, whenever and with whatever else it is sent."""
    assert identity() == ("ONVOXIMPLANTCALLEND", CALL_END["data[CALL_ID]"])
    assert identity(ts="1763779999", data__CALL_DURATION="8") == identity()
    assert identity(auth__member_id=None) == identity()
    assert identity(data__CALL_ID="another") != identity()


def test_identity_of_another_event_names_the_portal() -> None:
    """A deal has the same number in many portals."""
    update = {"event": "ONCRMDEALUPDATE", "data__CALL_ID": None, "data__FIELDS": "5"}
    assert identity(**update) == identity(**update)
    assert identity(**update, auth__member_id="another") != identity(**update)


ROW = {
    "ID": "901",
    **{name[5:-1]: value for name, value in CALL_END.items() if name.startswith("data[")},
    "CALL_RECORD_URL": None,
    "CRM_ENTITY_TYPE": "CONTACT",
    "RECORD_FILE_ID": 7,
}
"""What the statistics say of the same call."""


def fetched(**changes: Any) -> Reading:
    row = {**ROW, **changes}
    return source().read_row(row, member_id=MEMBER, domain="acme.bitrix24.com", at=float(CALL_END["ts"]))


def test_row_of_the_statistics_is_read_as_the_event_of_its_call() -> None:
    """Whichever comes first, the other one is its duplicate and would have said the same."""
    (sent,), row = source().read(posted()), fetched()
    assert row.identity == sent.identity
    assert row.event.model_copy(update={"data": {}}) == sent.event.model_copy(update={"data": {}})
    assert row.event.data["data"].items() >= sent.event.data["data"].items()
    assert {name: row.event.data[name] for name in ("event", "ts", "auth")} == {
        name: sent.event.data[name] for name in ("event", "ts", "auth")
    }
    # PHP has no opinion on whether a number is a text, and a column that is not set is null.
    assert fetched(CALL_TYPE=2) == row
    assert fetched(CRM_ACTIVITY_ID=None).event.data["data"]["CRM_ACTIVITY_ID"] == ""


@pytest.mark.parametrize("number", ["+4917139200011", "4917139200011"])
def test_row_may_have_the_number_without_its_plus(number: str) -> None:
    """Rows differ in how they write it (Bitrix24 docs, "voximplant.statistic.get")."""
    assert fetched(PHONE_NUMBER=number).event.caller == "+4917139200011"


@pytest.mark.parametrize(("change", "field"), [({"CALL_ID": None}, "CALL_ID"), ({"CALL_TYPE": "9"}, "CALL_TYPE")])
def test_row_that_does_not_say_which_call_it_is_is_refused(change: dict[str, Any], field: str) -> None:
    """As its event would be."""
    with pytest.raises(Impossible) as refused:
        fetched(**change)
    assert field in refused.value.field


def test_other_events_are_named_after_the_portals_event() -> None:
    """What is not the end of a call can still be what a rule waits for."""
    event = read(event="onCrmDealUpdate", data__CALL_ID=None, data__FIELDS="5")
    assert (event.type, event.subject, event.direction) == ("bitrix24.oncrmdealupdate", "", "")
    assert event.time == datetime.fromtimestamp(1763778600, UTC)


def test_identity_of_an_event_without_call_is_its_content_and_moment() -> None:
    """Two updates of one deal at different times are two events; the same delivery twice is one."""

    def of(**change: str | None) -> tuple[str, ...]:
        return identity(event="ONCRMDEALUPDATE", data__CALL_ID=None, **change)

    assert of() == of(auth__access_token="another")
    assert (
        len({of(), of(ts="1763778601"), of(data__CALL_TYPE="3"), identity(event="ONCRMDEALADD", data__CALL_ID=None)})
        == 4
    )


START_SENT = datetime.fromtimestamp(1763778600, UTC)


@pytest.mark.parametrize(
    ("start", "ts", "expected", "noted"),
    [
        ("2025-11-22T05:29:40+03:00", "1763778600", datetime(2025, 11, 22, 2, 29, 40, tzinfo=UTC), []),
        (
            "2025-11-22T05:29:40",
            "1763778600",
            START_SENT,
            ["data[CALL_START_DATE] does not say its offset, and is not used: '2025-11-22T05:29:40'"],
        ),
        ("banana", "1763778600", START_SENT, ["data[CALL_START_DATE] cannot be read: 'banana'"]),
        (
            "0001-01-01T00:00:00+14:00",
            None,
            NOW,
            ["data[CALL_START_DATE] cannot be read: '0001-01-01T00:00:00+14:00'"],
        ),
        (None, None, NOW, []),
        ("", "", NOW, []),
        (None, "later", NOW, ["ts cannot be read: 'later'"]),
        (None, "-1", NOW, ["ts cannot be read: '-1'"]),
        (None, "0", NOW, ["ts cannot be read: '0'"]),
        (None, "9" * 90, NOW, ["ts cannot be read: '" + "9" * 59 + "..."]),
    ],
)
def test_time_is_the_best_that_is_known(
    start: str | None, ts: str | None, expected: datetime, noted: list[str]
) -> None:
    """Start of the call, else when the portal sent it, else when it came; a time that is passed over is noted."""
    event = read(data__CALL_START_DATE=start, ts=ts)
    assert event.time == expected
    assert event.data.get("notes", []) == noted


@pytest.mark.parametrize(
    ("duration", "seconds", "noted"),
    [
        ("7", 7, []),
        ("", None, []),
        (None, None, []),
        ("1:07", None, ["data[CALL_DURATION] cannot be read: '1:07'"]),
        ("-5", None, ["data[CALL_DURATION] cannot be read: '-5'"]),
        ("9999999999", None, ["data[CALL_DURATION] cannot be read: '9999999999'"]),
    ],
)
def test_duration_is_unset_and_noted_when_it_cannot_be(
    duration: str | None, seconds: int | None, noted: list[str]
) -> None:
    """An odd duration costs the duration and leaves a trace; the portal would never send the call again."""
    event = read(data__CALL_DURATION=duration)
    assert (event.type, event.duration) == ("call.missed", seconds)
    assert event.data.get("notes", []) == noted


@pytest.mark.parametrize("key", ["PHONE_NUMBER", "PORTAL_NUMBER", "CALL_FAILED_CODE", "CALL_DURATION"])
def test_group_in_place_of_a_text_is_noted(key: str) -> None:
    """A field that is a group of fields tells nothing, and is not passed over in silence."""
    fields = {name: value for name, value in CALL_END.items() if name != f"data[{key}]"} | {f"data[{key}][x]": "1"}
    (reading,) = source().read(raw(urlencode(fields).encode()))
    assert reading.event.data["notes"] == [f"data[{key}] cannot be read: {{'x': '1'}}"]


def test_time_of_another_event_is_noted_when_it_cannot_be_read() -> None:
    """Events that are no calls leave the same trace."""
    event = read(event="ONCRMDEALADD", ts="soon")
    assert (event.time, event.data["notes"]) == (NOW, ["ts cannot be read: 'soon'"])


def test_large_form_is_refused_before_it_is_read() -> None:
    """A chat message can fill a large form, and Bitrix24 sends it once: up to 1 MiB is read, more costs nobody's time."""
    with pytest.raises(BodyTooLarge, match="1,048,576"):
        source().verify(raw(b"a=" + b"1" * 1_048_575))
    with pytest.raises(Unauthenticated):
        source().verify(raw(b"a=" + b"1" * 1_048_574))


def test_wrong_token_says_what_to_compare() -> None:
    """The log helps whoever took the token of another application."""
    for token in ("other", None):
        with pytest.raises(Unauthenticated, match="each application and outgoing webhook has its own"):
            source().verify(posted(auth__application_token=token))


@pytest.mark.parametrize(
    ("change", "field"), [({"secrets": []}, "secrets"), ({"member_id": ""}, "member_id"), ({"verify": {}}, "verify")]
)
def test_options_are_refused_when_they_cannot_work(change: dict[str, Any], field: str) -> None:
    """A mistake in the rules file is found at its field."""
    with pytest.raises(ValidationError) as refused:
        source(**change)
    assert [error["loc"][0] for error in refused.value.errors()] == [field]


def test_the_reason_fits_when_the_source_has_no_secrets() -> None:
    """Its token comes with the installation, so there are no secrets to compare."""
    bare = Bitrix24("portal", Bitrix24Options.model_validate({"provider": "bitrix24"}))
    bare.offer_secrets(["another"])
    with pytest.raises(
        Unauthenticated, match="the application token is wrong; it is not that of the portal's installed"
    ):
        bare.verify(posted())
    with pytest.raises(Unauthenticated, match="compare secrets with what the portal shows"):
        source(secrets=["another"]).verify(posted())


def test_a_delivery_names_its_portal_whether_it_can_be_read_or_not() -> None:
    """What it says proves nothing, and is only compared."""
    told = source().names_itself(posted())
    assert set(told) == {"member_id", "domain"}
    assert all(told.values())
    unreadable = Delivery("POST", "", [("content-type", "text/plain")], b"x", NOW.timestamp())
    assert source().names_itself(unreadable) == {"member_id": "", "domain": ""}
