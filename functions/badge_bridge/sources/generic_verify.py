"""The ways in which the generic provider can check a delivery: the options under `verify:`, and what they do.

Sources: Standard Webhooks 1.0; GitHub docs, "Validating webhook deliveries" (`X-Hub-Signature-256`); Stripe docs,
"Verify webhook signatures" (`t=...,v1=...`); RFC 6750 and RFC 7617 for tokens.
"""

from __future__ import annotations

import hashlib
import re
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, ValidationInfo
from pydantic_core import InitErrorDetails

from badge_bridge.sources import bodies, standard_webhooks
from badge_bridge.sources.base import Delivery, NoSample, Part, SampleCall
from badge_bridge.sources.credentials import is_resolved, keys
from badge_bridge.sources.signatures import (
    BASE64,
    HEX,
    WINDOW,
    Algorithm,
    HeaderPart,
    Hmac,
    SignedTime,
    StaticToken,
    raw_body,
)
from badge_bridge.sources.trial_keys import trial_key

__all__ = ["TokenVerify", "Verifier", "Verify", "check_secrets", "problem_at", "sample_of"]

Verifier = Callable[[Delivery], str]


def _header_name(value: str) -> str:
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", value):
        raise ValueError("this is not the name of an HTTP header; write one such as X-Signature")
    return value.lower()


HeaderName = Annotated[str, AfterValidator(_header_name)]


class _Verify(BaseModel):
    """One way to check a delivery."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    binds: ClassVar[tuple[Part, ...]] = ("body",)

    @property
    def signed(self) -> bool:
        """Whether the body is covered; then its digest, or an id that is signed with it, can name a delivery."""
        return "body" in self.binds

    @abstractmethod
    def verifier(self, secrets: Sequence[SecretStr]) -> Verifier:
        """Check a delivery with these secrets.

        Raises:
            ValueError: a secret is not what this scheme needs.
        """

    named_by_body: ClassVar[bool] = False
    """Whether nothing else than the body names a delivery where `event.id` is not mapped."""

    def signed_id(self, delivery: Delivery) -> str:
        """What names a verified delivery where `event.id` is not mapped."""
        return hashlib.sha256(delivery.body).hexdigest()

    def is_public(self, secrets: Sequence[str]) -> bool:  # noqa: ARG002 - for schemes with key pairs
        """Whether these secrets are public keys alone, so that whoever knows them can sign nothing."""
        return False

    @abstractmethod
    def prove(self, delivery: Delivery, secrets: Sequence[str], call: SampleCall) -> Delivery:
        """A sample with what proves it, by the first of the secrets.

        Raises:
            NoSample: only the sender can prove it.
        """


class StandardWebhooksVerify(_Verify):
    """Standard Webhooks and Svix: the secrets are `whsec_...`, or `whpk_...` public keys."""

    binds: ClassVar[tuple[Part, ...]] = ("body", "time")

    scheme: Literal["standard-webhooks"]

    def verifier(self, secrets: Sequence[SecretStr]) -> Verifier:
        read = standard_webhooks.read_keys([secret.get_secret_value() for secret in secrets])
        return partial(standard_webhooks.verify, keys=read)

    def signed_id(self, delivery: Delivery) -> str:
        return standard_webhooks.message_id(delivery)

    def is_public(self, secrets: Sequence[str]) -> bool:
        return not standard_webhooks.read_keys(secrets).shared

    def prove(self, delivery: Delivery, secrets: Sequence[str], call: SampleCall) -> Delivery:
        keys, name, timestamp = standard_webhooks.read_keys(secrets), f"msg_{call.id}", int(call.now)
        if keys.shared:
            secret = next(one for one in secrets if standard_webhooks.read_keys([one]).shared)
            signature = standard_webhooks.sign(name, timestamp, delivery.body, secret)
        else:
            private = trial_key(call, keys.public, standard_webhooks.written_public_key)
            signature = standard_webhooks.sign_with(private, name, timestamp, delivery.body)
        proof = {"webhook-id": name, "webhook-timestamp": str(timestamp), "webhook-signature": signature}
        return _with(delivery, proof)


class HmacVerify(_Verify):
    """A header with the HMAC of the body, such as GitHub's."""

    named_by_body: ClassVar = True

    scheme: Literal["hmac"]
    header: HeaderName = Field(description="The header with the signature, such as X-Hub-Signature-256.")
    prefix: str = Field(default="", description="What stands before the signature, such as sha256=.")
    algorithm: Algorithm = Field(default="sha256", description="The hash.")
    encoding: Literal["hex", "base64"] = Field(default="hex", description="How the signature is written.")

    def verifier(self, secrets: Sequence[SecretStr]) -> Verifier:
        return partial(self._scheme.verify, keys=keys(secrets))

    def prove(self, delivery: Delivery, secrets: Sequence[str], call: SampleCall) -> Delivery:  # noqa: ARG002 - others do
        signature = self._scheme.sign(secrets[0].encode(), delivery.body)
        return _with(delivery, {self.header: self.prefix + signature})

    @property
    def _scheme(self) -> Hmac:
        return Hmac(
            algorithm=self.algorithm,
            signature=HeaderPart(self.header, prefix=self.prefix),
            encoding=HEX if self.encoding == "hex" else BASE64,
            message=raw_body,
            binds=("body",),
            hint="; compare the secret, algorithm and encoding with what the sender shows for this endpoint",
        )


