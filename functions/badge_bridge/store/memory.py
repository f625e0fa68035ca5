"""The store in memory: the twin of the durable ones, for tests and for trying things out.

It keeps what the durable ones would keep, in the form they would keep it, and loses it with the process.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from badge_bridge.errors import StoreUnavailable
from badge_bridge.outcomes import Outcome
from badge_bridge.store.lanes import Gate, room
from badge_bridge.store.protocol import (
    Accepted,
    Attempt,
    Claim,
    Listing,
    Pause,
    Settlement,
    State,
    StoredEvent,
)
from badge_bridge.store.records import (
    plain,
    read_asked,
    read_event,
    read_outcomes,
    write_asked,
    write_event,
    write_outcomes,
)

__all__ = ["MemoryStore"]


@dataclass(slots=True)
class _Attempt:
    number: int
    started_at: float
    ended_at: float | None = None
    result: str = "working"
    reason: str = ""
    asked: str = "[]"
    outcomes: str = "[]"


@dataclass(slots=True)
class _Row:
    key: str
    source: str
    type: str
    event: str
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
    history: list[_Attempt] = field(default_factory=list)
    since_attempt: int = 0

    @property
    def age(self) -> tuple[float, str]:
        return self.received_at, self.key

    def outcomes(self, *, since: int = 0) -> tuple[Outcome, ...]:
        return tuple(
            outcome for attempt in self.history if attempt.number > since for outcome in read_outcomes(attempt.outcomes)
        )


@dataclass(slots=True)
class _Pause:
    pause: Pause
    held_until: float = 0.0


class MemoryStore:
    """A `Store` that lives in this process only."""

    def __init__(self, *, new_token: Callable[[], str] = lambda: secrets.token_hex(16)) -> None:
        self._new_token = new_token
        self._rows: dict[str, _Row] = {}
        self._pauses: dict[str, _Pause] = {}
        self._open = False

    async def open(self) -> None:
        """Whoever held a lease is gone: nobody else can see this store."""
        if not self._open:
            self._open = True
            self._take_back(self._rows.values(), float("inf"))

    async def close(self) -> None:
        self._open = False

    async def ping(self) -> None:
        self._must_be_open()

    async def accept(self, batch: Sequence[Accepted]) -> list[bool]:
        self._must_be_open()
        rows = [_row(accepted) for accepted in batch]
        return [self._rows.setdefault(row.key, row) is row for row in rows]

    async def claim(self, key: str, *, now: float, lease: float) -> Claim | None:
        self._must_be_open()
        row = self._rows.get(plain(key))
        if row is None:
            return None
        self._take_back([row], now)
        due = row.state == "waiting" and (row.ready or row.due <= now)
        if not due or not room(self._gate(row.lane), now=now, limit=1):
            return None
        return self._lease(row, now, lease)

    async def claim_due(self, *, now: float, lease: float, limit: int) -> list[Claim]:
        self._must_be_open()
        self._take_back(self._rows.values(), now)
        lanes: dict[str, list[_Row]] = {}
        for row in sorted(self._rows.values(), key=lambda row: row.age):
            if row.state == "waiting" and row.due <= now:
                row.ready = True
            if row.state == "waiting" and row.ready:
                lanes.setdefault(row.lane, []).append(row)
        chosen = [
            row for lane, rows in lanes.items() for row in rows[: room(self._gate(lane), now=now, limit=max(limit, 0))]
        ]
        return [self._lease(row, now, lease) for row in sorted(chosen, key=lambda row: row.age)[: max(limit, 0)]]

    async def next_due(self) -> float | None:
        self._must_be_open()
        times = []
        for row in self._rows.values():
            if row.state == "working":
                times.append(row.leased_until)
            elif row.state == "waiting":
                gate = self._gate(row.lane)
                times.append(max(row.due, gate.opens_at) if gate else row.due)
        return min(times, default=None)

    async def settle(self, claim: Claim, settlement: Settlement) -> bool:
        self._must_be_open()
        row = self._rows.get(claim.key)
        if row is None or row.state != "working" or row.token != claim.token:
            return False
        attempt = row.history[-1]
        attempt.outcomes = write_outcomes(settlement.outcomes, attempt=attempt.number)
        attempt.asked = write_asked(settlement.asked)
        attempt.ended_at = settlement.ended_at
        attempt.result = settlement.state
        attempt.reason = row.reason = plain(settlement.reason)
        row.rules_hash = plain(settlement.rules_hash)
        row.failures += settlement.failed
        row.state = settlement.state
        row.token, row.leased_until = "", 0.0
        if settlement.state == "waiting":
            row.due, row.lane = settlement.due, plain(settlement.lane)
            row.ready = settlement.due <= settlement.ended_at
        else:
            row.settled_at, row.lane, row.ready = settlement.ended_at, "", False
        return True

    async def get(self, key: str) -> StoredEvent | None:
        self._must_be_open()
        row = self._rows.get(plain(key))
        if row is None:
            return None
        history = tuple(
            Attempt(
                number=attempt.number,
                started_at=attempt.started_at,
                ended_at=attempt.ended_at,
                result=attempt.result,
                reason=attempt.reason,
                asked=read_asked(attempt.asked),
            )
            for attempt in row.history
        )
        return replace(_stored(row), outcomes=row.outcomes(), history=history)

    async def redrive(self, key: str, *, now: float) -> bool:
        self._must_be_open()
        row = self._rows.get(plain(key))
        if row is None or row.state in ("waiting", "working"):
            return False
        row.state, row.ready, row.due, row.lane = "waiting", True, now, ""
        row.failures, row.reason, row.settled_at = 0, "", None
        row.since_attempt = len(row.history)
        return True

    async def pause(self, lane: str, *, until: float, reason: str) -> Pause:
        self._must_be_open()
        lane = plain(lane)
        before = self._pauses.get(lane)
        pause = Pause(
            lane=lane,
            until=max(until, before.pause.until) if before else until,
            failures=before.pause.failures + 1 if before else 1,
            reason=plain(reason),
        )
        self._pauses[lane] = _Pause(pause)
        return pause

    async def paused(self, lanes: Sequence[str]) -> list[Pause]:
        self._must_be_open()
        wanted = {plain(lane) for lane in lanes}
        return [self._pauses[lane].pause for lane in sorted(wanted & self._pauses.keys())]

    async def probe(self, lane: str, *, now: float, hold: float) -> bool:
        self._must_be_open()
        paused = self._pauses.get(plain(lane))
        if paused is None or paused.pause.until > now or paused.held_until > now:
            return False
        paused.held_until = now + hold
        return True

    async def resume(self, lane: str) -> bool:
        self._must_be_open()
        return self._pauses.pop(plain(lane), None) is not None

    def _must_be_open(self) -> None:
        if not self._open:
            raise StoreUnavailable("the store in memory is not open: await open() first")

    def _gate(self, lane: str) -> Gate | None:
        paused = self._pauses.get(lane)
        if paused is None:
            return None
        leases = (row.leased_until for row in self._rows.values() if row.state == "working" and row.lane == lane)
        return Gate(paused.pause.until, paused.held_until, max(leases, default=0.0))

    def _lease(self, row: _Row, now: float, lease: float) -> Claim:
        row.history.append(_Attempt(number=len(row.history) + 1, started_at=now))
        row.state, row.ready, row.token, row.leased_until = "working", False, self._new_token(), now + lease
        if row.lane not in self._pauses:
            row.lane = ""
        return Claim(
            key=row.key,
            event=read_event(row.event),
            token=row.token,
            attempt=len(row.history),
            failures=row.failures,
            received_at=row.received_at,
            leased_until=row.leased_until,
            lane=row.lane,
            outcomes=row.outcomes(since=row.since_attempt),
        )

    def _take_back(self, rows: Iterable[_Row], now: float) -> None:
        for row in rows:
            if row.state == "working" and row.leased_until <= now:
                row.state, row.ready, row.token, row.leased_until = "waiting", True, "", 0.0
                row.failures += 1
                row.history[-1].result = "lost"

    # Last, because from here on `list` means this method to a type checker.
    async def list(
        self,
        *,
        state: State | None = None,
        source: str | None = None,
        type: str | None = None,  # noqa: A002 - the field's name everywhere else
        limit: int = 50,
        before: tuple[float, str] | None = None,
    ) -> Listing:
        self._must_be_open()
        rows = [
            row
            for row in sorted(self._rows.values(), key=lambda row: row.age, reverse=True)
            if (state is None or row.state == state)
            and (source is None or row.source == plain(source))
            and (type is None or row.type == plain(type))
            and (before is None or row.age < before)
        ]
        page = rows[: max(limit, 0)]
        return Listing(
            events=tuple(_stored(row) for row in page),
            more=page[-1].age if page and len(rows) > len(page) else None,
        )


def _row(accepted: Accepted) -> _Row:
    return _Row(
        key=plain(accepted.key),
        source=plain(accepted.event.source),
        type=plain(accepted.event.type),
        event=write_event(accepted.event),
        verified=plain(accepted.verified),
        received_at=accepted.received_at,
        due=accepted.received_at,
    )


def _stored(row: _Row) -> StoredEvent:
    return StoredEvent(
        key=row.key,
        event=read_event(row.event),
        verified=row.verified,
        received_at=row.received_at,
        state=row.state,
        reason=row.reason,
        attempts=len(row.history),
        failures=row.failures,
        due=row.due,
        lane=row.lane,
        settled_at=row.settled_at,
        rules_hash=row.rules_hash,
    )
