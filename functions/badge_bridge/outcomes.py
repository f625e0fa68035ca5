"""What came of an event: the outcome of each rule, and what was asked of the portal on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["NOT_EVALUATED", "Asked", "Exchange", "Outcome", "Result", "Role", "latest"]

Result = Literal["ensured", "badged", "cleared", "ignored", "failed"]

Role = Literal["act", "clear", "withdraw"]
"""`act`: the event matched the rule. `clear`: the event clears what the rule has attached for earlier ones. `withdraw`:
the event says something else than before, and what the rule had attached for it does not belong on that card any more:
the rule does not match, is not in the rules file, or the customer is another one."""

_OPPOSITE: Mapping[Role, Role] = {"act": "withdraw", "withdraw": "act"}

NOT_EVALUATED = "its condition could not be evaluated: "
"""What the reason of a rule begins with whose condition gave no answer; its problem follows."""


class Exchange(BaseModel):
    """One request to a portal and its answer: `crm.activity.badge.get of bb_missedCall -> NOT_FOUND`.

    Logs have neither `about` nor `said`: the customer's number may stand in them.
    """

    model_config = ConfigDict(frozen=True)

    method: str
    about: str = ""
    """What was asked, in words that go on after the method: `of the phone +49301234567`, `on deal 41`. Empty where the
    method has none, and in what earlier versions have written."""
    answer: str
    """`ok`, the portal's error code, or what went wrong on the way (`timeout`, `no connection`, ...)."""
    said: str = ""
    """What came back: `contact 3`, or with an error code the portal's own description of it; else empty."""
    milliseconds: float
    together: int = 1
    """How many commands left in the same request: 1 for a plain call, 2 to 50 for a `batch`."""


class Asked(list[Exchange]):
    """What was asked of portals on the way, in the order of the answers. Who gives up can see whether he gave up on the
    portal, or on a queue of ours: `was_cut_off`.
    """

    under_way: int = 0
    """Requests that were sent for this and have no answer yet."""

    @property
    def was_cut_off(self) -> bool:
        """Whether a request was sent whose answer nobody has waited for."""
        return self.under_way > 0 or any(exchange.answer == "cancelled" for exchange in self)


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

    @property
    def not_evaluated(self) -> bool:
        """Whether it is of a rule whose condition gave no answer; other rules are ignored where the CRM has no card."""
        return self.result == "ignored" and self.reason.startswith(NOT_EVALUATED)


def latest(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Those that count, of an event's outcomes in the order of their attempts: the last of each rule in each role.

    Of a badge that was put on and taken back in different attempts only the later one counts. In one attempt it goes to
    another card, and both do.
    """
    last = {(outcome.rule, outcome.role): outcome for outcome in outcomes}
    return [outcome for outcome in last.values() if not _is_undone(outcome, last)]


def _is_undone(outcome: Outcome, last: Mapping[tuple[str, Role], Outcome]) -> bool:
    opposite = _OPPOSITE.get(outcome.role)
    later = last.get((outcome.rule, opposite)) if opposite else None
    # A rule that was ignored has put nothing on a card, so what was taken back is off still.
    return later is not None and later.attempt > outcome.attempt and later.result != "ignored"
