"""What a provider adapter is made of: the delivery it reads, the options it takes, what it answers.

The order of work on one delivery is fixed (see `pipeline.accept`): `handshake`, `verify`, `read`, and after the durable
write `reply`. Nothing of a delivery is believed before `verify` returned.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, ClassVar, Generic, Literal, NamedTuple, TypeVar, final
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from badge_bridge.errors import BodyTooLarge, BridgeError, DeliveryRefused, Unauthenticated
from badge_bridge.events import CALL_TYPES, Event
from badge_bridge.sources.countries import check_country

__all__ = [
    "EMPTY_DOCUMENT",
    "CorrelatingOptions",
    "Delivery",
    "NoSample",
    "Part",
    "QueueOptions",
    "Reading",
    "Reply",
    "SampleCall",
    "Source",
    "SourceOptions",
]

Part = Literal["url", "body", "form", "fields", "time"]
"""What a signature can bind. `form` is the decoded fields of a body and not its bytes, `fields` only some of them."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One HTTP request from a provider, raw.

    `query` is the raw query string without the question mark; `headers` keeps order and repeats, names in lower case;
    `received_at` is unix seconds.
    """

    method: str
    query: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    received_at: float
    path: str = ""
    """What follows the source's own path, with its slash: `/events/summary` of `/hooks/office/events/summary`. Empty
    but for sources with `subpaths`."""

    _named: Mapping[str, str | None] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Once for all: a delivery is asked for half a dozen of its headers.
        named: dict[str, str | None] = dict(self.headers)
        if len(named) != len(self.headers):
            named.clear()
            for name, value in self.headers:
                named[name] = value if named.get(name, value) == value else None
        object.__setattr__(self, "_named", named)

    def header(self, name: str) -> str | None:
        """The value of a header, or None. Conflicting repeats of a header read as None: they prove nothing."""
        return self._named.get(name.lower())

    def unambiguous(self) -> dict[str, str]:
        """The headers that do not contradict themselves, by name."""
        return {name: value for name, value in self._named.items() if value is not None}


class Reply(NamedTuple):
    """What the provider gets: some want an empty 204, some XML, some an echo."""

    status: int = 200
    body: bytes = b""
    media_type: str = ""
    headers: Mapping[str, str] = MappingProxyType({})


EMPTY_DOCUMENT = b'<?xml version="1.0" encoding="UTF-8"?><Response/>'
"""Has no instruction for a provider that waits for one (TwiML, cXML, Plivo XML, BXML), and is ignored elsewhere."""


class Reading(NamedTuple):
    """One event read from a delivery, and the values that make it unique within its source.

    `identity` holds only values that the signature covers; where a bare token covers none, the provider's own id of
    the call or event.
    """

    event: Event
    identity: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SampleCall:
    """The made-up call that a sample delivery tells of."""

    id: str
    """Letters and digits, new for each sample; providers make their own form of id of it."""
    outcome: Literal["missed", "answered"]
    at: float
    """Unix seconds at which it began; it has ended by `now`."""
    now: float
    """Unix seconds at which it is signed."""
    caller: str = "+4930901820"
    line: str = "+4989654321"
    body: bytes = b""
    """What to send to a source whose sender writes the bodies; others make their own."""
    private_key: bytes = b""
    """That of a key pair for trying (Ed25519, 32 bytes), for a source that checks with a public key."""

    @property
    def digest(self) -> str:
        """64 hex digits that are the call's own, for ids of a provider's form."""
        return hashlib.sha256(self.id.encode()).hexdigest()

    def uuid(self, part: str) -> UUID:
        """A UUID of a part of the call, always the same."""
        return UUID(bytes=hashlib.sha256(f"{self.id} {part}".encode()).digest()[:16], version=4)


class SourceOptions(BaseModel):
    """One entry under `sources:`. A provider's own options class adds `provider: Literal[...]` and what it needs."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    names_types: ClassVar[bool] = False
    """Whether the types of this source's events are chosen in the rules file, so that a rule may wait for any."""
    late_secrets: ClassVar[bool] = False
    """Whether secrets may be left out where the installation of the portal's application brings one."""

    provider: str
    portal: str | None = Field(default=None, description="The portal that the rules of this source act on.")
    country: Annotated[str, AfterValidator(check_country)] | None = Field(
        default=None, description="How to read national phone numbers, such as DE."
    )

    def types(self) -> Sequence[str]:
        """The types that events of this source can have, written as in a rule: with `*` at the end for any ending."""
        return ("*",) if self.names_types else (*CALL_TYPES, f"{self.provider}.*")

    def empty_fields(self) -> frozenset[str]:
        """Texts of an event that this source never sets."""
        return frozenset()

    def outcome_is_of_type(self) -> bool:
        """Whether an event's outcome is what its type says, and empty where it is of no call."""
        return True

    def cautions(self) -> Sequence[str]:
        """What somebody who sets this source up should know about how little its checks prove, in sentences.

        A scheme that protects little needs something else to make up for it. What can be demanded is a required
        option; what cannot is said here, when the rules file is loaded.
        """
        return ()


