"""What Pub/Sub pushes: one message in an envelope of JSON (Pub/Sub docs, "Receive messages using push").

Ids come in camel case and in snake case, beside each other; an emulator may leave out one of them. `data` is missing
where a message has attributes only, as ours have.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from badge_bridge.dispatch.pubsub import KEY, LOOK

__all__ = ["MAX_BODY", "Envelope", "NotOurs", "read_envelope"]

MAX_BODY = 64 * 1024
"""Bytes; ours have about half a kilobyte."""


class NotOurs(ValueError):
    """The request holds no message that our dispatcher has published. The text says what is wrong with it."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: str = Field(default="", validation_alias=AliasChoices("messageId", "message_id"))
    attributes: Annotated[dict[str, str], BeforeValidator(lambda value: {} if value is None else value)] = {}


class Envelope(BaseModel):
    """One push. `delivery_attempt` counts from 1, where the subscription has a dead-letter topic."""

    model_config = ConfigDict(frozen=True)

    message: _Message
    subscription: str = ""
    delivery_attempt: int | None = Field(
        default=None, validation_alias=AliasChoices("deliveryAttempt", "delivery_attempt")
    )

    @property
    def key(self) -> str:
        """The event that it is about; empty where it asks for a look at what is due."""
        return self.message.attributes.get(KEY, "")


def read_envelope(body: bytes) -> Envelope:
    """The envelope in a body.

    Raises:
        NotOurs: it is none, or its message neither names an event nor asks for a look.
    """
    try:
        envelope = Envelope.model_validate_json(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, found["loc"])) or "the body"
        raise NotOurs(f"no envelope of Pub/Sub: {where}: {found['msg']}") from error
    if not envelope.key and not LOOK.items() <= envelope.message.attributes.items():
        raise NotOurs(f"message {envelope.message.id} has neither the attribute {KEY} nor look=due")
    return envelope
