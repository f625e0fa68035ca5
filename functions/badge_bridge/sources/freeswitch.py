"""FreeSWITCH: the call detail records that `mod_json_cdr` posts when a channel ends.

Sources: FreeSWITCH docs, "mod_json_cdr" and "Channel Variables". There is no signature, only Basic authentication.

There is one record for each leg of a call. The a-leg, the channel that came in to FreeSWITCH, tells by itself how the
call ended, since it knows whether it was bridged. To FreeSWITCH every such channel is inbound, that of our own
telephone too: whether the call came from outside is told by the dialplan's context, or by the variable
`call_direction` where the dialplan sets it.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal
from urllib.parse import quote, unquote
from uuid import UUID

from pydantic import ConfigDict, Field, SecretStr, field_validator

from badge_bridge.errors import Impossible, Malformed, UnsupportedMediaType
from badge_bridge.events import Direction, Event
from badge_bridge.sources import bodies
from badge_bridge.sources.base import Delivery, Part, Reading, Reply, SampleCall, Source, SourceOptions
from badge_bridge.sources.calls import call_event
from badge_bridge.sources.credentials import Secrets, is_resolved
from badge_bridge.sources.fields import MAX_SECONDS, Notes, group_at, text_at, whole_number
from badge_bridge.sources.generic_verify import BasicVerify
from badge_bridge.sources.judgement import Judgement, unanswered

__all__ = ["FreeSwitch", "FreeSwitchOptions", "judge"]

_BASE64_FORM = "application/x-www-form-base64-encoded"
_DIRECTIONS: Mapping[str, Direction] = {
    "inbound": "inbound",
    "outbound": "outbound",
    "local": "internal",
    "internal": "internal",
}
_UNANSWERED: Mapping[str, str] = {
    "ORIGINATOR_CANCEL": "caller_cancelled",
    "NO_ANSWER": "no_answer",
    "NO_USER_RESPONSE": "no_answer",
    "ALLOTTED_TIMEOUT": "no_answer",
    "USER_NOT_REGISTERED": "no_agent",
}
_OTHERS: Mapping[str, Judgement] = {
    "USER_BUSY": Judgement("busy", "busy"),
    "CALL_REJECTED": Judgement("rejected", "declined"),
}
_EARLIEST = 1_000_000_000


class FreeSwitchOptions(SourceOptions):
    """A source that FreeSWITCH calls."""

    model_config = ConfigDict(hide_input_in_errors=True)

    provider: Literal["freeswitch"]
    secrets: Secrets = Field(description='The value of cred in json_cdr.conf.xml, user:password, such as ["${NAME}"].')
    inbound_contexts: list[str] = Field(
        default=["public"], description="The contexts of the dialplan in which calls from outside begin."
    )
    outbound_contexts: list[str] = Field(
        default=[],
        description="The contexts in which only calls to outside begin; one that internal calls share is none.",
    )
    encode_values: bool = Field(
        default=True, description="Whether encode-values is on in json_cdr.conf.xml, as it is by default."
    )

    @field_validator("secrets")
    @classmethod
    def _secrets_are_pairs(cls, secrets: list[SecretStr]) -> list[SecretStr]:
        if any(is_resolved(secret) and ":" not in secret.get_secret_value() for secret in secrets):
            raise ValueError("a secret has no colon; write user:password")
        return secrets

    def cautions(self) -> Sequence[str]:
        told = (
            "user and password prove who sends, and protect nothing of a record: let FreeSWITCH post to https only, "
            "with enable-cacert-check and enable-ssl-verifyhost on, which are off by default"
        )
        return (told,)


class FreeSwitch(Source[FreeSwitchOptions]):
    """Reads records; that of an a-leg becomes a call event, others are `freeswitch.leg`."""

    options_type: ClassVar = FreeSwitchOptions
    binds: ClassVar[tuple[Part, ...]] = ()

    def __init__(self, name: str, options: FreeSwitchOptions) -> None:
        super().__init__(name, options)
        self._verifier = BasicVerify(scheme="basic").verifier(options.secrets)

    def _verify(self, delivery: Delivery) -> str:
        return self._verifier(delivery)

    def read(self, delivery: Delivery) -> Sequence[Reading]:
        """The one event of a verified delivery.

        Raises:
            UnsupportedMediaType, Malformed: the body is not a record in one of the three encodings.
            Impossible: it does not say which channel it is of.
        """
        record = _record(delivery)
        if self.options.encode_values:
            record = _unescaped(record)
        variables = group_at(record, "variables")
        identifier = text_at(variables, "uuid")
        if not identifier or len(identifier) > 200:
            raise Impossible("is missing or is no id", field="variables.uuid")
        channel = text_at(group_at(record, "channel_data"), "direction") or text_at(variables, "direction")
        if channel == "inbound":
            event = self._call(record, identifier, delivery.received_at)
        else:
            event = Event(
                id=identifier,
                source=self.name,
                provider="freeswitch",
                type="freeswitch.leg",
                time=_start(variables) or datetime.fromtimestamp(delivery.received_at, UTC),
                data=_without_secrets(record),
            )
        return (Reading(event, identity=(identifier,)),)

    def reply(self) -> Reply:
        return Reply(status=200)

    def sample(self, call: SampleCall) -> Sequence[Delivery]:
        answered = call.outcome == "answered"
        digest = call.digest
        at = str(int(call.at))
        variables = {
            "uuid": _uuid(digest[:32]),
            "direction": "inbound",
            "call_direction": "inbound",
            "start_epoch": at,
            "answer_epoch": at if answered else "0",
            "billsec": "12" if answered else "0",
            "hangup_cause": "NORMAL_CLEARING" if answered else "ORIGINATOR_CANCEL",
        }
        if answered:
            variables["bridge_uuid"] = (
                f"{digest[32:40]}-{digest[40:44]}-4{digest[45:48]}-8{digest[49:52]}-{digest[52:]}"
            )
        profile = {"caller_id_number": call.caller, "destination_number": call.line}
        if self.options.encode_values:
            variables = {name: quote(value) for name, value in variables.items()}
            profile = {name: quote(value) for name, value in profile.items()}
        record = {
            "channel_data": {"state": "CS_REPORTING", "direction": "inbound"},
            "variables": variables,
            "callflow": [{"profile_index": "1", "caller_profile": profile}],
        }
        secret = self.options.secrets[0].get_secret_value()
        basic = "Basic " + base64.b64encode(secret.encode()).decode("ascii")
        headers = [("content-type", bodies.JSON), ("authorization", basic)]
        return (Delivery("POST", "", headers, json.dumps(record).encode(), call.now),)

    def _call(self, record: Mapping[str, Any], identifier: str, received_at: float) -> Event:
        variables = group_at(record, "variables")
        profile = _first_profile(record)
        direction = self._direction(variables, profile)
        notes = Notes()
        told = text_at(variables, "billsec")
        duration = whole_number(told)
        if told and (duration is None or duration > MAX_SECONDS):
            notes.passed_over("variables.billsec", told)
            duration = None
        return call_event(
            self,
            id=identifier,
            time=_start(variables) or datetime.fromtimestamp(received_at, UTC),
            judgement=judge(direction, variables, _applications(record)),
            direction=direction,
            caller=text_at(profile, "caller_id_number") or text_at(variables, "caller_id_number"),
            callee=text_at(profile, "destination_number") or text_at(variables, "destination_number"),
            duration=duration,
            data={**_without_secrets(record), **notes.data()},
            may_lack_plus=True,
        )

    def _direction(self, variables: Mapping[str, Any], profile: Mapping[str, Any]) -> Direction:
        """Of the whole call; "" where neither the dialplan's variable nor its context tells."""
        said = text_at(variables, "call_direction")
        if said:
            return _DIRECTIONS.get(said, "")
        context = text_at(profile, "context")
        if context in self.options.inbound_contexts:
            return "inbound"
        return "outbound" if context in self.options.outbound_contexts else ""


