"""RingCentral: the telephony sessions of an account or extension, which tell of each party of a call.

Sources: RingCentral developer docs, "Creating webhooks" (the Validation-Token handshake), "Subscription" in the API
reference (`deliveryMode.verificationToken`) and "Telephony session notifications"; `queueCall` as in RingCentral's
published samples. Nothing is signed: a token that was chosen when the subscription was made comes with each delivery,
in one of two headers.

An incoming party is Answered "when the call is answered on a target endpoint". What a queue or a menu says of itself is
no human all the same: it may say it in a later notification of the same party.

A subscription that is answered with anything but 200 is switched off for good, so that what does not decide anything
is passed over, and `data.notes` says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from badge_bridge.errors import Impossible, Unauthenticated
from badge_bridge.events import Direction, Event, Leg, LegOutcome
from badge_bridge.sources import bodies
from badge_bridge.sources.base import CorrelatingOptions, Delivery, Part, Reading, Reply, SampleCall, Source
from badge_bridge.sources.calls import leg_event
from badge_bridge.sources.credentials import Secrets, keys
from badge_bridge.sources.event_types import check_type
from badge_bridge.sources.fields import Notes, group_at, text_at
from badge_bridge.sources.moments import content_digest, iso_text, iso_time, told
from badge_bridge.sources.signatures import StaticToken

__all__ = ["RingCentral", "RingCentralOptions"]

_TOKEN = "verification-token"  # noqa: S105 - the name of a header
_VALIDATION = "validation-token"
"""In the handshake the text to send back; a guide of RingCentral's shows it on each delivery, too."""

_ECHOED = re.compile(r"[!-~]{1,500}")
_MOST_PARTIES = 50
"""Of one session: each becomes an event."""

_SESSIONS = re.compile(r"/telephony/sessions(?:/[^/?]*)?(?:\?.*)?", re.DOTALL)
_WHOLE_ACCOUNT = re.compile(r"/account/[^/?]+/telephony/sessions(?:/[^/?]*)?\Z")
"""Neither of one extension, nor filtered: all parties of a call are told of."""

_WORD = re.compile(r"[A-Za-z][A-Za-z-]*")

State = Literal["started", "ringing", "answered", "ended", ""]

_STATES: Mapping[str, State] = {
    "Setup": "started",
    "Proceeding": "ringing",
    "Answered": "answered",
    "Hold": "answered",
    "Parked": "answered",
    "VoiceMail": "answered",
    "VoiceMailScreening": "answered",
    "FaxReceive": "answered",
    "Disconnected": "ended",
    "Gone": "ended",
}
_BOXES = frozenset({"VoiceMail", "VoiceMailScreening", "FaxReceive"})
_REASONS: Mapping[str, LegOutcome] = {
    "NoAnswer": "no_answer",
    "Timeout": "no_answer",
    "Rejected": "rejected",
    "Cancelled": "cancelled",
    "TargetBusy": "busy",
    "Voicemail": "voicemail",
    "VoiceMail": "voicemail",
}

_QUEUE_TO_AGENT = "AgentAnswered"
"""Ends the party of a queue: an agent has taken the call."""
_MENU_TO_OTHER = "CallerInputRedirect"
"""Ends the party of a greeting or a menu: the caller has chosen somebody else."""


class RingCentralOptions(CorrelatingOptions):
    """A source that RingCentral calls."""

    model_config = ConfigDict(hide_input_in_errors=True)

    provider: Literal["ringcentral"]
    secrets: Secrets = Field(
        description="The verification token of the subscription (deliveryMode.verificationToken); any of several may "
        "match."
    )

    def cautions(self) -> Sequence[str]:
        caution = (
            "RingCentral sends a token along and signs nothing: whoever has seen one delivery can make up others. Let "
            "only https reach this source, and renew the subscription with a new token when one may have been seen."
        )
        return (caution,)


def _token(delivery: Delivery) -> bytes | None:
    """The token, under whichever of its two names; two that differ prove nothing."""
    found = {value for name, value in delivery.headers if name in (_TOKEN, _VALIDATION)}
    if len(found) > 1:
        raise Unauthenticated("the headers with the verification token contradict each other")
    return found.pop().encode("latin-1", "replace") if found else None


_SCHEME = StaticToken(
    name="verification token",
    token=_token,
    hint="; compare the secret with deliveryMode.verificationToken of the subscription",
)


