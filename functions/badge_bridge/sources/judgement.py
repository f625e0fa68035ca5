"""What a provider's words mean for a call. Missed means inbound, ended, and no human answered.

What cannot be told from one delivery is `unknown`, never missed: a false MISSED on a deal card costs more trust than a
late one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from badge_bridge.events import Direction

__all__ = ["Judgement", "Verdict", "unanswered"]

Verdict = Literal["missed", "answered", "voicemail", "busy", "rejected", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """How a call ended, as far as one delivery tells, and why."""

    outcome: Verdict
    reason: str = ""

    @property
    def type(self) -> str:
        return f"call.{self.outcome}"


def unanswered(direction: Direction, reason: str) -> Judgement:
    """A call that ended without an answer: missed only where it came in to us."""
    if direction == "inbound":
        return Judgement("missed", reason)
    if direction == "outbound":
        return Judgement("failed", reason)
    return Judgement("unknown", f"{reason}, but the direction is not known")