def judge(direction: Direction, variables: Mapping[str, Any], applications: Sequence[str]) -> Judgement:
    """How the call of an a-leg ended.

    A bridge is what connects two people. An answer without one was a menu, a queue, a voicemail box or a conference:
    who heard the caller there, if anybody, shows only in how a bridge that was tried has failed.
    """
    answered = text_at(variables, "answer_epoch") not in ("", "0")
    bridged = bool(text_at(variables, "bridge_uuid") or text_at(variables, "last_bridge_to"))
    failed = text_at(variables, "bridge_hangup_cause") or text_at(variables, "last_bridge_hangup_cause")
    if bridged and (failed in _UNANSWERED or failed in _OTHERS):
        # Early media, a ringing tone or an announcement, counts as a bridge too.
        return Judgement("unknown", f"bridged, and nobody may have answered: {failed}")
    if bridged:
        return Judgement("answered") if answered else Judgement("unknown", "bridged, but never answered")
    if "voicemail" in applications:
        # Our own people listen to their messages by a call too.
        return Judgement("voicemail") if direction == "inbound" else Judgement("unknown", "with a voicemail box")
    if answered and "conference" in applications:
        return Judgement("unknown", "in a conference")
    return _unbridged(direction, variables, answered=answered)


def _unbridged(direction: Direction, variables: Mapping[str, Any], *, answered: bool) -> Judgement:
    tried, hangup = text_at(variables, "originate_disposition"), text_at(variables, "hangup_cause")
    cause = tried if answered or tried not in ("", "SUCCESS") else hangup
    if cause in _UNANSWERED:
        return unanswered(direction, _UNANSWERED[cause])
    if cause in _OTHERS:
        return _OTHERS[cause]
    if answered or cause in ("", "SUCCESS", "NORMAL_CLEARING"):
        return Judgement("unknown", f"nobody was bridged, and why is not said: {cause[:60]}")
    return Judgement("failed", cause[:60])


