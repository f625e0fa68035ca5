"""Bitrix24 itself: events of a portal, above all the end of a call (`ONVOXIMPLANTCALLEND`).

Sources: Bitrix24 REST docs, "Events", "Safe event handlers" and "onVoximplantCallEnd". Events come once and are never
repeated; a static token proves the sender, nothing protects what is sent but TLS.

So a missed call must not be lost over a field without which it can still be told: an odd duration or time is passed
over, and `data.notes` says so. What a call is about (its id, its type) has to be there.

And a call whose event was lost can be read from its row in the portal's statistics (`read_row`): it is put into the
form that the event would have had, so that the two cannot be read differently, and have one identity.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlencode

from pydantic import AfterValidator, ConfigDict, Field

from badge_bridge.errors import DeliveryRefused, Impossible, Malformed, Unauthenticated
from badge_bridge.events import Event
from badge_bridge.portal_address import on_this_machine
from badge_bridge.sources import bodies
from badge_bridge.sources.base import (
    Delivery,
    NoSample,
    Part,
    Reading,
    Reply,
    SampleCall,
    Source,
    SourceOptions,
)
from badge_bridge.sources.bitrix24_calls import DIRECTIONS, duration, judge, reported, start, told
from badge_bridge.sources.calls import call_event
from badge_bridge.sources.credentials import Secrets, keys
from badge_bridge.sources.event_types import check_type
from badge_bridge.sources.fields import Notes, group_at, text_at, whole_number
from badge_bridge.sources.public_url import seen_from_outside
from badge_bridge.sources.signatures import StaticToken

__all__ = ["Bitrix24", "Bitrix24Options"]

_CALL_END = "ONVOXIMPLANTCALLEND"
_EVENT_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,100}")

_HINT = "; each application and outgoing webhook has its own: compare secrets with what the portal shows for this one"
_LATE_HINT = (
    "; it is not that of the portal's installed application. If an update of the application has changed it, the "
    "bridge learns the new one from the portal by itself; an outgoing webhook's is written at secrets: of this source"
)
"""For a source that has no `secrets` in the rules file."""

_EARLIEST = 1_000_000_000
"""Unix seconds of 2001, before there was a Bitrix24: what is earlier is no time."""


def _reached_by_a_portal(value: str) -> str:
    if not value.startswith("https://") and not on_this_machine(value):
        raise ValueError("a portal calls https only; write https:// (http:// only on this machine)")
    return value


_PublicUrl = Annotated[str, seen_from_outside("as the portal is to call it"), AfterValidator(_reached_by_a_portal)]


class Bitrix24Options(SourceOptions):
    """A source that a Bitrix24 portal calls: an outgoing webhook or an application's event handler."""

    model_config = ConfigDict(hide_input_in_errors=True)

    late_secrets: ClassVar = True

    provider: Literal["bitrix24"]
    secrets: Secrets = Field(
        default_factory=list,
        description="The application token, as the portal shows it; any of several may match. May be left out where "
        "the portal has oauth.client_id: its installation brings the token.",
    )
    public_url: _PublicUrl | None = Field(
        default=None,
        description="This source's URL from outside, https://host/hooks/name: with it the portal's application binds "
        "the events of calls to this source when it is installed.",
    )
    member_id: str | None = Field(
        default=None, min_length=1, description="The portal's member_id, compared too when it is given."
    )
    backfill: bool | None = Field(
        default=None,
        description="Whether calls whose event was lost are fetched from the portal's call statistics. Default: yes, "
        "where this is the portal's only source of this provider; among several, the one that says true.",
    )


