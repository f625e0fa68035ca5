"""Bandwidth: Voice webhooks as JSON, with HTTP Basic credentials and no signature.

Sources: Bandwidth docs, "Voice webhooks": Initiate, Answer, Transfer Answer, Transfer Complete, Transfer Disconnect,
Disconnect, and "Callback credentials". A call that BXML answered has an `answerTime`, whether or not anybody of ours
was there: only an answered transfer proves that. On an outgoing call it was the called party who answered.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field, SecretStr

from badge_bridge.errors import Impossible, Malformed
from badge_bridge.events import Direction, Event, Leg, LegOutcome
from badge_bridge.sources import bodies
from badge_bridge.sources.base import (
    EMPTY_DOCUMENT,
    CorrelatingOptions,
    Delivery,
    Part,
    Reading,
    Reply,
    SampleCall,
    Source,
)
from badge_bridge.sources.calls import leg_event
from badge_bridge.sources.credentials import Secrets, is_resolved, keys
from badge_bridge.sources.event_types import check_type
from badge_bridge.sources.fields import Notes, strict_text_at, text_at
from badge_bridge.sources.moments import iso_text, iso_time
from badge_bridge.sources.signatures import StaticToken

__all__ = ["Bandwidth", "BandwidthOptions"]

State = Literal["started", "answered", "ended"]

_STATES: Mapping[str, State] = {
    "initiate": "started",
    "answer": "answered",
    "transferAnswer": "answered",
    "transferComplete": "ended",
    "transferDisconnect": "ended",
    "disconnect": "ended",
}
_CAUSES: Mapping[str, LegOutcome] = {
    "busy": "busy",
    "cancel": "cancelled",
    "rejected": "rejected",
    "timeout": "no_answer",
    "hangup": "completed",
    "unknown": "completed",  # it does not prove that nobody answered
}
"""Every other cause is a failure: of the application's answers, of an account's limits, of Bandwidth."""

_FAILURES = frozenset(
    {"account-limit", "application-error", "callback-error", "error", "invalid-bxml", "node-capacity-exceeded"}
)
"""Those that are documented. A transfer that ended for another reason may have been answered."""

_DIRECTIONS: Mapping[str, Direction] = {"inbound": "inbound", "outbound": "outbound"}


def _with_colon(secrets: list[SecretStr]) -> list[SecretStr]:
    if any(is_resolved(secret) and ":" not in secret.get_secret_value() for secret in secrets):
        raise ValueError("a secret has no colon; write user:password, as the application's callback credentials are")
    return secrets


class BandwidthOptions(CorrelatingOptions):
    """A source that Bandwidth calls."""

    model_config = ConfigDict(hide_input_in_errors=True)

    provider: Literal["bandwidth"]
    secrets: Annotated[Secrets, AfterValidator(_with_colon)] = Field(
        description="user:password, the callback credentials of the Voice application; any of several may match."
    )

    def cautions(self) -> Sequence[str]:
        told = (
            "Bandwidth sends a user and a password along and signs nothing: whoever knows them can tell of any call. "
            "Give it an https:// URL only, a long random password that is used nowhere else, and change it when it "
            "may have been seen."
        )
        return (told,)


def _credentials(delivery: Delivery) -> bytes | None:
    """`user:password` of a Basic header (RFC 7617)."""
    word, _, encoded = (delivery.header("authorization") or "").partition(" ")
    if word.lower() != "basic":
        return None
    try:
        return base64.b64decode(encoded.strip().encode("ascii"), validate=True) or None
    except (binascii.Error, ValueError):
        return None


class Bandwidth(Source[BandwidthOptions]):
    """Reads Bandwidth's webhooks; how a call or a transfer stands is a leg, any other event `bandwidth.<eventType>`."""

    options_type: ClassVar = BandwidthOptions
    max_body = 64 * 1024
    binds: ClassVar[tuple[Part, ...]] = ()

    def __init__(self, name: str, options: BandwidthOptions) -> None:
        super().__init__(name, options)
        self._keys = keys(options.secrets)
        self._scheme = StaticToken(
            name="basic credentials",
            token=_credentials,
            hint="; compare secrets with the callback credentials of the Voice application at Bandwidth",
        )

    def _verify(self, delivery: Delivery) -> str:
        return self._scheme.verify(delivery, self._keys)

    def read(self, delivery: Delivery) -> Sequence[Reading]:
        """The one event of a verified delivery.

        Raises:
            Malformed: the body is not JSON.
            Impossible: it does not say which event this is, or of which call; names the field.
        """
        if not bodies.is_json(bodies.media_type(delivery)):
            raise Malformed(f"the body must be {bodies.JSON}")
        body = bodies.json_object(delivery.body)
        kind, call = strict_text_at(body, "eventType"), strict_text_at(body, "callId")
        if not kind:
            raise Impossible("is missing", field="eventType")
        notes = Notes()
        moment = iso_time(body, "eventTime", notes) or datetime.fromtimestamp(delivery.received_at, UTC)
        if kind in _STATES:
            # One call ends once; a transfer may be tried several times.
            when = "" if kind == "disconnect" else strict_text_at(body, "eventTime")
            return (Reading(self._leg(body, kind, moment, notes), identity=(call, kind, when)),)
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        event = Event(
            id=call or digest[:32],
            source=self.name,
            provider="bandwidth",
            type=check_type(f"bandwidth.{kind}", field="eventType"),
            time=moment,
            data={**body, **notes.data()},
        )
        return (Reading(event, identity=(call, kind, digest)),)

    def reply(self) -> Reply:
        # An empty document does nothing where Bandwidth waits for instructions, and is ignored elsewhere.
        return Reply(body=EMPTY_DOCUMENT, media_type="application/xml")

    def sample(self, call: SampleCall) -> Sequence[Delivery]:
        began, ended = (_written(at) for at in (call.at, call.now))
        digits = call.digest
        whole = {"accountId": "55555555", "applicationId": "sample", "callId": f"c-{digits[:8]}-{digits[8:40]}"}
        whole |= {"from": call.caller, "to": call.line, "direction": "inbound", "startTime": began}
        steps = [{**whole, "eventType": "initiate", "eventTime": began}]
        over = {**whole, "eventType": "disconnect", "eventTime": ended, "endTime": ended, "cause": "timeout"}
        if call.outcome == "answered":
            done = {"eventType": "transferComplete", "eventTime": ended, "answerTime": began, "cause": "hangup"}
            steps.append({**whole, **done})
            over |= {"answerTime": began, "cause": "hangup"}
        return [self._posted(step, call.now) for step in (*steps, over)]

    def _posted(self, body: Mapping[str, str], now: float) -> Delivery:
        basic = base64.b64encode(self._keys[0]).decode("ascii")
        headers = [("content-type", bodies.JSON), ("authorization", f"Basic {basic}")]
        return Delivery("POST", "", headers, json.dumps(body).encode(), now)

    def _leg(self, body: Mapping[str, Any], kind: str, moment: datetime, notes: Notes) -> Event:
        leg = _leg(body, kind)
        # The new leg of a transfer goes out, and belongs to a call of which it does not tell the direction.
        whole = kind in ("initiate", "answer", "disconnect", "transferComplete") and "parentCallId" not in body
        direction = _DIRECTIONS.get(strict_text_at(body, "direction"), "") if whole else ""
        return leg_event(
            self,
            id=leg.leg,
            time=iso_time(body, "startTime", notes) or moment,
            leg=leg,
            direction=direction,
            caller=text_at(body, "from") if whole else "",
            callee=text_at(body, "to") if whole else "",
            data={**body, **notes.data()},
        )