class HmacTimestampedVerify(_Verify):
    """A header `t=<unix seconds>,v1=<hex>`, the HMAC-SHA256 of `<t>.<body>`, such as Stripe's."""

    binds: ClassVar[tuple[Part, ...]] = ("body", "time")
    named_by_body: ClassVar = True  # a sender that tries again signs another time

    scheme: Literal["hmac-timestamped"]
    header: HeaderName = Field(description="The header with time and signature, such as Stripe-Signature.")
    tolerance: float = Field(
        default=WINDOW, ge=1, le=86_400, description="Seconds that the signed time may differ from ours, both ways."
    )

    def verifier(self, secrets: Sequence[SecretStr]) -> Verifier:
        return partial(self._scheme.verify, keys=keys(secrets))

    def prove(self, delivery: Delivery, secrets: Sequence[str], call: SampleCall) -> Delivery:
        time = str(int(call.now))
        (message,) = _timed_body(delivery, time)
        return _with(delivery, {self.header: f"t={time},v1={self._scheme.sign(secrets[0].encode(), message)}"})

    @property
    def _scheme(self) -> Hmac:
        return Hmac(
            algorithm="sha256",
            signature=HeaderPart(self.header, prefix="v1=", separator=","),
            encoding=HEX,
            message=_timed_body,
            binds=("body", "time"),
            time=SignedTime(HeaderPart(self.header, prefix="t=", separator=","), tolerance=self.tolerance),
            hint="; compare the secret with the one that the sender shows for this endpoint",
        )


class BearerVerify(_Verify):
    """`Authorization: Bearer <secret>`."""

    binds: ClassVar[tuple[Part, ...]] = ()

    scheme: Literal["bearer"]

    def verifier(self, secrets: Sequence[SecretStr]) -> Verifier:
        hint = "; compare the sender's header Authorization: Bearer ... with secrets"
        return partial(StaticToken(name="bearer token", token=_bearer, hint=hint).verify, keys=keys(secrets))

    def prove(self, delivery: Delivery, secrets: Sequence[str], call: SampleCall) -> Delivery:  # noqa: ARG002 - the same
        return _with(delivery, {"authorization": f"Bearer {secrets[0].encode().decode('latin-1')}"})


class BasicVerify(_Verify):
    """`Authorization: Basic ...`; a secret is `user:password`."""

    binds: ClassVar[tuple[Part, ...]] = ()

    scheme: Literal["basic"]

    def verifier(self, secrets: Sequence[SecretStr]) -> Verifier:
        if any(":" not in secret.get_secret_value() for secret in secrets):
            raise ValueError("a secret for basic has no colon; write user:password")
        hint = "; compare the sender's user and password with secrets"
        return partial(StaticToken(name="basic credentials", token=_basic, hint=hint).verify, keys=keys(secrets))

    def prove(self, delivery: Delivery, secrets: Sequence[str], call: SampleCall) -> Delivery:  # noqa: ARG002 - the same
        return _with(delivery, {"authorization": f"Basic {BASE64.encode(secrets[0].encode())}"})


