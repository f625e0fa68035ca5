"""What a store keeps of an event, in the form in which it is written down."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from badge_bridge.events import LEG
from badge_bridge.outcomes import Outcome, Result
from badge_bridge.store.protocol import Accepted, Attachment, Attempt, State, StoredEvent
from badge_bridge.store.records import (
    plain,
    read_outcomes,
    readable,
    readable_outcomes,
    show_asked,
    show_event,
    show_outcomes,
    show_redrive,
    write_event,
)
from badge_bridge.store.wanted import Wanted, is_waiting_leg, joins_of, reached_of

__all__ = ["AttemptRow", "Row", "is_wanted", "new_row", "shown", "shown_whole", "texts_of_attachment", "texts_of_row"]


@dataclass(slots=True)
class AttemptRow:
    number: int
    started_at: float
    ended_at: float | None = None
    result: str = "working"
    reason: str = ""
    asked: str = "[]"
    outcomes: str = "[]"
    rules_hash: str = ""
    redriven: str = ""


@dataclass(slots=True)
class Row:
    key: str
    source: str
    type: str
    event: str
    time: float
    """When it happened."""
    joins: frozenset[str]
    verified: str
    received_at: float
    due: float
    ready: bool = True
    """Its time has come; once ready, an event stays so until it is claimed."""
    state: State = "waiting"
    reason: str = ""
    failures: int = 0
    lane: str = ""
    token: str = ""
    leased_until: float = 0.0
    settled_at: float | None = None
    rules_hash: str = ""
    history: list[AttemptRow] = field(default_factory=list)
    since_attempt: int = 0
    revision: int = 0
    redriven_with: str = ""

    @property
    def age(self) -> tuple[float, str]:
        return self.received_at, self.key

    def outcomes(self) -> tuple[Outcome, ...]:
        """What was reached since the last redrive."""
        attempts = self.history[self.since_attempt :]
        return tuple(outcome for attempt in attempts for outcome in read_outcomes(attempt.outcomes))

    def reached(self) -> frozenset[tuple[str, Result]]:
        """The rules and results that it is found by."""
        return reached_of(readable_outcomes(attempt.outcomes for attempt in self.history))


def new_row(accepted: Accepted) -> Row:
    return Row(
        key=plain(accepted.key),
        source=plain(accepted.event.source),
        type=plain(accepted.event.type),
        event=write_event(accepted.event),
        time=accepted.event.time.timestamp(),
        joins=frozenset(plain(join) for join in accepted.joins if join),
        verified=plain(accepted.verified),
        received_at=accepted.received_at,
        due=accepted.received_at,
    )


def is_wanted(row: Row, wanted: Wanted) -> bool:
    """Whether it is, but for `Wanted.until`, which is where a list begins."""
    equal = ((wanted.state, row.state), (wanted.source, row.source), (wanted.type, row.type))
    return (
        all(value is None or plain(value) == found for value, found in equal)
        and not (wanted.leaves_out_joined and row.state == "joined")
        and (wanted.since is None or row.received_at >= wanted.since)
        and (wanted.customer is None or _is_of(row, wanted.customer))
        and ((wanted.rule is None and wanted.result is None) or _came_to(row, wanted))
    )


def _is_of(row: Row, customer: str) -> bool:
    if not row.joins.isdisjoint(joins_of(customer)):
        return True
    if row.type != LEG or not customer:
        return False
    return any(is_waiting_leg(event, row.state, customer) for _, event in readable([(row.key, row.event)]))


def _came_to(row: Row, wanted: Wanted) -> bool:
    rule = None if wanted.rule is None else plain(wanted.rule)
    return any(rule in (None, found) and wanted.result in (None, result) for found, result in row.reached())


def shown(row: Row) -> StoredEvent:
    """An event without its outcomes and history."""
    event, unreadable = show_event(row.event, source=row.source, received_at=row.received_at)
    return StoredEvent(
        key=row.key,
        event=event,
        verified=row.verified,
        received_at=row.received_at,
        state=row.state,
        reason=row.reason or unreadable,
        attempts=len(row.history),
        failures=row.failures,
        due=row.due,
        lane=row.lane,
        settled_at=row.settled_at,
        rules_hash=row.rules_hash,
        redriven_with=row.redriven_with,
    )


def shown_whole(row: Row) -> StoredEvent:
    """An event with its outcomes and history."""
    history = tuple(
        Attempt(
            number=attempt.number,
            started_at=attempt.started_at,
            ended_at=attempt.ended_at,
            result=attempt.result,
            reason=attempt.reason,
            asked=show_asked(attempt.asked),
            rules_hash=attempt.rules_hash,
            redriven=show_redrive(attempt.redriven),
        )
        for attempt in row.history
    )
    outcomes = tuple(
        outcome for attempt in row.history for outcome in show_outcomes(attempt.outcomes, attempt=attempt.number)
    )
    return replace(shown(row), outcomes=outcomes, history=history)


def texts_of_row(row: Row) -> tuple[str, ...]:
    """All that is written of an event and its attempts."""
    attempts = (text for one in row.history for text in (one.reason, one.asked, one.outcomes))
    return (row.key, row.event, row.verified, row.reason, row.lane, *row.joins, *attempts)


def texts_of_attachment(row: Attachment) -> tuple[str, ...]:
    """All that is written in a row of the ledger."""
    return (row.key, row.join, row.content, row.customer)
