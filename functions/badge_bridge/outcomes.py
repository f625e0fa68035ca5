"""What came of an event: the outcome of each rule, and what was asked of the portal on the way."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["Exchange", "Outcome", "Result", "Role"]

Result = Literal["ensured", "badged", "cleared", "ignored", "failed"]

Role = Literal["act", "clear"]
"""`act`: the event matched the rule. `clear`: the event clears what the rule has attached for earlier ones."""


class Exchange(BaseModel):
    """One request to a portal and its answer, without parameters: `crm.activity.badge.get` -> `NOT_FOUND`."""

    model_config = ConfigDict(frozen=True)

    method: str
    answer: str
    """`ok`, the portal's error code, or what went wrong on the way (`timeout`, `no connection`, ...)."""
    milliseconds: float
    together: int = 1
    """How many commands left in the same request: 1 for a plain call, 2 to 50 for a `batch`."""


class Outcome(BaseModel):
    """What one rule did for one event."""

    model_config = ConfigDict(frozen=True)

    rule: str
    result: Result
    """`ensured`: the badge exists in the portal and the rule asks for no more. `badged`: an activity with it is on the
    owner's card. `cleared`: that activity is completed, or was never added because a later event had cleared it."""
    role: Role = "act"
    badge: str = ""
    """The badge's code in the portal."""
    portal: str = ""
    owner: str = ""
    """The CRM item that carries the badge: `deal 41`."""
    activity: int | None = None
    """Id of the activity in the portal."""
    reason: str = ""
    attempt: int = 0
    """Number of the attempt that reached it, from 1."""
