"""What a portal knows of applications and of those who want to hear of its events."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from badge_bridge.sandbox.loopback import LoopbackUrl
from badge_bridge.sandbox.shapes import Id, Moment, Record

__all__ = ["Application", "Grant", "Handler", "OutgoingWebhook", "Sending"]

Word = Annotated[str, Field(min_length=1, pattern=r"^[^/\s]+$")]
EventName = Annotated[str, Field(min_length=1, pattern=r"^[A-Z0-9_]+$")]
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Application(Record):
    """A local application. `handler` is where an authorization code goes, `install_url` where ONAPPINSTALL goes.

    `application_token` is in every event that it gets; an update may replace it. `status` is L for a local one, F and S
    for the market's.
    """

    client_id: Word
    client_secret: Word
    application_token: Word
    scopes: tuple[str, ...]
    handler: LoopbackUrl | None = None
    install_url: LoopbackUrl | None = None
    version: Id = 1
    installed: bool = True
    status: Literal["L", "F", "S"] = "L"


class Grant(Record):
    """What a refresh token stands for: an application may act as a user until `expires_at` (unix seconds)."""

    refresh_token: Word
    client_id: str
    user_id: Id
    scopes: tuple[str, ...]
    expires_at: Moment | None = None


class Handler(Record):
    """What `event.bind` makes. `user_id` is whom the handler is authorised as; 0 is whoever caused the event."""

    id: Id
    event: EventName
    url: LoopbackUrl
    client_id: str
    user_id: Annotated[int, Field(ge=0)] = 0


class OutgoingWebhook(Record):
    """A handler that a person has entered in the portal; it belongs to no application and gets no tokens."""

    url: LoopbackUrl
    events: tuple[EventName, ...]
    application_token: Word


class Sending(Record):
    """How unreliable the sending of events is. The portal sends each once, whatever the handler answers."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    drop: Share = 0.0
    """The share of events that are never sent."""
    duplicate: Share = 0.0
    """The share of events that are sent twice."""
    delay: Seconds = 0.0
    """How long an event waits before it is sent; a random part of it where `seed` is given."""
    seed: int | None = None
    """What the randomness starts from, so that a run can be repeated; null for another one each time."""