class TokenVerify(_Verify):
    """A secret in a field of the body, for senders that can fill in a body and no header."""

    binds: ClassVar[tuple[Part, ...]] = ()

    scheme: Literal["token"]
    field: str = Field(min_length=1, description="The field of the body with the token, such as token.")

    def without_token(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The body without the field, and with nothing in the place of the token wherever else it stands."""
        token = body.get(self.field)
        return {key: _without(token, value) for key, value in body.items() if key != self.field}

    def verifier(self, secrets: Sequence[SecretStr]) -> Verifier:
        hint = f"; compare the field {self.field} of the sender's body with secrets"
        token = StaticToken(name="token", token=partial(_field, name=self.field), hint=hint)
        return partial(token.verify, keys=keys(secrets))

    def prove(self, delivery: Delivery, secrets: Sequence[str], call: SampleCall) -> Delivery:  # noqa: ARG002 - the same
        if _field(delivery, self.field) != secrets[0].encode():
            raise NoSample(f"write the source's secret into the field {self.field} of the body")
        return delivery


Verify = Annotated[
    StandardWebhooksVerify | HmacVerify | HmacTimestampedVerify | BearerVerify | BasicVerify,
    Field(discriminator="scheme", description="How deliveries are checked."),
]


def _without(token: Any, value: Any) -> Any:
    if isinstance(value, str):
        return "" if value == token else value
    if isinstance(value, list):
        return [_without(token, one) for one in value]
    if isinstance(value, dict):
        return {key: _without(token, one) for key, one in value.items()}
    return value


def check_secrets(secrets: list[SecretStr], info: ValidationInfo) -> list[SecretStr]:
    """A validator of `secrets` beside `verify`: each is what the scheme needs."""
    verify = info.data.get("verify")
    for index, secret in enumerate(secrets):
        if verify is not None and is_resolved(secret):
            try:
                verify.verifier([secret])
            except ValueError as error:
                raise problem_at(index, error) from None
    return secrets


def problem_at(place: str | int, problem: ValueError) -> ValidationError:
    """A problem of one item below the field that is validated; pydantic puts the field's own place before it."""
    detail = InitErrorDetails(type="value_error", loc=(place,), input=None, ctx={"error": problem})
    return ValidationError.from_exception_data("verify", [detail])


def sample_of(
    name: str, verify: _Verify, secrets: Sequence[SecretStr], media: str, call: SampleCall, *, reads: Sequence[str]
) -> Sequence[Delivery]:
    """What `Source.sample` gives for a source whose sender writes the bodies, of which we read these fields."""
    if not call.body:
        what = "a form" if media == bodies.FORM else "JSON"
        fields = f", {what} with {', '.join(reads)}" if reads else ""
        raise NoSample(f"source {name}: its sender writes the bodies; give one with --body FILE{fields}")
    delivery = Delivery("POST", "", [("content-type", media)], call.body, call.now)
    try:
        return (verify.prove(delivery, [secret.get_secret_value() for secret in secrets], call),)
    except NoSample as error:
        raise NoSample(f"source {name}: {error}") from None


def _with(delivery: Delivery, proof: Mapping[str, str]) -> Delivery:
    return replace(delivery, headers=[*delivery.headers, *proof.items()])


def _timed_body(delivery: Delivery, time: str) -> Sequence[bytes]:
    return (time.encode() + b"." + delivery.body,)


def _bearer(delivery: Delivery) -> bytes | None:
    return _credentials(delivery, "bearer")


def _basic(delivery: Delivery) -> bytes | None:
    """`user:password` as UTF-8 (RFC 7617). The user has no colon, so comparing the whole compares both."""
    encoded = _credentials(delivery, "basic")
    try:
        return BASE64.decode(encoded.decode("ascii")) if encoded else None
    except ValueError:
        return None


def _field(delivery: Delivery, name: str) -> bytes | None:
    """Text of a form or of JSON, as the header says; that it may say so is judged when the body is read.

    Raises:
        Malformed: the body cannot be parsed.
    """
    is_form = bodies.media_type(delivery) == bodies.FORM
    value = bodies.form_field(delivery.body, name) if is_form else bodies.json_object(delivery.body).get(name)
    return value.encode() or None if isinstance(value, str) else None


def _credentials(delivery: Delivery, scheme: str) -> bytes | None:
    word, _, credentials = (delivery.header("authorization") or "").partition(" ")
    # A header's text is its bytes read as Latin-1 (RFC 9110, section 5.5; ASGI), where 0xa0 is no space.
    token = credentials.strip(" \t").encode("latin-1", "replace")
    return token if word.lower() == scheme and token else None
