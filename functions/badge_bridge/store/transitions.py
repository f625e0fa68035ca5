"""How a row changes: the rules that the stores follow which keep rows, each in its own way of writing them whole.

Nothing here is written down. A store reads a row, changes it here and writes it, in one step that nobody else sees the
middle of.
"""

from __future__ import annotations

import math

from badge_bridge.store.clock import reached
from badge_bridge.store.leases import SetAside, overtaken, set_aside
from badge_bridge.store.legs import Placing
from badge_bridge.store.protocol import LONGEST_LEASE, LONGEST_WAIT, Claim, LegsRead, Redrive, Settlement
from badge_bridge.store.records import (
    Unreadable,
    plain,
    read_event,
    says_the_same,
    write_asked,
    write_outcomes,
    write_redrive,
)
from badge_bridge.store.rows import AttemptRow, Row
from badge_bridge.store.wanted import late_join

__all__ = [
    "claimed",
    "give_back",
    "hasten",
    "hurry",
    "is_due",
    "is_held",
    "is_lost",
    "join",
    "keeps_its_call",
    "lease",
    "put",
    "redrive",
    "revise",
    "settle",
    "take_back",
]

_OPEN = ("waiting", "working")


def is_due(row: Row, now: float, by: float = math.inf) -> bool:
    """Whether its time has come, which is `by` at the latest (`lanes.due_by`)."""
    return row.state == "waiting" and (row.ready or by <= now or reached(row.due, now=now, longest=LONGEST_WAIT))


def is_held(row: Row | None, token: str) -> bool:
    """Whether it is under the lease that has this token."""
    return row is not None and row.state == "working" and row.token == token


def is_lost(row: Row, now: float) -> bool:
    """Whether the lease of whoever works on it is over."""
    return row.state == "working" and reached(row.leased_until, now=now, longest=LONGEST_LEASE)


def take_back(row: Row, now: float) -> bool:
    """Make an event claimable whose lease is over, and count a failure for it; whether there was anything to do."""
    if not is_lost(row, now):
        return False
    row.state, row.ready, row.token, row.leased_until = "waiting", True, "", 0.0
    row.failures += 1
    row.history[-1].result = "lost"
    return True


def lease(row: Row, *, now: float, seconds: float, token: str, is_paused: bool) -> Claim | SetAside:
    """Hand an event out, or end it where this version cannot read it. `is_paused`: the lane that it waits for is."""
    row.history.append(AttemptRow(number=len(row.history) + 1, started_at=now))
    row.state, row.ready = "working", False
    row.token, row.leased_until = token, now + min(seconds, LONGEST_LEASE)
    if not is_paused:
        row.lane = ""
    try:
        return claimed(row)
    except Unreadable as error:
        _end(row, set_aside(error, now=now))
        return SetAside(row.key, str(error))


def claimed(row: Row) -> Claim:
    """The claim of whoever holds the lease.

    Raises:
        Unreadable: this version cannot read the event.
    """
    return Claim(
        key=row.key,
        event=read_event(row.event),
        token=row.token,
        attempt=len(row.history),
        failures=row.failures,
        received_at=row.received_at,
        leased_until=row.leased_until,
        lane=row.lane,
        outcomes=row.outcomes(),
        revision=row.revision,
        rules=row.redriven_with,
        since=row.since_attempt,
    )


def settle(row: Row, claim: Claim, settlement: Settlement) -> None:
    """End the attempt of a claim that is still held."""
    if row.since_attempt >= claim.attempt:
        settlement = overtaken(settlement)
    _end(row, settlement)
    if found := late_join(claim.event, settlement):
        row.joins |= {found}


def _end(row: Row, settlement: Settlement) -> None:
    attempt = row.history[-1]
    attempt.outcomes = write_outcomes(settlement.outcomes, attempt=attempt.number)
    attempt.asked = write_asked(settlement.asked)
    attempt.ended_at = settlement.ended_at
    attempt.result = settlement.state
    attempt.reason = row.reason = plain(settlement.reason)
    attempt.rules_hash = row.rules_hash = plain(settlement.rules_hash)
    row.failures += settlement.failed
    row.state = settlement.state
    row.token, row.leased_until = "", 0.0
    if settlement.state == "waiting":
        row.due, row.lane = settlement.due, plain(settlement.lane)
        row.ready = settlement.due <= settlement.ended_at
    else:
        row.settled_at, row.lane, row.ready = settlement.ended_at, "", False


def give_back(row: Row) -> None:
    row.state, row.ready, row.token, row.leased_until = "waiting", True, "", 0.0
    row.history[-1].result = "given back"


def redrive(row: Row, now: float, rules: str, by: str) -> bool:
    """Whether it has ended, and so is taken up again."""
    if row.state in _OPEN:
        return False
    if row.history:
        row.history[-1].redriven = write_redrive(Redrive(now, by, rules))
    _do_again(row, plain(rules))
    _make_due(row, now)
    return True


def _do_again(row: Row, rules: str) -> None:
    """Let no rule count as finished, and nothing as failed."""
    row.since_attempt, row.failures = len(row.history), 0
    row.redriven_with = rules


def _make_due(row: Row, now: float) -> None:
    """Take up an event that has ended."""
    row.state, row.ready, row.due, row.lane = "waiting", True, now, ""
    row.reason, row.settled_at = "", None


def hasten(row: Row, now: float) -> bool:
    """Make an event due that waits for a time, and not for a lane; whether it did."""
    if row.state != "waiting" or row.lane or row.ready:
        return False
    row.due, row.ready = now, True
    return True


def revise(row: Row, new: Row, now: float) -> bool:
    """Write a newer content into an event; whether it says something else than before."""
    if not 0 < row.revision < new.revision:
        return False
    same = says_the_same(row.event, new.event)
    row.event, row.type, row.time, row.revision = new.event, new.type, new.time, new.revision
    row.verified = new.verified
    row.joins = row.joins | new.joins
    if same:
        return False
    _do_again(row, "")
    if row.state not in _OPEN:
        _make_due(row, now)
    hasten(row, now)
    return True


def join(row: Row, legs: LegsRead, now: float) -> bool:
    """End a leg that a judgement was made of; whether it was open."""
    if row.state not in _OPEN:
        return False
    row.reason, row.rules_hash = plain(legs.reason), plain(legs.rules_hash)
    if row.state == "working":
        attempt = row.history[-1]
        attempt.ended_at, attempt.result = now, "joined"
        attempt.reason, attempt.rules_hash = row.reason, row.rules_hash
    row.state, row.ready, row.lane, row.settled_at = "joined", False, "", now
    row.token, row.leased_until = "", 0.0
    return True


def put(row: Row, placing: Placing) -> None:
    """Let a new leg wait for its call, or leave it to the one that does."""
    row.reason = plain(placing.reason)
    if placing.due is not None:
        row.due, row.ready = placing.due, placing.due <= row.received_at
    else:
        row.state, row.ready, row.settled_at = "joined", False, row.received_at


def hurry(keeper: Row, placing: Placing, now: float) -> bool:
    """Let the leg that waits for a call be due when the new one wants it; whether that is earlier."""
    if placing.keeper_due is None or keeper.ready or keeper.due <= placing.keeper_due:
        return False
    keeper.due, keeper.ready = placing.keeper_due, placing.keeper_due <= now
    return True


def keeps_its_call(row: Row) -> bool:
    """Whether a leg waits, has not failed so far, and can be read: others are left to it."""
    if row.state != "waiting" or row.lane or row.failures:
        return False
    try:
        read_event(row.event)
    except Unreadable:
        return False
    return True
