"""What each answer of a portal becomes, code by code."""

from __future__ import annotations

import json
from typing import Any

import pytest

from badge_bridge.errors import (
    AccessRefused,
    CallRefused,
    LimitReached,
    NotFound,
    OutcomeUnknown,
    PortalError,
)
from badge_bridge.portal import AccessToken, InboundWebhook
from badge_bridge.portal.answers import Reply, read
from badge_bridge.portal.codes import CODES
from badge_bridge.portal.wire import Answer

CREDENTIAL = AccessToken("https://acme.bitrix24.com", "t0k3n-of-acme")
ADD = "crm.activity.badge.add"
GET = "crm.activity.badge.get"

# Status and spelling as documented: code, HTTP status, what it must become, a word its message must have.
DOCUMENTED: list[tuple[str, int, type[PortalError], str]] = [
    ("INTERNAL_SERVER_ERROR", 500, OutcomeUnknown, "not known"),
    ("ERROR_UNEXPECTED_ANSWER", 500, OutcomeUnknown, "not known"),
    ("QUERY_LIMIT_EXCEEDED", 503, LimitReached, "short time"),
    ("OPERATION_TIME_LIMIT", 429, LimitReached, "run time"),
    ("OVERLOAD_LIMIT", 503, LimitReached, "support"),
    ("ERROR_BATCH_METHOD_NOT_ALLOWED", 405, CallRefused, "batch"),
    ("ERROR_BATCH_LENGTH_EXCEEDED", 400, CallRefused, "50"),
    ("NO_AUTH_FOUND", 401, AccessRefused, "token or webhook"),
    ("INVALID_REQUEST", 400, CallRefused, "https"),
    ("ACCESS_DENIED", 403, AccessRefused, "denied"),
    ("INVALID_CREDENTIALS", 403, AccessRefused, "user behind the credential"),
    ("insufficient_scope", 403, AccessRefused, "permission crm"),
    ("expired_token", 401, AccessRefused, "expired"),
    ("user_access_error", 403, AccessRefused, "application"),
    ("ERROR_MANIFEST_IS_NOT_AVAILABLE", 404, CallRefused, "manifest"),
    ("PORTAL_DELETED", 500, AccessRefused, "public part"),
    ("ERROR_METHOD_NOT_FOUND", 404, CallRefused, "no such method"),
    ("METHOD_CONFIRM_WAITING", 401, AccessRefused, "confirm"),
    ("METHOD_CONFIRM_DENIED", 403, AccessRefused, "denied"),
    ("WRONG_AUTH_TYPE", 403, AccessRefused, "Local application"),
    ("REQUIRED_ARG_MISSING", 400, CallRefused, "required parameter"),
    ("NOT_FOUND", 400, NotFound, "no such thing"),
    ("ERROR_WRONG_CONTEXT", 400, AccessRefused, "Local application"),
    ("ERROR_WRONG_APPLICATION", 400, CallRefused, "another application"),
    ("100", 400, CallRefused, "required parameter"),
    ("WRONG_FIELD_VALUE", 400, CallRefused, "value"),
    ("INCOMING_ACTIVITY_CAN_NOT_BE_WITH_DEADLINE", 400, CallRefused, "deadline"),
    ("ERROR_EMPTY_LAYOUT", 400, CallRefused, "layout"),
    ("FIELD_IS_REQUIRED", 400, CallRefused, "lacks"),
    ("FIELD_IS_REDUNDANT", 400, CallRefused, "does not know"),
    ("ENUM_FIELD", 400, CallRefused, "allowed"),
    ("TOO_MANY_ITEMS", 400, CallRefused, "too many"),
    ("KEY_CONTAIN_WRONG_SYMBOLS", 400, CallRefused, "characters"),
    ("WRONG_LANG", 400, CallRefused, "language"),
    ("INVALID_ARG_VALUE", 400, CallRefused, "value"),
    ("INVALID_ARGUMENT", 400, CallRefused, "value"),
    ("ERROR_CORE", 400, CallRefused, "reason that it gives"),
    ("0", 400, CallRefused, "not accepted"),
    ("CANT_CHANGE_PROVIDER_TYPE_ID", 400, CallRefused, "another type"),
    ("WRONG_TYPE_VALUE", 400, CallRefused, "type"),
    ("BX_INVALID_VALUE", 400, CallRefused, "badge of this code"),
    ("ERROR_ARGUMENT", 400, CallRefused, "value"),
    ("ERROR_WRONG_HANDLER_URL", 400, CallRefused, "address"),
    ("ERROR_UNSUPPORTED_PROTOCOL", 400, CallRefused, "protocol"),
    ("allowed_only_intranet_user", 403, AccessRefused, "employee"),
    ("ERROR_EVENT_NOT_FOUND", 400, CallRefused, "no event"),
    ("Unable to set event handler", 400, CallRefused, "bound"),
    ("invalid_client", 401, AccessRefused, "client_secret"),
    ("invalid_grant", 400, AccessRefused, "badge-bridge authorize"),
    ("invalid_scope", 400, AccessRefused, "badge-bridge authorize"),
    ("PAYMENT_REQUIRED", 402, AccessRefused, "plan"),
]


