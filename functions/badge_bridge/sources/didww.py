"""DIDWW phone.systems: signed events of calls, kept under their own names.

Sources: DIDWW docs, "Verify webhook requests" and "Webhook event reference". The header `X-PS-Signature` is
`t=<unix seconds>,v1=<hex>`, the HMAC-SHA256 of `<t>.<body>`; `X-PS-Event-Id` repeats the body's id and is not signed,
so that it is not read. The envelope (`id`, `type`, `ts`, `global_tag`, `data`) is what is read here. Which way a call
went, between whom, and whether a human answered would stand in `data`, whose fields this module does not know: no
event of it becomes `call.missed`, or any other judged call.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar, Literal

from pydantic import ConfigDict

from badge_bridge.errors import Impossible
from badge_bridge.events import Event
from badge_bridge.sources import bodies
from badge_bridge.sources.base import Delivery, Part, Reading, Reply, SampleCall, Source, SourceOptions
from badge_bridge.sources.credentials import Secrets, keys
from badge_bridge.sources.event_types import check_type
from badge_bridge.sources.fields import Notes, text_at
from badge_bridge.sources.moments import iso_text, iso_time, told
from badge_bridge.sources.signatures import HEX, HeaderPart, Hmac, SignedTime

__all__ = ["Didww", "DidwwOptions"]

_SIGNATURE = "x-ps-signature"


class DidwwOptions(SourceOptions):
    """A source that phone.systems calls."""

    model_config = ConfigDict(hide_input_in_errors=True)

    provider: Literal["didww"]
    secrets: Secrets

    def cautions(self) -> Sequence[str]:
        caution = (
            "Events of didww are kept as didww.call.ended and so on, and are never judged as call.missed. To have "
            "calls judged, use the provider generic with verify.scheme hmac-timestamped and the header "
            "X-PS-Signature, and say in event: what the fields of your deliveries mean."
        )
        return (caution,)


def _content(timestamp: str, body: bytes) -> bytes:
    return f"{timestamp}.".encode() + body


def _message(delivery: Delivery, timestamp: str) -> Sequence[bytes]:
    return (_content(timestamp, delivery.body),)


_SCHEME = Hmac(
    algorithm="sha256",
    signature=HeaderPart(_SIGNATURE, prefix="v1=", separator=","),
    encoding=HEX,
    message=_message,
    binds=("body", "time"),
    time=SignedTime(HeaderPart(_SIGNATURE, prefix="t=", separator=",")),
    hint="; compare the secret with the one on the page Settings > Webhooks of phone.systems",
)


class Didww(Source[DidwwOptions]):
    """Reads the envelope of each event; its type becomes `didww.<type>`."""

    options_type: ClassVar = DidwwOptions
    binds: ClassVar[tuple[Part, ...]] = _SCHEME.binds

    def __init__(self, name: str, options: DidwwOptions) -> None:
        super().__init__(name, options)
        self._keys = keys(options.secrets)

    def _verify(self, delivery: Delivery) -> str:
        return _SCHEME.verify(delivery, self._keys)

    def read(self, delivery: Delivery) -> Sequence[Reading]:
        """The one event of a verified delivery.

        Raises:
            Malformed: the body is not JSON.
            Impossible: it has no id, or does not say which event this is; names the field.
        """
        body = bodies.json_object(delivery.body)
        notes = Notes()
        identifier = told(body, "id", notes)
        if not identifier:
            raise Impossible("is missing", field="id")
        kind = check_type(f"didww.{text_at(body, 'type')}", field="type")
        event = Event(
            id=identifier,
            source=self.name,
            provider="didww",
            type=kind,
            time=iso_time(body, "ts", notes) or datetime.fromtimestamp(delivery.received_at, UTC),
            data={**body, **notes.data()},
        )
        return (Reading(event, identity=(identifier,)),)

    def reply(self) -> Reply:
        return Reply(status=200)

    def sample(self, call: SampleCall) -> Sequence[Delivery]:
        answered = ["call.connected"] if call.outcome == "answered" else []
        return [self._signed(call, kind) for kind in ("call.started", *answered, "call.ended")]

    def _signed(self, call: SampleCall, kind: str) -> Delivery:
        at = call.now if kind == "call.ended" else call.at
        envelope = {
            "id": hashlib.sha256(f"{call.id}.{kind}".encode()).hexdigest()[:32],
            "type": kind,
            "ts": iso_text(at),
            "global_tag": call.digest[:32],
            "data": {},
        }
        body, timestamp = json.dumps(envelope).encode(), str(int(call.now))
        signature = _SCHEME.sign(self._keys[0], _content(timestamp, body))
        headers = [("content-type", bodies.JSON), (_SIGNATURE, f"t={timestamp},v1={signature}")]
        return Delivery("POST", "", headers, body, call.now)
