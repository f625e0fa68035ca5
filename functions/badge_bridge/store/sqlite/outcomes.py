"""By which rules and results events are found. Their outcomes themselves are with their attempts."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence

from badge_bridge.outcomes import Outcome, Result
from badge_bridge.store.records import plain, readable_outcomes
from badge_bridge.store.sqlite import sql
from badge_bridge.store.wanted import reached_of

__all__ = ["Reached", "forget", "reach", "reached"]

Reached = Collection[tuple[str, Result]]
"""Rules and results."""


def reach(
    connection: sqlite3.Connection,
    outcomes: Sequence[Outcome],
    *,
    event: int,
    attempt: int,
    received_at: float,
    key: str,
) -> None:
    """Let an event be found by the outcomes of one more attempt, instead of what the same rules came to before. They
    are with their attempt already.
    """
    if not outcomes:
        return
    so_far = _outcomes(connection, event) if attempt > 1 else outcomes
    now = reached_of(so_far)
    forget(connection, _ever(so_far) - now, received_at=received_at, key=key)
    connection.executemany(sql.REACH, [(plain(rule), result, received_at, key) for rule, result in sorted(now)])


def reached(connection: sqlite3.Connection, event: int) -> Reached:
    """What an event may be found by: also what an earlier version has left of its earlier attempts."""
    return _ever(_outcomes(connection, event))


def forget(connection: sqlite3.Connection, found: Reached, *, received_at: float, key: str) -> None:
    """Let an event not be found by these any more."""
    connection.executemany(sql.FORGET_OUTCOME, [(plain(rule), result, received_at, key) for rule, result in found])


def _ever(outcomes: Iterable[Outcome]) -> frozenset[tuple[str, Result]]:
    return frozenset((outcome.rule, outcome.result) for outcome in outcomes)


def _outcomes(connection: sqlite3.Connection, event: int) -> list[Outcome]:
    rows = connection.execute(sql.OUTCOMES_OF, (event,)).fetchall()
    return list(readable_outcomes(text for (text,) in rows))