def answer(status: int, content: object, location: str = "") -> Answer:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Answer(status, body, location)


def understood(given: Answer, method: str = GET) -> Reply:
    return read(given, portal="main", method=method, credential=CREDENTIAL)


def refusal(given: Answer, method: str = GET) -> PortalError:
    with pytest.raises(PortalError) as caught:
        understood(given, method)
    return caught.value


def test_every_known_code_is_in_the_table_when_it_is_counted() -> None:
    """No code is mapped without a test."""
    assert {code.casefold() for code, *_ in DOCUMENTED} == set(CODES)


@pytest.mark.parametrize("sent_with", ["documented", 200, 400])
@pytest.mark.parametrize("spell", [str, str.lower, str.upper])
@pytest.mark.parametrize(("code", "status", "kind", "word"), DOCUMENTED, ids=[code for code, *_ in DOCUMENTED])
def test_a_code_decides_what_an_answer_means_when_status_or_case_differ(
    *, code: str, status: int, kind: type[PortalError], word: str, spell: Any, sent_with: object
) -> None:
    """Codes count, in any case and under any status; the message names portal, method, code and what it means."""
    status = sent_with if isinstance(sent_with, int) else status
    error = refusal(answer(status, {"error": spell(code), "error_description": "Something."}))
    assert type(error) is kind
    assert (error.portal, error.method, error.code, error.status) == ("main", GET, spell(code), status)
    for part in ("portal main", GET, spell(code), word):
        assert part in str(error)


@pytest.mark.parametrize("code", [code for code, _, kind, _ in DOCUMENTED if kind is AccessRefused])
def test_a_refused_access_says_who_mends_it_when_it_is_reported(code: str) -> None:
    """Each missing right names the one who can grant it, and the message carries that sentence."""
    error = refusal(answer(403, {"error": code, "error_description": ""}))
    assert isinstance(error, AccessRefused)
    assert "{" not in error.mend
    assert any(who in error.mend for who in ("administrator", "rules file"))
    assert error.mend in str(error)


@pytest.mark.parametrize("code", ["NO_AUTH_FOUND", "expired_token", "INVALID_CREDENTIALS", "METHOD_CONFIRM_DENIED"])
def test_a_new_credential_is_said_to_need_a_restart_when_one_is_needed(code: str) -> None:
    """The secret is in a variable that is read at the start."""
    error = refusal(answer(401, {"error": code, "error_description": ""}))
    assert isinstance(error, AccessRefused)
    assert error.mend.endswith(
        "set it in the variable that portals.main names in the rules file, and restart the bridge."
    )


@pytest.mark.parametrize("method", [ADD, "crm.activity.badge.delete"])
def test_the_missing_right_is_crm_administration_when_badges_may_not_be_changed(method: str) -> None:
    """ACCESS_DENIED on add and delete names CRM administrator access and where it is granted."""
    error = refusal(answer(400, {"error": "ACCESS_DENIED", "error_description": "Access denied."}), method)
    assert isinstance(error, AccessRefused)
    assert "CRM administrator access" in error.mend
    assert "CRM > Settings > Access permissions" in error.mend


@pytest.mark.parametrize("method", [ADD, GET])
def test_the_plan_is_named_when_access_is_denied_because_of_it(method: str) -> None:
    """The system meaning of ACCESS_DENIED is told from the missing right by its words."""
    said = "REST API is available only on commercial plans"
    error = refusal(answer(403, {"error": "ACCESS_DENIED", "error_description": said}), method)
    assert isinstance(error, AccessRefused)
    assert "commercial plan" in error.mend
    assert "administrator access" not in error.mend


def test_the_scope_is_that_of_the_method_when_one_is_missing() -> None:
    """Statistics of telephony need the scope telephony, not crm."""
    error = refusal(answer(403, {"error": "insufficient_scope"}), "voximplant.statistic.get")
    assert "permission telephony" in str(error)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, CallRefused),
        (400, CallRefused),
        (401, AccessRefused),
        (403, AccessRefused),
        (404, CallRefused),
        (408, OutcomeUnknown),
        (422, CallRefused),
        (429, LimitReached),
        (500, OutcomeUnknown),
        (502, OutcomeUnknown),
        (503, OutcomeUnknown),
    ],
)
@pytest.mark.parametrize("code", ["", "SOMETHING_NEW", "12345", "The badge code is not defined, sorry"])
def test_the_status_decides_when_the_code_is_unknown(code: str, status: int, kind: type[PortalError]) -> None:
    """An empty code, digits, a new code or a sentence are judged by the status."""
    assert type(refusal(answer(status, {"error": code, "error_description": "What."}))) is kind


