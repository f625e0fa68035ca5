"""The three books: what the load was answered, what the store says, and what the cards show.

The store is read with SQL of our own: no code of the package is used here.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from chaos.calls import Call

__all__ = ["OPEN", "Activity", "Attachment", "Attempt", "Event", "Sent", "Store", "places_in_file", "read_file"]

OPEN = frozenset({"waiting", "working"})


@dataclass
class Sent:
    """`begun` are the calls that were sent at least once, by id; `heard` counts the 2xx by call, `statuses` the answers
    to genuine deliveries, `refused` those to forgeries, by what was wrong with them. `wrong` says in words what no
    sender should ever hear.
    """

    begun: dict[str, Call] = field(default_factory=dict)
    heard: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    broken: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def repeats(self) -> int:
        """How many deliveries were taken for what they are: told before."""
        return sum(count - 1 for count in self.heard.values())


@dataclass(frozen=True, slots=True)
class Event:
    """An event. `name` is its id as the sender gave it; `attempts` is the store's own count of them."""

    key: str
    source: str
    type: str
    name: str
    state: str
    reason: str
    attempts: int
    failures: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try. `outcomes` is the JSON of what each rule came to."""

    key: str
    number: int
    started_at: float
    result: str
    outcomes: str = "[]"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A row of the ledger: an activity that is on a card, or may be where `activity` is None."""

    key: str
    rule: str
    activity: int | None
    closed: bool


@dataclass(frozen=True, slots=True)
class Store:
    events: Sequence[Event]
    attempts: Sequence[Attempt]
    attachments: Sequence[Attachment]

    def open(self) -> list[Event]:
        return [event for event in self.events if event.state in OPEN]

    def dead(self) -> list[Event]:
        return [event for event in self.events if event.state == "dead"]


@dataclass(frozen=True, slots=True)
class Activity:
    """An activity of ours on a card."""

    id: int
    owner: tuple[int, int]
    """Type and id of the CRM item; type 2 is a deal."""
    title: str
    completed: bool


def read_file(path: Path) -> Store:
    """All that is in the embedded bridge's file, as of one moment.

    Raises:
        sqlite3.OperationalError: it is not made yet, or just being recovered by a bridge that starts.
    """
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=10)) as connection:
        connection.execute("BEGIN")
        return Store(
            events=[
                Event(*row)
                for row in connection.execute(
                    "SELECT key, source, type, json_extract(event, '$.id'), state, reason, attempts, failures FROM events"
                )
            ],
            attempts=[
                Attempt(*row)
                for row in connection.execute(
                    "SELECT events.key, number, started_at, result, outcomes FROM attempts "
                    "JOIN events ON events.id = attempts.event ORDER BY events.key, number"
                )
            ],
            attachments=[
                Attachment(*row)
                for row in connection.execute(
                    "SELECT key, rule, activity, closed_at IS NOT NULL FROM attachments ORDER BY key, rule"
                )
            ],
        )


def places_in_file(path: Path, text: str) -> list[str]:
    """Tables and columns of the file that hold a text somewhere."""
    places = set()
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=10)) as connection:
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            rows = connection.execute(f"SELECT * FROM {table}")  # noqa: S608 - the schema's names
            names = [name for name, *_ in rows.description]
            places |= {
                f"{table}.{name}" for row in rows for name, value in zip(names, row, strict=True) if text in str(value)
            }
    return sorted(places)