def _leg(body: Mapping[str, Any], kind: str) -> Leg:
    own, parent = strict_text_at(body, "callId"), strict_text_at(body, "parentCallId")
    if not own:
        raise Impossible("is missing", field="callId")
    cause = strict_text_at(body, "cause")
    transfer = kind.startswith("transfer") or bool(parent)
    ended = _STATES[kind] == "ended"
    outcome = _CAUSES.get(cause, "failed") if ended else ""
    if transfer and ended and (cause == "unknown" or cause not in _FAILURES | _CAUSES.keys()):
        return Leg(call=parent or own, leg=f"{own} lost", state="ended", outcome="completed", detail=cause, ends="leg")
    answered = bool(strict_text_at(body, "answerTime"))
    if kind == "disconnect" and cause == "hangup" and not answered:
        outcome = "cancelled"  # neither somebody nor BXML had answered
    # Of a transfer's end, answerTime may be that of the call; hangup says that the transfer was answered.
    reached = kind == "transferAnswer" or (transfer and answered and outcome == "completed")
    outgoing = not transfer and strict_text_at(body, "direction") == "outbound"
    return Leg(
        call=parent or own,
        leg=f"{own} transfer" if kind == "transferComplete" else own,
        party="agent" if transfer else "customer",
        state=_STATES[kind],
        outcome="completed" if kind == "disconnect" and answered and outcome != "failed" else outcome,
        detail=cause,
        ends="" if not ended else "leg" if transfer else "call",
        human=reached or (outgoing and (answered or kind == "answer")),
    )


def _written(at: float) -> str:
    return iso_text(at)