class CorrelatingOptions(SourceOptions):
    """Options of a provider that tells of one call in several deliveries."""

    grace: float = Field(
        default=5.0,
        ge=0,
        le=600,
        description="Seconds to wait for late deliveries after a call has ended before it is judged.",
    )
    longest_call: float = Field(
        default=4 * 3600.0,
        ge=60,
        le=11 * 3600,
        description="Seconds after which a call whose end was never reported is judged as call.unknown.",
    )


class QueueOptions(CorrelatingOptions):
    """Options of a provider that tells of each telephone of a queue, and not of the caller who waits meanwhile."""

    next_ring: float = Field(
        default=30.0,
        ge=0,
        le=600,
        description="Seconds to wait for the next telephone of a queue to ring, after one has stopped unanswered and "
        "nothing tells that the caller has gone.",
    )


Options = TypeVar("Options", bound=SourceOptions)


class Source(ABC, Generic[Options]):
    """One configured webhook endpoint: an adapter bound to its options."""

    options_type: ClassVar[type[SourceOptions]]
    """The options that the rules file takes for this provider."""
    takes_any_body: ClassVar[bool] = False
    """Whether the sender writes the bodies, and the rules file says how they are read."""
    methods: ClassVar[frozenset[str]] = frozenset({"POST"})
    max_body: ClassVar[int] = 1024 * 1024
    """Bytes that a delivery may have. Reading a form costs about twenty times as much as receiving it, and most
    schemes have to read it before they know who sent it: a provider whose forms are small says less."""

    subpaths: ClassVar[bool] = False
    """Whether the provider adds to the URL that it is given, so that `/hooks/<name>/<anything>` is this source too."""

    def __init__(self, name: str, options: Options) -> None:
        self.name = name
        self.options = options

    @property
    @abstractmethod
    def binds(self) -> tuple[Part, ...]:
        """The parts of a request that nobody can change without the secret; none where a token is only sent along."""

    @property
    def samples_need_a_key(self) -> bool:
        """Whether a sample is signed with `SampleCall.private_key`: the secrets are public keys alone."""
        return False

    @property
    def late_secrets(self) -> bool:
        """Whether `offer_secrets` has a use: this source takes secrets that are not known when the rules are read."""
        return self.options.late_secrets

    def offer_secrets(self, tokens: Sequence[str]) -> None:  # noqa: ARG002 - for providers that take them
        """Secrets that count from now on beside those of the rules file; they replace the ones offered before."""
        return

    def names_itself(self, delivery: Delivery) -> Mapping[str, str]:  # noqa: ARG002 - for providers with late secrets
        """`member_id` and `domain` of the portal that a delivery says it is from; that proves nothing. Never raises."""
        return {"member_id": "", "domain": ""}

    def handshake(self, delivery: Delivery) -> Reply | None:  # noqa: ARG002 - for providers that have one
        """The answer to a provider's endpoint check, or None for an ordinary delivery."""
        return None

    @final
    def verify(self, delivery: Delivery) -> str:
        """Check the signature; say in a few words what was verified (`hmac-sha1 over url and form`).

        Raises:
            BodyTooLarge: larger than `max_body`; nothing of it was read.
            Unauthenticated: missing, wrong, contradictory, stale, or the body cannot be read for checking.
        """
        if len(delivery.body) > self.max_body:
            raise BodyTooLarge(
                f"the body has {len(delivery.body):,} bytes; a delivery of {self.options.provider} has at most "
                f"{self.max_body:,}"
            )
        try:
            return self._verify(delivery)
        except Unauthenticated:
            raise
        except DeliveryRefused as error:
            raise Unauthenticated(f"the request cannot be read for checking: {error}") from error

    @abstractmethod
    def _verify(self, delivery: Delivery) -> str:
        """What `verify` says of this provider's deliveries; any DeliveryRefused counts as unauthenticated."""

    @abstractmethod
    def read(self, delivery: Delivery) -> Sequence[Reading]:
        """The events of a verified delivery.

        Raises:
            Malformed: the body cannot be parsed.
            Impossible: parsed, but a field makes no sense; names the field.
        """

    def reply(self) -> Reply:
        """What this provider expects after its delivery is stored."""
        return Reply(status=204)

    @abstractmethod
    def sample(self, call: SampleCall) -> Sequence[Delivery]:
        """The deliveries by which the provider would tell of this call, in their order, signed with the first secret.

        For trying a set-up before the provider is connected, and for tests. `received_at` is `call.now`. A source whose
        sender writes the bodies takes `call.body`, one that checks with a public key signs with `call.private_key`.

        Raises:
            NoSample: only the provider can sign for this source; says why.
        """


class NoSample(BridgeError):
    """Nobody but the provider can make a delivery for this source."""