class Bitrix24(Source[Bitrix24Options]):
    """Reads a portal's events; the end of a call becomes a call event, others are `bitrix24.<event>`.

    An application's own events (`bitrix24.onappuninstall`, `bitrix24.onappupdate`) are events like others here; what
    they mean for the application is another's task.
    """

    options_type: ClassVar = Bitrix24Options
    binds: ClassVar[tuple[Part, ...]] = ()

    def __init__(self, name: str, options: Bitrix24Options) -> None:
        super().__init__(name, options)
        self._keys = keys(options.secrets)
        self._late_keys: tuple[bytes, ...] = ()
        self._scheme = StaticToken(
            name="application token", token=_application_token, hint=_HINT if self._keys else _LATE_HINT
        )

    def offer_secrets(self, tokens: Sequence[str]) -> None:
        """Application tokens of the portal's installed application, as its installation told them."""
        self._late_keys = tuple(token.encode() for token in tokens if token)

    def names_itself(self, delivery: Delivery) -> Mapping[str, str]:
        try:
            return {name: _auth_field(delivery, name) for name in ("member_id", "domain")}
        except DeliveryRefused:
            return {"member_id": "", "domain": ""}

    def _verify(self, delivery: Delivery) -> str:
        known = (*self._keys, *self._late_keys)
        if not known:
            raise Unauthenticated(
                "no application token is known yet: install the portal's application, or add secrets: to this source"
            )
        verified = self._scheme.verify(delivery, known)
        member = _auth_field(delivery, "member_id")
        expected = self.options.member_id
        if expected is not None and not hmac.compare_digest(member.encode(), expected.encode()):
            raise Unauthenticated("the application token is right, but the member_id is another portal's")
        return verified

    def read(self, delivery: Delivery) -> Sequence[Reading]:
        """The one event of a verified delivery.

        Raises:
            Malformed: the body is not a form.
            Impossible: it does not say which event this is, or which call of which type has ended; names the field.
        """
        body = _body(delivery)
        name = text_at(body, "event")
        if not _EVENT_NAME.fullmatch(name):
            raise Impossible("is missing or is not the name of an event", field="event")
        if name.upper() == _CALL_END:
            event = self._call_end(body, delivery.received_at)
        else:
            event = self._other(body, check_type(f"bitrix24.{name.lower()}", field="event"), delivery.received_at)
        return (_reading(name, event, member=text_at(_auth(body), "member_id")),)

    def read_row(self, row: Mapping[str, Any], *, member_id: str, domain: str, at: float) -> Reading:
        """The call of one row of `voximplant.statistic.get`, as its event would have told of it.

        `member_id`, empty where it is not known, and `domain` are the portal's; `at` is when it was fetched, in unix
        seconds.

        Raises:
            Impossible: it does not say which call of which type this is.
        """
        auth = {"domain": domain, "member_id": member_id}
        body = {"event": _CALL_END, "data": reported(row), "ts": str(int(at)), "auth": auth}
        return _reading(_CALL_END, self._call_end(body, at), member=member_id)

    def reply(self) -> Reply:
        return Reply(status=200)

    def sample(self, call: SampleCall) -> Sequence[Delivery]:
        known = (*self._keys, *self._late_keys)
        if not known:
            raise NoSample(
                f"source {self.name}: the application token is not known before the application is installed"
            )
        fields = {
            "event": _CALL_END,
            "data[CALL_ID]": call.id,
            "data[CALL_TYPE]": "2",
            "data[PHONE_NUMBER]": call.caller,
            "data[PORTAL_NUMBER]": call.line,
            "data[CALL_DURATION]": "12" if call.outcome == "answered" else "0",
            "data[CALL_START_DATE]": datetime.fromtimestamp(call.at, UTC).isoformat(timespec="seconds"),
            "data[CALL_FAILED_CODE]": "200" if call.outcome == "answered" else "304",
            "ts": str(int(call.now)),
            "auth[member_id]": self.options.member_id or "sample",
            "auth[application_token]": known[0].decode(),
        }
        return (Delivery("POST", "", [("content-type", bodies.FORM)], urlencode(fields).encode(), call.now),)

    def _call_end(self, body: Mapping[str, Any], received_at: float) -> Event:
        call = group_at(body, "data")
        call_id, kind = text_at(call, "CALL_ID"), text_at(call, "CALL_TYPE")
        if not call_id:
            raise Impossible("is missing", field="data[CALL_ID]")
        if kind not in DIRECTIONS:
            raise Impossible(f"must be one of {', '.join(DIRECTIONS)}", field="data[CALL_TYPE]")
        direction = DIRECTIONS[kind]
        notes = Notes()
        sent = _sent(body, received_at, notes)
        # Here, unlike in ONVOXIMPLANTCALLINIT, PHONE_NUMBER is the customer whoever called whom.
        customer, ours = told(call, "PHONE_NUMBER", notes), told(call, "PORTAL_NUMBER", notes)
        caller, callee = (customer, ours) if direction == "inbound" else (ours, customer)
        return call_event(
            self,
            id=call_id,
            time=start(told(call, "CALL_START_DATE", notes), notes) or sent,
            judgement=judge(kind, told(call, "CALL_FAILED_CODE", notes)),
            direction=direction,
            caller=caller,
            callee=callee,
            duration=duration(told(call, "CALL_DURATION", notes), notes),
            data={**_without_credentials(body), **notes.data()},
            may_lack_plus=True,
        )

    def _other(self, body: Mapping[str, Any], kind: str, received_at: float) -> Event:
        notes = Notes()
        return Event(
            id=text_at(group_at(body, "data"), "CALL_ID") or _digest(body),
            source=self.name,
            provider="bitrix24",
            type=kind,
            time=_sent(body, received_at, notes),
            data={**_without_credentials(body), **notes.data()},
        )


def _reading(name: str, event: Event, *, member: str) -> Reading:
    """A call's own id is unique by itself, and the same by whichever way the bridge hears of it; which portal it was in
    is known by one of the ways alone. Of other events only the portal's name tells two apart.
    """
    portal = () if name.upper() == _CALL_END else (member,)
    return Reading(event, identity=(*portal, name.upper(), event.id))


def _body(delivery: Delivery) -> dict[str, Any]:
    _check_media(delivery)
    return bodies.nested(bodies.form(delivery.body))


def _check_media(delivery: Delivery) -> None:
    if bodies.media_type(delivery) != bodies.FORM:
        raise Malformed(f"the body must be {bodies.FORM}")


def _auth(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return group_at(body, "auth")


def _auth_field(delivery: Delivery, name: str) -> str:
    """A field that tells who sends, found without reading what it does not tell of."""
    _check_media(delivery)
    return bodies.form_field(delivery.body, f"auth[{name}]") or ""


def _application_token(delivery: Delivery) -> bytes | None:
    return _auth_field(delivery, "application_token").encode() or None


def _without_credentials(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body with only so much of `auth` as names the portal: an application's events carry OAuth tokens there."""
    portal = {key: value for key, value in _auth(body).items() if key in ("domain", "member_id")}
    return {**body, "auth": portal}


def _digest(body: Mapping[str, Any]) -> str:
    """Stands in for an id where the event has none: two events of one moment with one content are the same event."""
    told = json.dumps([group_at(body, "data"), text_at(body, "ts")], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def _sent(body: Mapping[str, Any], received_at: float, notes: Notes) -> datetime:
    """`ts`, when the portal sent the event; where there is none, when it came."""
    said = body.get("ts", "")
    seconds = whole_number(text_at(body, "ts"))
    if said and (seconds is None or seconds < _EARLIEST):
        notes.passed_over("ts", said)
        seconds = None
    return datetime.fromtimestamp(seconds or received_at, UTC)