@pytest.mark.parametrize("status", [200, 400, 403, 404, 500, 502, 503, 504])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>502 Bad Gateway</body></html>",
        b"[1, 2]",
        b'"text"',
        b"\xff\xfe",
        b'{"result": ',
        b"[" * 100_000,
    ],
    ids=["empty", "html", "list", "text", "bytes", "cut", "deep"],
)
def test_the_outcome_is_unknown_when_there_is_no_rest_answer(body: bytes, status: int) -> None:
    """HTML, half an answer or another shape say nothing about whether the call was carried out."""
    error = refusal(answer(status, body))
    assert type(error) is OutcomeUnknown
    assert error.status == status


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, OutcomeUnknown),
        (400, OutcomeUnknown),
        (401, AccessRefused),
        (403, AccessRefused),
        (404, OutcomeUnknown),
        (422, OutcomeUnknown),
        (429, LimitReached),
        (500, OutcomeUnknown),
        (503, OutcomeUnknown),
    ],
)
@pytest.mark.parametrize(
    "content",
    [
        {},
        {"message": "no Route matched"},
        {"error": None, "message": "Down for maintenance"},
        {"error": False},
        {"error": True, "message": "Not found"},
        {"error": ["Not found"]},
    ],
    ids=["empty", "message", "null", "false", "true", "list"],
)
def test_the_status_decides_when_an_object_has_no_error_of_rest(
    content: object, status: int, kind: type[PortalError]
) -> None:
    """A gateway or a maintenance page speaks JSON as well: only what anybody may refuse is taken for a refusal."""
    assert type(refusal(answer(status, content))) is kind


@pytest.mark.parametrize("status", [400, 404, 500])
def test_the_outcome_is_unknown_when_a_result_comes_with_a_failing_status(status: int) -> None:
    """Two halves of an answer that contradict each other prove nothing."""
    assert type(refusal(answer(status, {"result": {"badge": {}}}))) is OutcomeUnknown


@pytest.mark.parametrize("error", [None, False, "", 0, [], {}])
def test_a_call_succeeded_when_an_empty_error_is_beside_the_result(error: object) -> None:
    """PHP may write "no error" in any of these ways."""
    assert understood(answer(200, {"error": error, "result": {"badge": {}}})).result == {"badge": {}}


@pytest.mark.parametrize(
    ("status", "content"),
    [(200, {"error": ""}), (400, {"error": ""}), (400, {"error": "", "result": {"badge": {}}})],
    ids=["alone", "refused", "refused with a result"],
)
def test_a_call_was_refused_when_an_error_without_a_code_is_all_it_got(status: int, content: object) -> None:
    """The portal sends errors whose code is empty."""
    assert type(refusal(answer(status, content))) is CallRefused


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize(
    "number",
    [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"9" * 401, b"-" + b"9" * 401, b"9" * 10_000],
    ids=["nan", "infinity", "-infinity", "1e999", "-1e999", "401 digits", "-401 digits", "10,000 digits"],
)
@pytest.mark.parametrize("place", [b'{"result": %b}', b'{"result": 1, "time": {"operating_reset_at": %b}}'])
def test_the_outcome_is_unknown_when_a_number_is_none_or_has_no_end(place: bytes, number: bytes) -> None:
    """What no portal writes is no answer of a portal, wherever it stands."""
    assert type(refusal(answer(200, place % number))) is OutcomeUnknown


@pytest.mark.parametrize(
    "place",
    [
        b"%b",
        b'{"result": %b}',
        b'{"result": 1, "time": %b}',
        b'{"error": %b}',
        b'{"error": {"code": %b}}',
        b'{"error": "X", "error_description": %b}',
    ],
)
def test_the_outcome_is_unknown_when_an_answer_is_nested_beyond_reading(place: bytes) -> None:
    """Depth is a way to break a parser, not a way to answer."""
    assert type(refusal(answer(400, place % nested(100_000)))) is OutcomeUnknown


@pytest.mark.parametrize("place", [b'{"error": {"code": %b}}', b'{"error": "X", "error_description": %b}'])
def test_an_error_can_be_shown_when_it_is_nested_as_deep_as_can_be_read(place: bytes) -> None:
    """What was read just before the limit of depth, which depends on the interpreter, must not break the message."""
    for depth in (1, 100, *range(800, 1000), 10_000):
        assert "[[" not in str(refusal(answer(400, place % nested(depth))))