_SECRET = re.compile(r"password|passwd|secret|crypto|sip_auth_|_sdp", re.IGNORECASE)
"""Names of variables that hold passwords of telephones, or the keys of their encrypted media."""


def _without_secrets(record: Mapping[str, Any]) -> dict[str, Any]:
    variables = {name: value for name, value in group_at(record, "variables").items() if not _SECRET.search(name)}
    told = {name: value for name, value in record.items() if name not in ("app_log", "callflow")}
    return {**told, "variables": variables}


def _record(delivery: Delivery) -> dict[str, Any]:
    """The record, as it is, or in the field `cdr` of a form: escaped, or in base64."""
    media = bodies.media_type(delivery)
    if bodies.is_json(media):
        return bodies.json_object(delivery.body)
    if media not in (bodies.FORM, _BASE64_FORM):
        raise UnsupportedMediaType(f"the body must be {bodies.JSON}, or a form with the field cdr")
    found = [value for name, value in bodies.form(delivery.body) if name == "cdr"]
    if len(found) != 1:
        raise Malformed("the field cdr is missing or repeated")
    text = found[0].strip()
    if text.startswith("{"):
        return bodies.json_object(text.encode())
    # The plus of base64 is not escaped in the form, so that it reads as a space there; lines may be broken.
    encoded = text.replace("\r", "").replace("\n", "").replace(" ", "+")
    try:
        return bodies.json_object(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError) as error:
        raise Malformed("the field cdr is neither JSON nor base64") from error


def _unescaped(value: Any) -> Any:
    """All texts inside without their percent escapes. What is no UTF-8 then is kept readable."""
    if isinstance(value, dict):
        return {key: _unescaped(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_unescaped(inner) for inner in value]
    return unquote(value) if isinstance(value, str) else value


def _first_profile(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The caller's profile as the call came in: each transfer adds another before it."""
    flow = record.get("callflow")
    entries = [entry for entry in flow if isinstance(entry, dict)] if isinstance(flow, list) else []
    first = [entry for entry in entries if text_at(entry, "profile_index") == "1"] or entries[-1:]
    return group_at(first[0], "caller_profile") if first else {}


def _applications(record: Mapping[str, Any]) -> Sequence[str]:
    """The names of the applications that ran, where the record has a log of them."""
    log = group_at(record, "app_log").get("applications")
    return [text_at(ran, "app_name") for ran in log if isinstance(ran, dict)] if isinstance(log, list) else []


def _uuid(digest: str) -> str:
    return str(UUID(hex=digest, version=4))


def _start(variables: Mapping[str, Any]) -> datetime | None:
    seconds = whole_number(text_at(variables, "start_epoch"))
    return datetime.fromtimestamp(seconds, UTC) if seconds is not None and seconds >= _EARLIEST else None