class RingCentral(Source[RingCentralOptions]):
    """Reads telephony sessions, each party as a leg; other notifications become `ringcentral.<what they are of>`."""

    options_type: ClassVar = RingCentralOptions
    binds: ClassVar[tuple[Part, ...]] = ()

    def __init__(self, name: str, options: RingCentralOptions) -> None:
        super().__init__(name, options)
        self._keys = keys(options.secrets)

    def handshake(self, delivery: Delivery) -> Reply | None:
        """What RingCentral wants when a subscription is made: its token back, with a media type and no body."""
        token = delivery.header(_VALIDATION)
        if delivery.body or token is None or not _ECHOED.fullmatch(token):
            return None
        return Reply(status=200, media_type=bodies.JSON, headers={"Validation-Token": token})

    def _verify(self, delivery: Delivery) -> str:
        return _SCHEME.verify(delivery, self._keys)

    def read(self, delivery: Delivery) -> Sequence[Reading]:
        """The events of a verified delivery: one for each party of a telephony session.

        Raises:
            Malformed: the body is not JSON.
            Impossible: it does not say what it tells of, or of which session; names the field.
        """
        body = bodies.json_object(delivery.body)
        name, session = text_at(body, "event"), group_at(body, "body")
        # Where the id is missing, the content stands in for it: it is the same when it is sent again.
        uuid = told(body, "uuid", Notes()) or content_digest(body)
        found = session.get("parties")
        parties = [party for party in found if isinstance(party, dict)] if isinstance(found, list) else []
        if len(parties) > _MOST_PARTIES:
            raise Impossible(f"has more than {_MOST_PARTIES} parties", field="body.parties")
        if _SESSIONS.search(name) and parties:
            return [
                self._leg(body, session, party, uuid=uuid, index=index, received_at=delivery.received_at)
                for index, party in enumerate(parties)
            ]
        notes = Notes()
        event = Event(
            id=uuid,
            source=self.name,
            provider="ringcentral",
            type=_type(name),
            time=self._sent(body, delivery.received_at, notes),
            data={**body, **notes.data()},
        )
        return (Reading(event, identity=(uuid,)),)

    def reply(self) -> Reply:
        return Reply(status=200)

    def sample(self, call: SampleCall) -> Sequence[Delivery]:
        over = ("Disconnected", "NoAnswer") if call.outcome == "missed" else ("Disconnected", "")
        steps = [("Proceeding", ""), *([] if call.outcome == "missed" else [("Answered", "")]), over]
        return [self._made(call, number, *step) for number, step in enumerate(steps, start=1)]

    def _made(self, call: SampleCall, sequence: int, code: str, reason: str) -> Delivery:
        digest = call.digest[:32]
        began = iso_text(call.at)
        party = {
            "accountId": "1",
            "extensionId": "2",
            "id": f"p-{digest}-2",
            "direction": "Inbound",
            "from": {"phoneNumber": call.caller},
            "to": {"phoneNumber": call.line},
            "status": {"code": code, **({"reason": reason} if reason else {})},
            "missedCall": reason == "NoAnswer",
        }
        body = {
            "uuid": f"{digest}-{sequence}",
            "event": "/restapi/v1.0/account/1/telephony/sessions",
            "timestamp": began,
            "body": {
                "sequence": sequence,
                "telephonySessionId": f"s-{digest}",
                "eventTime": began,
                "parties": [party],
                "origin": {"type": "Call"},
            },
        }
        headers = [("content-type", bodies.JSON), (_TOKEN, self._keys[0].decode("latin-1"))]
        return Delivery("POST", "", headers, json.dumps(body).encode(), call.now)

    def _leg(
        self,
        body: Mapping[str, Any],
        session: Mapping[str, Any],
        party: Mapping[str, Any],
        *,
        uuid: str,
        index: int,
        received_at: float,
    ) -> Reading:
        notes = Notes()
        session_id = told(session, "telephonySessionId", notes)
        if not session_id:
            raise Impossible("is missing", field="body.telephonySessionId")
        party_id = told(party, "id", notes) or str(index)
        caller, callee = group_at(party, "from"), group_at(party, "to")
        direction = _direction(party, caller, callee)
        event = leg_event(
            self,
            id=f"{uuid}.{party_id}",
            time=iso_time(session, "eventTime", notes) or self._sent(body, received_at, notes),
            leg=_facts(
                session,
                session_id,
                party_id,
                party,
                direction,
                whole_account=_WHOLE_ACCOUNT.search(text_at(body, "event")) is not None,
            ),
            direction=direction,
            caller=_number(caller, notes),
            callee=_number(callee, notes),
            data={**body, "body": {**session, "parties": [party]}, **notes.data()},
        )
        return Reading(event, identity=(uuid, party_id))

    def _sent(self, body: Mapping[str, Any], received_at: float, notes: Notes) -> datetime:
        return iso_time(body, "timestamp", notes) or datetime.fromtimestamp(received_at, UTC)


