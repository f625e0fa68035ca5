"""What makes a Twilio event unique, read so that one signature can never stand for two events.

The signed string is the URL with its query, then each field's name and value, sorted and without anything between
them. So one signature fits many requests: a border can be moved (`CallStatus=no-answer` to `CallStatus=n` and a field
`o-answer...`), two fields joined, a field pushed into the query, a form sent as a GET. All that somebody needs is one
captured request. Four things together leave one way to read the identity out of one signed string:

1. Wherever the name of an identity field stands in the signed string, a field of that name must begin, and no other.
2. The value of an identity field ends where it must: an identifier by its length, a word or number by its letters,
   since the name of a field begins with a capital letter.
3. A status is one of the documented words.
4. The query of a form or of JSON names no identity field, and in the query of a GET each is followed by `=`, which no
   value of a form's identity field begins with.

Sources: Twilio docs, "Webhooks security", "TwiML Voice: <Dial>" (parameters of the action URL), "<Enqueue>", "<Queue>",
"<Refer>" and "<Conference>", "SIP: custom headers"; Twilio support, "What do the call statuses mean?" and "Recording
status callbacks".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from badge_bridge.errors import Impossible
from badge_bridge.sources.bodies import Fields

__all__ = ["STATUSES", "check_fields", "check_query", "identity_of"]

STATUSES = (
    "queued",
    "initiated",
    "ringing",
    "in-progress",
    "completed",
    "busy",
    "no-answer",
    "canceled",
    "failed",
)
"""What a call can be."""


def _one_of(*words: str) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, words)))


_CALL = re.compile(r"CA[0-9a-fA-F]{32}")
_IDENTITY: Mapping[str, re.Pattern[str]] = {
    "CallSid": _CALL,
    "CallStatus": _one_of(*STATUSES),
    "CallbackSource": re.compile(r"[a-z-]{1,40}"),
    "SequenceNumber": re.compile(r"\d{1,9}", re.ASCII),
    "ParentCallSid": _CALL,
    "DialCallSid": _CALL,
    "DialCallStatus": _one_of(*STATUSES, "answered"),
    "RecordingSid": re.compile(r"RE[0-9a-fA-F]{32}"),
    "RecordingStatus": _one_of("in-progress", "completed", "absent", "failed"),
}
"""The signed fields that make an event unique, and how each is written. None may be empty: the value of an empty
identifier could be a field's name. I-Twilio-Idempotency-Token is not here since it is not signed."""

_MESSAGE = "MessageSid"
"""Names a text message. Its text is chosen by whoever sends it, who must not be able to write the fields of a call."""

_QUEUE_RESULT = "QueueResult"
"""What the `action` of an `<Enqueue>` says. In the identity only where it is said, so that others keep theirs."""

_PATTERNS: Mapping[str, re.Pattern[str]] = {
    **_IDENTITY,
    _QUEUE_RESULT: _one_of(
        "bridged",
        "bridging-in-process",
        "error",
        "hangup",
        "leave",
        "queue-full",
        "redirected",
        "redirected-from-bridged",
        "system-error",
    ),
}

_OTHERS = (
    _MESSAGE,
    "CallSidEndingConference",
    "CallSidToCoach",
    "DequeingCallSid",
    "DialSipHeader_X-Twilio-CallSid",
    "ReferCallStatus",
    "SipHeader_X-Twilio-CallSid",
)
"""Documented names that have the name of an identity field in them."""

_NAMES = re.compile("|".join(sorted([*_PATTERNS, *_OTHERS], key=len, reverse=True)))
_FIELD_NAME = re.compile(r"[A-Z][A-Za-z0-9_.-]*")
"""Every documented name, `SipHeader_X-...` included."""

_SHOWN = 40
"""Characters of a field's name in an error."""


def identity_of(data: Mapping[str, Any]) -> tuple[str, ...]:
    """The values that make an event unique.

    Raises:
        Impossible: this is not about a call, or a value is not written as Twilio writes it; names the field.
    """
    if _MESSAGE in data:
        raise Impossible("is about a text message, and this source takes calls", field=_MESSAGE)
    if "CallSid" not in data:
        raise Impossible("is missing: this is not about a voice call", field="CallSid")
    if not {"CallStatus", "RecordingSid"} & data.keys():
        raise Impossible("is missing", field="CallStatus")
    for key, pattern in _PATTERNS.items():
        if key in data and not (isinstance(data[key], str) and pattern.fullmatch(data[key])):
            raise Impossible("is not written as Twilio writes it", field=key)
    queue = (data[_QUEUE_RESULT],) if _QUEUE_RESULT in data else ()
    return (*(data.get(key, "") for key in _IDENTITY), *queue)


def check_fields(fields: Fields) -> None:
    """Refuse a form whose fields may have been cut differently than Twilio cut them.

    Raises:
        Impossible: names the field.
    """
    signed = sorted(set(fields))
    for name, _ in signed:
        if not _FIELD_NAME.fullmatch(name):
            raise Impossible(
                "is not the name of a field of Twilio: those begin with a capital letter", field=name[:_SHOWN]
            )
    begins = {position: name for position, name, _ in _positions(signed)}
    text = "".join(name + value for name, value in signed)
    for found in _NAMES.finditer(text):
        if begins.get(found.start()) != found[0]:
            field = next(name for _, name, end in _positions(signed) if found.start() < end)
            raise Impossible(f"has the name of another field in it: {found[0]}", field=field[:_SHOWN])


def check_query(query: str, *, holds_event: bool) -> None:
    """Refuse a raw query that may have been part of a form when it was signed; `holds_event` says that this is a GET.

    Raises:
        Impossible: names the field.
    """
    for found in _NAMES.finditer(query):
        starts = found.start() == 0 or query[found.start() - 1] == "&"
        if not (holds_event and starts and query[found.end() : found.end() + 1] == "="):
            raise Impossible("stands in the query, where Twilio does not write it", field=found[0])


def _positions(signed: Fields) -> Iterator[tuple[int, str, int]]:
    """Where each field begins in the signed string, its name, and where its value ends."""
    position = 0
    for name, value in signed:
        end = position + len(name) + len(value)
        yield position, name, end
        position = end
