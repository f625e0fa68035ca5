"""The event: one normalised, CloudEvents-shaped record of something that happened.

Providers build it from a delivery, the store keeps it, conditions in the rules file read it: every field here can be
named in a condition.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

__all__ = ["CALL_TYPES", "Direction", "Event", "event_key"]

Direction = Literal["inbound", "outbound", "internal", ""]

CALL_TYPES = (
    "call.missed",
    "call.answered",
    "call.voicemail",
    "call.busy",
    "call.rejected",
    "call.failed",
    "call.unknown",
)
"""What a telephony provider's event can become. Missed means inbound, ended, and no human answered; what cannot be
told from the delivery is `call.unknown`, never missed."""


class Event(BaseModel):
    """A normalised event.

    Phone numbers are E.164 where the provider's number could be read, otherwise as received; an unknown text is the
    empty string; an unknown number is None. `data` is the parsed body without its secrets.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(min_length=1)
    """The sender's own id of the event, for people; the key (`event_key`) is what makes it unique for us."""
    source: str
    provider: str
    type: str = Field(min_length=1)
    time: AwareDatetime
    """When it happened (for calls: when the call started, where the provider says so)."""
    subject: str = ""
    """Whom it is about, the value that joins events: the customer's number for calls."""
    direction: Direction = ""
    outcome: str = ""
    """For calls the second half of the type: missed, answered, ...; as a field so that conditions can list several."""
    reason: str = ""
    """Why: `no_answer`, `caller_cancelled`, ... or the provider's own word or code."""
    caller: str = ""
    callee: str = ""
    line: str = ""
    """Our own number that was called or that called."""
    duration: int | None = None
    """Seconds of conversation, as the provider counts them."""
    email: str = ""
    data: Mapping[str, Any] = Field(default_factory=dict)


def event_key(source: str, identity: Sequence[str]) -> str:
    """The store's key of an event: the source's name, a colon and 128 bits of SHA-256 over the identity in hex.

    The identity is made by the provider and only from values that the signature covers. Hashing keeps phone numbers
    out of keys, makes them safe in paths and logs, and spreads them over a document store.
    """
    # ASCII, because a sender's JSON may hold half a surrogate pair, which UTF-8 cannot.
    digest = hashlib.sha256(json.dumps(list(identity), ensure_ascii=True).encode("ascii")).hexdigest()
    return f"{source}:{digest[:32]}"
