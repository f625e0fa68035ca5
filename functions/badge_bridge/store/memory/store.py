"""The store in memory: the twin of the durable ones, for tests and for trying things out.

It keeps what the durable ones would keep, in the form they would keep it, and loses it with the process.
"""

from __future__ import annotations

import math
import secrets
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from badge_bridge.errors import StoreUnavailable
from badge_bridge.events import Event
from badge_bridge.store import transitions
from badge_bridge.store.backlog import Backlog
from badge_bridge.store.census import Census
from badge_bridge.store.clock import counted
from badge_bridge.store.dealing import Dealer
from badge_bridge.store.forgetting import Forgotten, Place, Remains, Trace
from badge_bridge.store.lanes import Gate, due_by, room
from badge_bridge.store.leases import SetAside, hand_out
from badge_bridge.store.legs import Call, Stage, place
from badge_bridge.store.memory.ledger import Ledger
from badge_bridge.store.memory.queue import Queue
from badge_bridge.store.memory.remembered import Remembered
from badge_bridge.store.memory.shared import Shared
from badge_bridge.store.protocol import (
    LONGEST_LEASE,
    Accepted,
    Attachment,
    Claim,
    Judged,
    LegPlace,
    LegsRead,
    Listing,
    Note,
    Pause,
    Settlement,
    StoredEvent,
)
from badge_bridge.store.records import plain, readable
from badge_bridge.store.rows import Row, is_wanted, new_row, shown, shown_whole, texts_of_attachment, texts_of_row
from badge_bridge.store.wanted import Place as Position
from badge_bridge.store.wanted import Tally, Uses, Wanted, results_of, stretches

__all__ = ["MemoryStore"]


@dataclass(slots=True)
class PauseRow:
    pause: Pause
    held_until: float = 0.0


