"""What happened in the world: customers, and their calls. What must become of a call is for the auditor to say."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

__all__ = ["FIRST_ITEM", "Call", "Customer", "Forgery", "Outcome"]

FIRST_ITEM = 1000
"""The contact and the deal of customer n have this number and n."""

Outcome = Literal["missed", "answered"]
Forgery = Literal["wrong secret", "altered body", "unsigned", "replayed late"]


@dataclass(frozen=True, slots=True)
class Customer:
    """Who calls. `deal` is the open deal of his, or None where the portal does not know him."""

    number: int
    deal: int | None

    @property
    def phone(self) -> str:
        return f"+4930{23125000000 + self.number}"


@dataclass(frozen=True, slots=True)
class Call:
    """A call, as one delivery tells of it. `time` is when it began: as made, seconds from the beginning of its round;
    once that has begun, unix seconds. One from `reception` begins when it is told of, as its sender gives no time.

    `forgery` says what is wrong with the delivery, so that it must be refused.
    """

    id: str
    source: str
    customer: Customer
    outcome: Outcome = "missed"
    time: float = 0.0
    forgery: Forgery | None = None

    @property
    def event_id(self) -> str:
        """How the call is named in its event."""
        if self.source == "reception":
            return "CA" + hashlib.md5(self.id.encode(), usedforsecurity=False).hexdigest()
        return self.id
