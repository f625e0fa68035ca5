"""The event: one normalised, CloudEvents-shaped record of something that happened.

Providers build it from a delivery, the store keeps it, conditions in the rules file read it: every field here can be
named in a condition.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from json.encoder import encode_basestring_ascii
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

__all__ = [
    "CALL_TYPES",
    "EXACT_TYPE",
    "LEG",
    "MAX_JOIN",
    "Direction",
    "Event",
    "Leg",
    "LegOutcome",
    "call_join",
    "customer_join",
    "event_key",
    "joining",
]

MAX_JOIN = 200
"""Bytes of a joining value and of what gives it; of a longer one the hash is taken, which joins the same events."""

EXACT_TYPE = r"[^\s*.\x00-\x1f\x7f]+(?:\.[^\s*.\x00-\x1f\x7f]+)*"
"""How an event's type is written, in a rule as in an event: words with full stops between them, such as call.missed.
An event whose type no rule can name would be kept, ignored, and never understood."""

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
"""What a telephony provider's event can become. `call.missed` needs proof: the call came from outside, is over, and
nobody picked it up. Where a delivery does not prove that, it is `call.unknown`."""

LEG = "call.leg"
"""The type of an event that tells of one leg or state of a call. Rules never meet it: they meet the judgement of the
whole call, which is made of all its legs."""


def _utc(moment: datetime) -> datetime:
    """One moment, one way to write it; some offsets that a sender can write cannot be read again."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("the time is outside of the years 1 to 9999 in UTC") from None


LegOutcome = Literal["", "completed", "no_answer", "cancelled", "busy", "rejected", "failed", "voicemail"]


class Leg(BaseModel):
    """What one delivery says of a call that several deliveries tell of. Facts only: what they come to is judged later,
    from all legs together, in whatever order and however often they came (`sources.joining`).
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    call: str = Field(min_length=1, max_length=500)
    """What the legs of one call have in common, unique within the source: the provider's correlation id."""
    leg: str = ""
    """Which leg of the call: the provider's id of it. Empty: the call as a whole."""
    party: Literal["customer", "agent", "machine", ""] = ""
    """Who is at the far end of the leg: the customer, somebody of ours (a handset, a softphone), or a menu, a queue, a
    voicemail box."""
    state: Literal["started", "ringing", "answered", "ended", ""] = ""
    """Where this leg stands."""
    outcome: LegOutcome = ""
    """How it ended. `completed` says that a connection ended which somebody or something had answered; `cancelled`
    that the caller gave up."""
    detail: str = ""
    """The provider's own word or code for that."""
    ends: Literal["", "leg", "call"] = ""
    """What ended. A call has ended when a leg says so, or when all legs that are known have ended."""
    human: bool = False
    """Proves that two people were connected: somebody of ours on an inbound call, the called party on an outbound one.
    A menu or a voicemail box that picks up is none."""
    human_if_outbound: bool = False
    """Proves the same should the call turn out to be an outgoing one with no other leg: the provider says in one
    delivery that somebody picked up, and in another which way the call goes."""
    rings_on: float = Field(default=0.0, ge=0)
    """Of an end: seconds within which it may ring at the next of a queue, while the caller still waits."""
    tells_all: bool = False
    """Of an end: had somebody of ours picked up, it would be known from a leg of his, or from this end itself. Where it
    is not, and the call was told of from its beginning, nobody did."""
    final: bool = False
    """Says for good how the whole call ended, so that nothing is waited for: `ends` is then "call" and `outcome` counts
    before that of any other leg. A human who is known counts before it."""
    order: float | None = None
    """Where this stands among what is told of the same leg, in the provider's own measure: a moment, a number that
    grows. Only where a leg that has ended can ring again, or a human can take over from a machine. None: not known."""


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
    time: Annotated[AwareDatetime, AfterValidator(_utc)]
    """When it happened, in UTC (for calls: when the call started, where the provider says so)."""
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
    told_time: AwareDatetime | None = None
    """Set where the time that was told cannot be true (`ahead`): it is this one, and `time` is that of receipt;
    conditions do not see it."""
    leg: Leg | None = None
    """Set where this is one leg or state of a call (type `LEG`); conditions do not see it."""

    @property
    def customer(self) -> str:
        """The value that joins events of one customer: the subject, else the other party's number, else the e-mail."""
        other = {"outbound": self.callee, "internal": ""}.get(self.direction, self.caller)
        return self.subject or other or self.email


def event_key(source: str, identity: Sequence[str]) -> str:
    """The store's key of an event: the source's name, a colon and 128 bits of SHA-256 in hex, over the identity as a
    JSON array in ASCII.

    The identity is made by the provider and only from values that the signature covers. Hashing keeps phone numbers
    out of keys, makes them safe in paths and logs, and spreads them over a document store.
    """
    # ASCII, because a sender's JSON may hold half a surrogate pair, which UTF-8 cannot. Put together here, because the
    # encoder makes a new one of itself for each array.
    written = f"[{', '.join(map(encode_basestring_ascii, identity))}]"
    digest = hashlib.sha256(written.encode("ascii")).hexdigest()
    return f"{source}:{digest[:32]}"


def call_join(event: Event) -> str:
    """The value by which the legs of one call find each other; only for legs."""
    assert event.leg is not None, "only legs are joined"
    return f"call\n{event.source}\n{event.leg.call}"


def customer_join(customer: str) -> str:
    """What joins the events of a customer (`Event.customer`), for those who look for him without an event."""
    return joining("customer", customer)


def joining(what: str, value: str) -> str:
    """A value among an event's joins: `what` gives it, such as `customer`. Empty where there is no value."""
    if not value:
        return ""
    return f"{_bounded(what)}\n{_bounded(value)}"


def _bounded(text: str) -> str:
    if len(text) <= MAX_JOIN and text.isascii():
        return text
    written = text.encode("utf-8", "replace")  # half of a surrogate pair, which JSON can say and no store can keep
    if len(written) > MAX_JOIN:
        written = b"sha256:" + hashlib.sha256(written).hexdigest().encode()
    return written.decode()