class MemoryStore:
    """A `Store` that lives in this process only."""

    def __init__(self, *, new_token: Callable[[], str] = lambda: secrets.token_hex(16)) -> None:
        self.restored_at: float | None = None
        self._new_token = new_token
        self._rows: dict[str, Row] = {}
        self._queue = Queue()
        self._dealer = Dealer()
        self._by_join: dict[str, list[Row]] = {}
        self._calls: dict[str, Call] = {}
        """By the value by which their legs find each other."""
        self._pauses: dict[str, PauseRow] = {}
        self._ledger = Ledger()
        self._shared = Shared()
        self._memory = Remembered()
        self._open = False

    async def open(self) -> None:
        """Whoever held a lease or a name is gone: nobody else can see this store."""
        if not self._open:
            self._open = True
            self._take_back(float("inf"))
            self._shared.let_all_go()

    async def close(self) -> None:
        self._open = False

    async def ping(self) -> None:
        self._must_be_open()

    async def accept(self, batch: Sequence[Accepted]) -> list[bool]:
        self._must_be_open()
        rows = [new_row(accepted) for accepted in batch]
        return [self._add(row, accepted.leg) for row, accepted in zip(rows, batch, strict=True)]

    def _add(self, row: Row, leg: LegPlace | None = None) -> bool:
        """Whether it is new."""
        if self._memory.knows(row.key) or self._rows.setdefault(row.key, row) is not row:
            return False
        self._join(row, row.joins)
        if leg is not None:
            self._place(row, leg)
        self._queue.file(row)
        return True

    def _place(self, row: Row, leg: LegPlace) -> None:
        """Let a new leg wait for its call, or leave it to the one that does."""
        value = plain(leg.call)
        call = self._calls.get(value, Call())
        keeper = self._rows.get(call.keeper)
        placing = place(
            row.key,
            leg,
            row.received_at,
            call=call,
            keeper_waits=keeper is not None and transitions.keeps_its_call(keeper),
        )
        self._calls[value] = placing.call
        transitions.put(row, placing)
        if keeper is not None and transitions.hurry(keeper, placing, row.received_at):
            self._queue.file(keeper)

    async def claim(self, key: str, *, now: float, lease: float) -> Claim | None:
        self._must_be_open()
        row = self._rows.get(plain(key))
        if row is None:
            return None
        self._take_back_one(row, now)
        gate = self._correct(row.lane, now)
        if not transitions.is_due(row, now, due_by(row.lane, gate)) or not room(gate, now=now, limit=1):
            return None
        claims = self._lease([row], now, lease)
        return claims[0] if claims else None

    async def claim_due(self, *, now: float, lease: float, limit: int) -> list[Claim]:
        self._must_be_open()
        if limit < 1:
            return []
        self._take_back(now)
        self._queue.promote(now, lambda lane: due_by(lane, self._gate(lane, now)))
        waiting = {
            lane: self._queue.oldest(lane, room(self._correct(lane, now), now=now, limit=limit))
            for lane in self._queue.lanes()
        }
        chosen = self._dealer.deal(waiting, limit)
        return self._lease(sorted(chosen, key=lambda row: row.age), now, lease)

    async def next_due(self, *, now: float) -> float | None:
        self._must_be_open()
        leased = [row.leased_until for row in self._queue.working.values()]
        times = [counted(until, now=now, longest=LONGEST_LEASE) for until in leased]
        for lane, due in self._queue.dues(now).items():
            gate = self._gate(lane, now)
            first = min(due, max(due_by(lane, gate), now))
            times.append(max(first, gate.opens_at) if gate else first)
        return min(times, default=None)

    async def settle(self, claim: Claim, settlement: Settlement) -> bool:
        self._must_be_open()
        row = self._held(claim)
        if row is None:
            return False
        known = row.joins
        transitions.settle(row, claim, settlement)
        self._join(row, row.joins - known)
        self._queue.file(row)
        return True

    def _join(self, row: Row, joins: Iterable[str]) -> None:
        for join in joins:
            self._by_join.setdefault(join, []).append(row)

    def _revise(self, new: Row, now: float) -> bool:
        """Write the one event; whether it is news."""
        if self._add(new):
            return True
        row = self._rows.get(new.key)
        if row is None:
            return False  # forgotten
        known = row.joins
        is_news = transitions.revise(row, new, now)
        self._join(row, row.joins - known)
        self._queue.file(row)
        return is_news

    def _hasten(self, row: Row, now: float) -> None:
        if transitions.hasten(row, now):
            self._queue.file(row)

    async def judge(self, accepted: Accepted, *, revision: int, legs: LegsRead, now: float) -> Judged:
        self._must_be_open()
        new = new_row(accepted)
        new.revision, new.due = revision, now
        wanted = [plain(key) for key in legs.open]
        is_news = self._revise(new, now)
        value = plain(legs.call)
        call = self._calls.get(value)
        if call is not None:
            stage = max(call.stage, Stage.FULL if legs.is_full else Stage.JUDGED)
            self._calls[value] = replace(call, stage=stage)
            if call.legs > legs.count:
                keeper = self._rows.get(call.keeper)
                if keeper is not None:
                    self._hasten(keeper, now)
                return Judged(is_news, is_whole=False)
        for key in wanted:
            row = self._rows.get(key)
            if row is not None and transitions.join(row, legs, now):
                self._queue.file(row)
        return Judged(is_news, is_whole=True)

    async def related(self, join: str, *, limit: int) -> list[StoredEvent]:
        self._must_be_open()
        rows = sorted(self._by_join.get(plain(join), ()), key=lambda row: (row.time, row.key))
        return [shown(row) for row in rows[: max(limit, 0)]]

    async def give_back(self, claim: Claim) -> bool:
        self._must_be_open()
        row = self._held(claim)
        if row is None:
            return False
        transitions.give_back(row)
        self._queue.file(row)
        return True

    def _held(self, claim: Claim) -> Row | None:
        """The event, where the lease is still the claim's."""
        row = self._rows.get(plain(claim.key))
        return row if transitions.is_held(row, claim.token) else None

    async def get(self, key: str) -> StoredEvent | None:
        self._must_be_open()
        row = self._rows.get(plain(key))
        return shown_whole(row) if row is not None else None

    async def keys(self, beginning: str, *, limit: int) -> Sequence[str]:
        self._must_be_open()
        return sorted(key for key in self._rows if key.startswith(plain(beginning)))[: max(limit, 0)]

    async def redrive(self, key: str, *, now: float, rules: str = "", by: str = "") -> bool:
        self._must_be_open()
        row = self._rows.get(plain(key))
        if row is None or not transitions.redrive(row, now, rules, by):
            return False
        self._queue.file(row)
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
        self._pauses[lane] = PauseRow(pause)
        return pause

    async def paused(self, lanes: Sequence[str]) -> list[Pause]:
        self._must_be_open()
        wanted = {plain(lane) for lane in lanes}
        return [self._pauses[lane].pause for lane in sorted(wanted & self._pauses.keys())]

    async def backlog(self) -> Backlog:
        self._must_be_open()
        rows = [row for row in self._queue.rows.values() if row.state == "waiting"]
        return Backlog(
            waiting=Counter(row.lane for row in rows),
            working=len(self._queue.working),
            dead=sum(row.state == "dead" for row in self._rows.values()),
            oldest=min((row.received_at for row in rows), default=None),
        )

    async def probe(self, lane: str, *, now: float, hold: float) -> bool:
        self._must_be_open()
        self._correct(plain(lane), now)
        paused = self._pauses.get(plain(lane))
        if paused is None or paused.pause.until > now or paused.held_until > now:
            return False
        paused.held_until = now + min(hold, LONGEST_LEASE)
        return True

    async def shorten(self, lane: str, *, until: float) -> bool:
        self._must_be_open()
        paused = self._pauses.get(plain(lane))
        if paused is None or paused.pause.until <= until:
            return False
        paused.pause = replace(paused.pause, until=until)
        return True

    async def resume(self, lane: str) -> bool:
        self._must_be_open()
        return self._pauses.pop(plain(lane), None) is not None

    async def joined(self, join: str, *, after: float, limit: int = 100) -> list[tuple[str, Event]]:
        self._must_be_open()
        found = [row for row in self._by_join.get(plain(join), ()) if row.time > after]
        found.sort(key=lambda row: (row.time, row.key))
        return list(islice(readable((row.key, row.event) for row in found), max(limit, 0)))

    async def attach(self, attachment: Attachment, *, claim: Claim | None = None) -> bool:
        self._must_be_open()
        key = plain(attachment.key)
        if claim is not None:
            if not self._is_held(key, claim):
                return False
        elif self._memory.knows(key) and not self._ledger.has(key, attachment.rule):
            return False
        self._ledger.attach(attachment)
        return True

    async def unattach(self, key: str, rule: str, *, claim: Claim | None = None) -> bool:
        self._must_be_open()
        if claim is not None and not self._is_held(plain(key), claim):
            return False
        return self._ledger.unattach(key, rule)

    def _is_held(self, key: str, claim: Claim) -> bool:
        """Whether the lease on this event is the claim's."""
        return transitions.is_held(self._rows.get(key), claim.token)

    async def attachments(self, key: str) -> list[Attachment]:
        self._must_be_open()
        return self._ledger.attachments(key)

    async def open_attachments(self, join: str, *, before: float | None = None) -> list[Attachment]:
        self._must_be_open()
        return self._ledger.open_attachments(join, before=before)

    async def on_top(self, portal: str, owner_type: int, owner_id: int) -> Attachment | None:
        self._must_be_open()
        return self._ledger.on_top(portal, owner_type, owner_id)

    async def close_attachment(self, key: str, rule: str, *, now: float, activity: int | None = None) -> bool:
        self._must_be_open()
        return self._ledger.close_attachment(key, rule, now=now, activity=activity)

    async def draw(self, bucket: str, *, now: float, rate: float, burst: int) -> float:
        self._must_be_open()
        return self._shared.draw(bucket, now=now, rate=rate, burst=burst)

    async def level(self, bucket: str, *, now: float, rate: float, burst: int) -> float:
        self._must_be_open()
        return self._shared.level(bucket, now=now, rate=rate, burst=burst)

    async def note(self, name: str) -> Note | None:
        self._must_be_open()
        return self._shared.note(name)

    async def write_note(self, name: str, text: str, *, version: int) -> bool:
        self._must_be_open()
        return self._shared.write_note(name, text, version=version)

    async def hold(self, name: str, *, holder: str, now: float, seconds: float) -> bool:
        self._must_be_open()
        return self._shared.hold(name, holder=holder, now=now, seconds=seconds)

    async def let_go(self, name: str, *, holder: str) -> bool:
        self._must_be_open()
        return self._shared.let_go(name, holder=holder)

    async def forget(self, *, before: float, limit: int) -> Forgotten:
        self._must_be_open()
        self._ledger.forget_closed(before, self._rows.__contains__)
        over = [row for row in self._rows.values() if row.settled_at is not None and row.settled_at < before]
        chosen = over[: max(limit, 0)]
        for row in chosen:
            self._delete(row)
            self._ledger.forget(row.key)
        return Forgotten(len(chosen), more=len(over) > len(chosen))

    def _delete(self, row: Row) -> None:
        """Delete an event and remember that there was one."""
        del self._rows[row.key]
        self._queue.take_out(row)
        for join in row.joins:
            found = self._by_join[join]
            found.remove(row)
            if not found:
                del self._by_join[join]
            self._count_down(join)
        self._memory.remember(row.key)

    def _count_down(self, value: str) -> None:
        """One leg of the call, if it is one, is gone."""
        call = self._calls.get(value)
        if call is not None and call.legs > 1:
            self._calls[value] = replace(call, legs=call.legs - 1)
        elif call is not None:
            del self._calls[value]

    async def remembered(self) -> Sequence[str]:
        self._must_be_open()
        return self._memory.sources()

    async def drop(self, source: str, *, limit: int) -> int:
        self._must_be_open()
        return self._memory.drop(source, limit)

    async def search(self, matches: Callable[[str], bool]) -> Sequence[Trace]:
        self._must_be_open()
        pauses = {lane: paused.pause.reason for lane, paused in self._pauses.items()}
        held: list[tuple[Place, str, Sequence[str]]] = [
            *(("event", row.key, texts_of_row(row)) for row in self._rows.values()),
            *(("ledger", row.key, texts_of_attachment(row)) for row in self._ledger.all()),
            *(("call", value, (value,)) for value in self._calls),
            *(("note", name, (name, note.text)) for name, note in self._shared.notes().items()),
            *(("pause", lane, (lane, reason)) for lane, reason in pauses.items()),
        ]
        found = (Trace(place, name) for place, name, texts in held if any(map(matches, texts)))
        return tuple(dict.fromkeys(found))

    async def erase(self, traces: Collection[Trace]) -> None:
        self._must_be_open()
        for trace in traces:
            if trace.place == "event" and (row := self._rows.get(trace.name)) is not None:
                self._delete(row)
            if trace.place in ("event", "ledger"):
                self._ledger.erase(trace.name)
            if trace.place == "call":
                self._calls.pop(trace.name, None)
            if trace.place == "pause" and (paused := self._pauses.get(trace.name)) is not None:
                paused.pause = replace(paused.pause, reason="")

    async def remains(self, matches: Callable[[bytes], int | None]) -> Sequence[Remains]:  # noqa: ARG002 - it has no file
        self._must_be_open()
        return ()

    def _must_be_open(self) -> None:
        if not self._open:
            raise StoreUnavailable("the store in memory is not open: await open() first")

    def _gate(self, lane: str, now: float) -> Gate | None:
        paused = self._pauses.get(lane)
        if paused is None:
            return None
        leases = (row.leased_until for row in self._queue.working.values() if row.lane == lane)
        return Gate(paused.pause.until, paused.held_until, max(leases, default=0.0)).corrected(now)

    def _correct(self, lane: str, now: float) -> Gate | None:
        """The pause of a lane by a clock that says `now`, and kept so where that clock was set back."""
        gate = self._gate(lane, now)
        if gate is not None:
            paused = self._pauses[lane]
            paused.pause = replace(paused.pause, until=min(paused.pause.until, gate.until))
            paused.held_until = min(paused.held_until, gate.held_until)
        return gate

    def _lease(self, rows: Sequence[Row], now: float, lease: float) -> list[Claim]:
        taken: list[Claim | SetAside] = []
        for row in rows:
            is_paused, token = row.lane in self._pauses, self._new_token()
            taken.append(transitions.lease(row, now=now, seconds=lease, token=token, is_paused=is_paused))
            self._queue.file(row)
        return hand_out(taken)

    def _take_back(self, now: float) -> None:
        for row in list(self._queue.working.values()):
            self._take_back_one(row, now)

    def _take_back_one(self, row: Row, now: float) -> None:
        if transitions.take_back(row, now):
            self._queue.file(row)

    async def tally(self, *, since: float, until: float, width: float) -> Sequence[Tally]:
        self._must_be_open()
        rows = sorted(self._rows.values(), key=lambda row: row.age)
        found = []
        for start, end in stretches(since, until, width):
            low, high = (bisect_left(rows, (moment, ""), key=lambda row: row.age) for moment in (start, end))
            counts = Counter(row.state for row in rows[low:high])
            done = results_of({one for _, one in row.reached()} for row in rows[low:high] if row.state == "done")
            for state, count in sorted(counts.items()):
                if state == "done":
                    found += [Tally(start, state, share, result) for result, share in done.items()]
                else:
                    found.append(Tally(start, state, count))
        return found

    async def census(self, *, since: float, until: float) -> Census:
        self._must_be_open()
        found = Census()
        for row in self._rows.values():
            if since <= row.received_at < until:
                found.add(row.source, row.type, row.state, len(row.history), row.reached())
        return found

    async def ended(self, *, since: float, limit: int) -> Sequence[StoredEvent]:
        self._must_be_open()
        over = [(row.settled_at, row) for row in self._rows.values() if (row.settled_at or -math.inf) >= since]
        return [shown(row) for _, row in sorted(over, key=lambda one: one[0] or 0.0)[: max(limit, 0)]]

    async def uses(self, *, since: float) -> Sequence[Uses]:
        self._must_be_open()
        return self._ledger.uses(since)

    # Last, because from here on `list` means this method to a type checker.
    async def list(self, wanted: Wanted = Wanted(), *, limit: int = 50, before: Position | None = None) -> Listing:  # noqa: B008 - it is frozen
        self._must_be_open()
        listed = self._queue.rows if wanted.state in ("waiting", "working") else self._rows
        start = wanted.start(before)
        rows = [
            row
            for row in sorted(listed.values(), key=lambda row: row.age, reverse=True)
            if row.age < start and is_wanted(row, wanted)
        ]
        page = rows[: max(limit, 0)]
        return Listing(
            events=tuple(shown(row) for row in page),
            more=page[-1].age if page and len(rows) > len(page) else None,
        )
