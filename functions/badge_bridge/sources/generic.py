"""Anything that can sign a webhook, or at least send a token along. The rules file says how to check and to read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from badge_bridge.errors import UnsupportedMediaType
from badge_bridge.events import Event
from badge_bridge.sources import bodies
from badge_bridge.sources.base import Delivery, Part, Reading, SampleCall, Source, SourceOptions
from badge_bridge.sources.credentials import Secrets
from badge_bridge.sources.event_types import outcome_of
from badge_bridge.sources.generic_verify import TokenVerify, Verify, check_secrets, problem_at, sample_of
from badge_bridge.sources.mapping import (
    EventFields,
    EventMapping,
    EventReader,
    empty_fields,
    is_signed,
    types_of,
)
from badge_bridge.sources.phone_numbers import parties, read_number

__all__ = ["Generic", "GenericOptions"]


class GenericOptions(SourceOptions):
    """A source that any system can call."""

    model_config = ConfigDict(hide_input_in_errors=True)

    names_types: ClassVar = True

    provider: Literal["generic"]
    verify: Annotated[Verify | TokenVerify, Field(discriminator="scheme", description="How deliveries are checked.")]
    secrets: Secrets
    format: Literal["json", "form"] = Field(
        default="json", description="How the body is written: json, or form (application/x-www-form-urlencoded)."
    )
    event: EventMapping = Field(
        description="CEL expressions over body, headers, query and received (unix seconds), one for each field."
    )

    _secrets_fit_the_scheme = field_validator("secrets")(check_secrets)

    @field_validator("event")
    @classmethod
    def _id_can_be_trusted(cls, event: EventMapping, info: ValidationInfo) -> EventMapping:
        verify = info.data.get("verify")
        if verify is None:
            return event
        if not verify.signed and event.id is None:
            missing = (
                f"id is missing: with {verify.scheme} nothing else tells a repeated delivery from a new one; add it"
            )
            raise problem_at("id", ValueError(missing))
        if verify.signed and event.id is not None and not is_signed(event.id):
            unsigned = (
                "headers, query and received are not signed, so that an old delivery could be sent again under a new "
                "id; take the id from body, or remove it"
            )
            raise problem_at("id", ValueError(unsigned))
        return event

    def types(self) -> Sequence[str]:
        return types_of(self.event.type)

    def empty_fields(self) -> frozenset[str]:
        return empty_fields(self.event)

    def outcome_is_of_type(self) -> bool:
        return self.event.outcome is None

    def cautions(self) -> Sequence[str]:
        if not self.verify.named_by_body or self.event.id is not None:
            return ()
        told = (
            "two deliveries with the same body are one event, however much time is between them; if the sender may "
            "write one body twice, add event.id"
        )
        return (told,)


class Generic(Source[GenericOptions]):
    """Reads deliveries as the rules file says."""

    options_type: ClassVar = GenericOptions
    takes_any_body: ClassVar = True

    def __init__(self, name: str, options: GenericOptions) -> None:
        super().__init__(name, options)
        self._verifier = options.verify.verifier(options.secrets)
        self._reader = EventReader(options.event)
        self._type_is_trusted = not options.verify.signed or is_signed(options.event.type)

    @property
    def binds(self) -> tuple[Part, ...]:
        return self.options.verify.binds

    @property
    def samples_need_a_key(self) -> bool:
        return self.options.verify.is_public([secret.get_secret_value() for secret in self.options.secrets])

    def sample(self, call: SampleCall) -> Sequence[Delivery]:
        media = bodies.FORM if self.options.format == "form" else bodies.JSON
        return sample_of(self.name, self.options.verify, self.options.secrets, media, call, reads=self._reader.reads)

    def _verify(self, delivery: Delivery) -> str:
        return self._verifier(delivery)

    def read(self, delivery: Delivery) -> Sequence[Reading]:
        body = self._body(delivery)
        fields = self._reader.over(delivery)(body)
        identifier = fields.id or self.options.verify.signed_id(delivery)
        # A type from an unsigned header must not make an old delivery a new event.
        identity = (fields.type, identifier) if self._type_is_trusted else (identifier,)
        return (Reading(self._event(fields, identifier, body, delivery.received_at), identity),)

    def _event(self, fields: EventFields, identifier: str, body: Mapping[str, Any], received_at: float) -> Event:
        country = self.options.country
        ends = parties(fields.direction, caller=fields.caller, callee=fields.callee, country=country)
        return Event(
            id=identifier,
            source=self.name,
            provider="generic",
            type=fields.type,
            time=fields.time or datetime.fromtimestamp(received_at, UTC),
            subject=fields.subject or ends.subject,
            direction=fields.direction,
            outcome=fields.outcome or outcome_of(fields.type),
            reason=fields.reason,
            caller=ends.caller,
            callee=ends.callee,
            line=read_number(fields.line, country).text or ends.line,
            duration=fields.duration,
            email=fields.email,
            data={**body, **ends.notes},
        )

    def _body(self, delivery: Delivery) -> dict[str, Any]:
        """The parsed body without a token in it, which is for no expression, store or log."""
        verify, body = self.options.verify, self._parsed(delivery)
        return verify.without_token(body) if isinstance(verify, TokenVerify) else dict(body)

    def _parsed(self, delivery: Delivery) -> dict[str, Any]:
        """The header Content-Type is not signed, so it may contradict the rules file, not choose."""
        media = bodies.media_type(delivery)
        if self.options.format == "form":
            if media != bodies.FORM:
                raise UnsupportedMediaType(f"the body must be {bodies.FORM}")
            return bodies.flat(bodies.form(delivery.body))
        if not bodies.is_json(media):
            raise UnsupportedMediaType(f"the body must be {bodies.JSON}; for a form, the source needs format: form")
        return bodies.json_object(delivery.body)