@pytest.mark.parametrize("other", [[], [1], ["a", "b"], {}, {"0": "a"}, None, 1.5, True])
@pytest.mark.parametrize("status", [200, 400, 500])
def test_an_error_of_ours_is_raised_when_parts_of_an_answer_have_another_shape(status: int, other: object) -> None:
    """Lists where objects or texts are expected, and the other way round, break nothing."""
    for content in (
        other,
        {"error": other},
        {"error": {"code": other, "message": other}},
        {"error": {"message": other}},
        {"error": "X", "error_description": other},
        {"error": "X", "time": other},
    ):
        assert isinstance(refusal(answer(status, content)), CallRefused | OutcomeUnknown)


def test_a_limit_is_reached_when_429_comes_without_json() -> None:
    """A proxy that counts calls need not speak the portal's language."""
    assert type(refusal(answer(429, b"<html>Too Many Requests</html>"))) is LimitReached


@pytest.mark.parametrize("result", [{"badge": {}}, [], None, True, "text", 0])
def test_the_result_is_handed_out_as_it_is_when_the_call_succeeded(result: object) -> None:
    """Whatever is under `result` is the result; an error of null is none."""
    assert understood(answer(200, {"result": result, "error": None})).result == result


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ({"operating_reset_at": 1773239624, "operating": 1.5}, 1773239624.0),
        ({"operating_reset_at": "2026-03-11T15:33:44+01:00"}, None),
        ({"operating_reset_at": 1773239624.25}, 1773239624.25),
        ({"operating_reset_at": 0}, 0.0),
        ({"operating_reset_at": True}, None),
        ({"operating_reset_at": 10**11}, None),
        ({"operating_reset_at": 10**39}, None),
        ({"operating_reset_at": 1e300}, None),
        ({"operating_reset_at": -1}, None),
        ({"operating_reset_at": [1773239624]}, None),
        ({"operating_reset_at": {"0": 1773239624}}, None),
        ({}, None),
        ([], None),
        (None, None),
    ],
)
def test_the_reset_of_the_run_time_is_read_when_it_is_a_number(time: object, expected: float | None) -> None:
    """The composition of `time` varies, one sample shows a date, and a moment beyond all reason is none."""
    assert understood(answer(200, {"result": 1, "time": time})).operating_reset_at == expected


def test_an_error_object_is_read_when_it_has_the_shape_of_rest_3() -> None:
    """REST 3.0 nests code and message."""
    error = refusal(answer(403, {"error": {"code": "INSUFFICIENT_SCOPE", "message": "Scope."}}))
    assert isinstance(error, AccessRefused)
    assert error.code == "INSUFFICIENT_SCOPE"


def test_secrets_and_phone_numbers_stay_out_of_messages_when_the_portal_repeats_them() -> None:
    """The portal's text is shown on one line without our token and without phone numbers, and cut short."""
    said = "Bad\r\ntoken t0k3n-of-acme for +49 (170) 123-45-67 or 491701234567" + "x" * 5000
    for content in ({"error": "X", "error_description": said}, {"error": said, "error_description": ""}):
        error = refusal(answer(400, content))
        for text in (str(error), error.code):
            assert "t0k3n" not in text
            assert "123" not in text
            assert "\n" not in text
            assert len(text) < 600


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_new_host_is_named_when_a_portal_was_renamed(status: int) -> None:
    """A redirect names the new host and the place in the rules file; the secret in the address is not shown."""
    credential = InboundWebhook("https://acme.bitrix24.com/rest/7/s3cr3tw0rd/")
    given = answer(status, b"", location="https://New.bitrix24.com/rest/7/s3cr3tw0rd/profile")
    with pytest.raises(AccessRefused) as caught:
        read(given, portal="main", method=GET, credential=credential)
    assert "new.bitrix24.com" in caught.value.mend
    assert "portals.main" in caught.value.mend
    assert caught.value.mend in str(caught.value)
    assert "s3cr3tw0rd" not in str(caught.value)


@pytest.mark.parametrize(
    "location", ["", "/auth/", "https://acme.bitrix24.com/login/", "https://[bad", "https://a b\nc/", "https://u:p@h/"]
)
def test_a_redirect_asks_to_check_the_address_when_it_names_no_other_host(location: str) -> None:
    """A login page, no location or a strange one do not name a new host."""
    error = refusal(answer(302, b"", location=location))
    assert isinstance(error, AccessRefused)
    assert error.mend.startswith("Check the address at portals.main in the rules file")
