"""What the store does inside a write transaction. Each function is one operation on an open transaction."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable
from typing import Any

from badge_bridge.store.clock import reached
from badge_bridge.store.dealing import Dealer
from badge_bridge.store.lanes import Gate, due_by, room
from badge_bridge.store.leases import SetAside, overtaken, set_aside
from badge_bridge.store.legs import Stage
from badge_bridge.store.protocol import LONGEST_LEASE, LONGEST_WAIT, Claim, Judged, LegsRead, Pause, Redrive, Settlement
from badge_bridge.store.records import (
    Unreadable,
    plain,
    read_event,
    read_outcomes,
    says_the_same,
    write_asked,
    write_outcomes,
    write_redrive,
)
from badge_bridge.store.sqlite import outcomes, sql
from badge_bridge.store.sqlite.acceptance import Acceptance, Acceptor
from badge_bridge.store.sqlite.rows import day_of
from badge_bridge.store.wanted import late_join

__all__ = [
    "MOST_PROMOTED",
    "claim",
    "claim_due",
    "clear_trial",
    "give_back",
    "judge",
    "pause",
    "probe",
    "read_gate",
    "redrive",
    "resume",
    "settle",
    "settle_claim",
    "settlement_values",
    "shorten",
    "take_back",
    "trial",
]

MOST_PROMOTED = 5_000
"""Events of a lane whose time is noticed in one call. After a long stop, hundreds of thousands may have become due at
once, and nothing could be accepted for the seconds it takes to mark them all; the rest follows with the next calls."""

_TRIAL_BYTES = 64 * 1024
"""As much as an event that is long. A single page may still fit where no event does."""


def take_back(connection: sqlite3.Connection, now: float) -> None:
    """Make every event whose lease is over claimable, and count a failure for it."""
    values = {"now": now, "beyond": now + LONGEST_LEASE}
    connection.execute(sql.LOST_ATTEMPTS, values)
    connection.execute(sql.LOST_EVENTS, values)


def claim(connection: sqlite3.Connection, key: str, now: float, lease: float, token: str) -> list[Claim | SetAside]:
    row = connection.execute(sql.PEEK, (key,)).fetchone()
    if row is None:
        return []
    event, state, ready, due, lane, leased_until = row
    expired = state == "working" and reached(leased_until, now=now, longest=LONGEST_LEASE)
    if expired:
        connection.execute(sql.LOST_ATTEMPT_OF, {"id": event})
        connection.execute(sql.LOST_EVENT_OF, {"id": event})
    gate = _gate(connection, lane, now)
    has_come = ready or due_by(lane, gate) <= now or reached(due, now=now, longest=LONGEST_WAIT)
    if not (expired or (state == "waiting" and has_come)) or not room(gate, now=now, limit=1):
        return []
    return [_lease(connection, event, now, lease, token)]


def claim_due(
    connection: sqlite3.Connection,
    now: float,
    lease: float,
    limit: int,
    *,
    new_token: Callable[[], str],
    dealer: Dealer,
) -> list[Claim | SetAside]:
    take_back(connection, now)
    _promote(connection, now)
    waiting: dict[str, list[tuple[float, str, int]]] = {}
    for (lane,) in connection.execute(sql.LANES_READY).fetchall():
        places = room(_gate(connection, lane, now), now=now, limit=limit)
        if places:
            waiting[lane] = connection.execute(sql.READY, (lane, places)).fetchall()
    chosen = sorted(dealer.deal(waiting, limit))
    return [_lease(connection, event, now, lease, new_token()) for _, _, event in chosen]


def _promote(connection: sqlite3.Connection, now: float) -> None:
    """Notice the events whose time has come."""
    for (lane,) in connection.execute(sql.LANES_LATER).fetchall():
        are_all = due_by(lane, read_gate(connection, lane, now)) <= now
        for after, until in ((-math.inf, math.inf if are_all else now), (now + LONGEST_WAIT, math.inf)):
            connection.execute(sql.PROMOTE, {"lane": lane, "after": after, "until": until, "most": MOST_PROMOTED})


def read_gate(connection: sqlite3.Connection, lane: str, now: float) -> Gate | None:
    """The pause of a lane by a clock that says `now`, or None where it is open."""
    if not lane:
        return None
    row = connection.execute(sql.GATE, (lane,)).fetchone()
    return Gate(*row).corrected(now) if row else None


def _gate(connection: sqlite3.Connection, lane: str, now: float) -> Gate | None:
    """The same, and written down where the clock was set back: who asks for pauses may not know of that."""
    gate = read_gate(connection, lane, now)
    if gate is not None:
        values = {"lane": lane, "until": gate.until, "held_until": gate.held_until}
        connection.execute(sql.CORRECT_PAUSE, values)
    return gate


def _lease(connection: sqlite3.Connection, event: int, now: float, lease: float, token: str) -> Claim | SetAside:
    until = now + min(lease, LONGEST_LEASE)
    ((key, text, attempt, failures, received_at, since, lane, revision, rules),) = connection.execute(
        sql.LEASE, {"id": event, "token": token, "until": until}
    ).fetchall()
    reached_before: list[tuple[str]] = []
    if attempt > since + 1:
        reached_before = connection.execute(sql.OUTCOMES_SINCE, (event, since)).fetchall()
    connection.execute(sql.START_ATTEMPT, (event, attempt, now))
    try:
        return Claim(
            key=key,
            event=read_event(text),
            token=token,
            attempt=attempt,
            failures=failures,
            received_at=received_at,
            leased_until=until,
            lane=lane,
            outcomes=tuple(outcome for (found,) in reached_before for outcome in read_outcomes(found)),
            revision=revision,
            rules=rules,
            since=since,
        )
    except Unreadable as error:
        settlement = set_aside(error, now=now)
        settle(connection, settlement, settlement_values(key, token, attempt, settlement))
        return SetAside(key, str(error))


def settlement_values(key: str, token: str, attempt: int, settlement: Settlement) -> dict[str, Any]:
    """What `settle` writes, made ready outside of the transaction where there is nothing to wait for in it."""
    waits = settlement.state == "waiting"
    return {
        "key": plain(key),
        "token": token,
        "attempt": attempt,
        "state": settlement.state,
        "reason": plain(settlement.reason),
        "failed": int(settlement.failed),
        "rules_hash": plain(settlement.rules_hash),
        "due": settlement.due if waits else None,
        "ready": int(settlement.due <= settlement.ended_at) if waits else None,
        "lane": plain(settlement.lane) if waits else "",
        "settled_at": None if waits else settlement.ended_at,
        "ended_at": settlement.ended_at,
        "asked": write_asked(settlement.asked),
        "outcomes": write_outcomes(settlement.outcomes, attempt=attempt),
    }


def settle_claim(connection: sqlite3.Connection, claim: Claim, settlement: Settlement, values: dict[str, Any]) -> bool:
    """`values` are those of `settlement`, made ready outside of the transaction."""
    if claim.revision:
        (since,) = connection.execute(sql.SINCE_ATTEMPT, values).fetchone() or (0,)
        if since >= claim.attempt:
            settlement = overtaken(settlement)
            values = settlement_values(claim.key, claim.token, claim.attempt, settlement)
    is_held = settle(connection, settlement, values)
    if is_held and (found := late_join(claim.event, settlement)):
        time = claim.event.time.timestamp()
        connection.execute(sql.join(1), (day_of(time), found, time, values["key"]))
    return is_held


def settle(connection: sqlite3.Connection, settlement: Settlement, values: dict[str, Any]) -> bool:
    rows = connection.execute(sql.SETTLE, values).fetchall()
    for event, received_at in rows:
        connection.execute(sql.END_ATTEMPT, {**values, "id": event})
        outcomes.reach(
            connection,
            settlement.outcomes,
            event=event,
            attempt=values["attempt"],
            received_at=received_at,
            key=values["key"],
        )
    return bool(rows)


def give_back(connection: sqlite3.Connection, claim: Claim) -> bool:
    rows = connection.execute(sql.GIVE_BACK, {"key": plain(claim.key), "token": claim.token}).fetchall()
    for (event,) in rows:
        connection.execute(sql.GIVE_BACK_ATTEMPT, (event, claim.attempt))
    return bool(rows)


def _revise(
    connection: sqlite3.Connection, acceptor: Acceptor, acceptance: Acceptance, revision: int, now: float
) -> bool:
    """Write the one event of `acceptance`; whether it is news."""
    ((row, joins, _),) = acceptance.rows
    key, _, kind, verified, _, _, text = row
    if acceptor.accept(connection, [acceptance]):
        connection.execute(sql.FIRST_REVISION, {"key": key, "revision": revision, "now": now})
        return True
    # There is none where it was forgotten.
    stored, known = connection.execute(sql.REVISED, (key,)).fetchone() or ("", 0)
    if not 0 < known < revision:
        return False
    values = {"key": key, "event": text, "type": kind, "verified": verified, "revision": revision}
    connection.execute(sql.REVISE, values)
    if joins:
        connection.execute(sql.join(len(joins)), [value for join in joins for value in join])
    if says_the_same(stored, text):
        return False
    connection.execute(sql.DO_AGAIN, {"key": key, "rules": ""})
    connection.execute(sql.TAKE_UP, {"key": key, "now": now})
    connection.execute(sql.HASTEN, {"key": key, "now": now})
    return True


def judge(
    connection: sqlite3.Connection,
    acceptor: Acceptor,
    acceptance: Acceptance,
    *,
    revision: int,
    legs: LegsRead,
    now: float,
) -> Judged:
    is_news = _revise(connection, acceptor, acceptance, revision, now)
    stage = Stage.FULL if legs.is_full else Stage.JUDGED
    rows = connection.execute(sql.JUDGED, {"call": plain(legs.call), "stage": int(stage)}).fetchall()
    for stored, keeper in rows:
        if stored > legs.count:
            connection.execute(sql.HASTEN, {"key": keeper, "now": now})
            return Judged(is_news, is_whole=False)
    told = {"now": now, "reason": plain(legs.reason), "rules_hash": plain(legs.rules_hash)}
    for key in legs.open:
        values = {**told, "key": plain(key)}
        connection.execute(sql.JOIN_ATTEMPT, values)
        connection.execute(sql.JOIN, values)
    return Judged(is_news, is_whole=True)


def redrive(connection: sqlite3.Connection, key: str, redriven: Redrive) -> bool:
    if not connection.execute(sql.TAKE_UP, {"key": key, "now": redriven.at}).rowcount:
        return False
    connection.execute(sql.DO_AGAIN, {"key": key, "rules": plain(redriven.rules)})
    connection.execute(sql.REDRIVEN, {"key": key, "redriven": write_redrive(redriven)})
    return True


def pause(connection: sqlite3.Connection, lane: str, until: float, reason: str) -> Pause:
    ((lane, until, failures, reason),) = connection.execute(
        sql.PAUSE, {"lane": lane, "until": until, "reason": reason}
    ).fetchall()
    return Pause(lane=lane, until=until, failures=failures, reason=reason)


def probe(connection: sqlite3.Connection, lane: str, now: float, hold: float) -> bool:
    _gate(connection, lane, now)
    until = now + min(hold, LONGEST_LEASE)
    return connection.execute(sql.HOLD_PROBE, {"lane": lane, "now": now, "until": until}).rowcount == 1


def shorten(connection: sqlite3.Connection, lane: str, until: float) -> bool:
    return connection.execute(sql.SHORTEN, {"lane": lane, "until": until}).rowcount == 1


def resume(connection: sqlite3.Connection, lane: str) -> bool:
    return connection.execute(sql.RESUME, (lane,)).rowcount == 1


def trial(connection: sqlite3.Connection) -> None:
    """Write something for no other reason than to see whether that works; it has to be committed to tell."""
    connection.execute(sql.TRIAL, (_TRIAL_BYTES,))


def clear_trial(connection: sqlite3.Connection) -> None:
    connection.execute(sql.CLEAR_TRIAL)
