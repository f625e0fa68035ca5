"""By which rules and results events are found. Their outcomes themselves are with their attempts."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Collection, Sequence

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
    """Let an event be found by the outcomes of one more attempt, instead of what the same rules came to before."""
    if not outcomes:
        return
    earlier = _outcomes(connection, event, attempt) if attempt > 1 else []
    given_up = reached_of(earlier) - (now := reached_of([*earlier, *outcomes]))
    forget(connection, given_up, received_at=received_at, key=key)
    connection.executemany(sql.REACH, [(plain(rule), result, received_at, key) for rule, result in sorted(now)])


def reached(connection: sqlite3.Connection, event: int) -> Reached:
    """What an event is found by."""
    return reached_of(_outcomes(connection, event, math.inf))


def forget(connection: sqlite3.Connection, found: Reached, *, received_at: float, key: str) -> None:
    """Let an event not be found by these any more."""
    connection.executemany(sql.FORGET_OUTCOME, [(plain(rule), result, received_at, key) for rule, result in found])


def _outcomes(connection: sqlite3.Connection, event: int, before: float) -> list[Outcome]:
    """Those of the attempts before one of that number."""
    rows = connection.execute(sql.OUTCOMES_OF, (event, before)).fetchall()
    return list(readable_outcomes(text for (text,) in rows))