def _facts(
    session: Mapping[str, Any],
    session_id: str,
    party_id: str,
    party: Mapping[str, Any],
    told_as: Direction,
    *,
    whole_account: bool,
) -> Leg:
    status = group_at(party, "status")
    code, reason = text_at(status, "code"), text_at(status, "reason")
    state = _STATES.get(code, "")
    outgoing = told_as == "outbound"
    outcome: LegOutcome = ""
    if code in ("VoiceMail", "VoiceMailScreening"):
        outcome = "voicemail"
    elif code == "FaxReceive":
        outcome = "completed"
    elif state == "ended":
        outcome = _REASONS.get(reason) or ("no_answer" if party.get("missedCall") is True else "completed")
    machine = code in _BOXES or outcome == "voicemail" or _is_machine(party, reason)
    ours = bool(told(party, "extensionId", Notes()))
    # A party without a reason was connected, or has been replaced by another, or the caller gave up. Which of them, its
    # other notifications tell, unless it says itself that it is not missed.
    unexplained = code == "Disconnected" and not reason and outcome == "completed"
    if unexplained and ours and not machine and "missedCall" not in party:
        outcome = ""
    sequence = session.get("sequence")
    return Leg(
        call=session_id,
        leg=party_id,
        party="machine" if machine else "customer" if outgoing else "agent" if ours else "",
        state=state,
        outcome=outcome,
        detail=" ".join(filter(None, (code, reason))),
        ends="leg" if state == "ended" else "",
        human=reason == _QUEUE_TO_AGENT or (state == "answered" and not machine and (outgoing or ours)),
        tells_all=whole_account and unexplained and (machine or not outcome),
        order=sequence if isinstance(sequence, int) and not isinstance(sequence, bool) else None,
    )


def _is_machine(party: Mapping[str, Any], reason: str) -> bool:
    """Whether the party is known to be a menu or a queue: the account itself, whose extension is the menu of the
    company; what the caller left by pressing a key; of a queue's call the party that is the extension which was called.
    The party of an agent whom a queue rings at has an extension of its own, and `to` names the queue.
    """
    extension = told(party, "extensionId", Notes())
    if not extension:
        return False
    called = told(group_at(party, "to"), "extensionId", Notes())
    itself = party.get("queueCall") is True and extension == called
    return itself or reason in (_QUEUE_TO_AGENT, _MENU_TO_OTHER) or extension == told(party, "accountId", Notes())


def _direction(party: Mapping[str, Any], caller: Mapping[str, Any], callee: Mapping[str, Any]) -> Direction:
    """The call's direction, which is the party's only where the other end is somebody from outside.

    A call that an extension forwards to a telephone outside has an outbound party, too; its caller has no extension,
    and the direction stays unknown.
    """
    word = text_at(party, "direction")
    inner = [bool(_is_ours(end)) for end in (caller, callee)]
    if all(inner):
        return "internal"
    if word == "Inbound" and not inner[0]:
        return "inbound"
    return "outbound" if word == "Outbound" and inner[0] else ""


def _is_ours(end: Mapping[str, Any]) -> bool:
    number = told(end, "phoneNumber", Notes())
    short = number.isdigit() and len(number) <= 6
    return short or bool(end.get("extensionId") or end.get("extensionNumber"))


def _number(end: Mapping[str, Any], notes: Notes) -> str:
    return told(end, "phoneNumber", notes) or told(end, "extensionNumber", notes)


def _type(event: str) -> str:
    """`/restapi/v1.0/account/~/extension/1/message-store` is `ringcentral.account.extension.message-store`."""
    words = [word for word in event.partition("?")[0].split("/") if _WORD.fullmatch(word) and word != "restapi"]
    if not words:
        raise Impossible("is missing or names nothing", field="event")
    return check_type(".".join(["ringcentral", *words]), field="event")
