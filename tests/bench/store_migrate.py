"""How long a store of an older schema takes to be opened: `python tests/bench/store_migrate.py [--events 100000]`.

One file for each schema that a version has left: seconds of the migration, events a second, and the size of the file
with its log before and after, in MB. A third of the events are legs, three to a call, where the schema knows them.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from badge_bridge.events import LEG, Event, Leg
from badge_bridge.outcomes import Exchange, Outcome
from badge_bridge.store.records import write_asked, write_event, write_outcomes
from badge_bridge.store.sqlite.file import StateFile
from badge_bridge.store.sqlite.rows import day_of
from badge_bridge.store.sqlite.schema import APPLICATION_ID, MIGRATIONS

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
PORTION = 10_000
ASKED = write_asked([Exchange(method="crm.activity.configurable.add", answer="ok", milliseconds=51.5)])
OUTCOMES = write_outcomes(
    [Outcome(rule="missed call", result="badged", badge="bb_missedCall", portal="main")], attempt=1
)
EVENT = "INSERT INTO events (key, source, type, verified, received_at, due, state, ready, event) VALUES "
ATTEMPT = "INSERT INTO attempts (event, number, started_at, ended_at, result, asked, outcomes) VALUES "
KNOWS_JOINS, KNOWS_LEGS, KNOWS_DAYS = 3, 4, 7


def event(number: int, *, is_leg: bool) -> Event:
    """The size of a missed call from Twilio."""
    call = number // 9 * 3 + number % 9 // 3
    leg = Leg(call=str(call), leg=str(number), party="agent", state="ended", ends="leg", outcome="no_answer")
    return Event(
        id=f"CA{number:032x}",
        source="reception",
        provider="zoom" if is_leg else "twilio",
        type=LEG if is_leg else "call.missed",
        time=MOMENT,
        direction="inbound",
        caller=f"+49{number % 50_000:09d}",
        callee="+4930999999",
        leg=leg if is_leg else None,
        data={f"Field{n}": f"value {n} of call {number}" for n in range(20)},
    )


def events(count: int, schema: int) -> Iterator[tuple[str, Event]]:
    for number in range(count):
        yield f"reception:{number:032x}", event(number, is_leg=schema >= KNOWS_LEGS and number % 9 < 3)


def fill(connection: sqlite3.Connection, count: int, schema: int) -> None:
    """All have ended but the last hundred, as in a store that has been at work for long."""
    made, given = 0, events(count, schema)
    while some := list(islice(given, PORTION)):
        rows, joins, attempts = [], [], []
        for key, one in some:
            state, ready = ("waiting", 0) if made >= count - 100 else ("done", None)
            rows.append((key, one.source, one.type, "hmac", 1e9 + made, 1e9 + made, state, ready, write_event(one)))
            value = f"customer\n{one.customer}" if one.leg is None else f"call\n{one.source}\n{one.leg.call}"
            time = one.time.timestamp()
            joins.append((value, time, key) if schema < KNOWS_DAYS else (value, time, key, day_of(time)))
            made += 1
            if one.leg is None and state == "done":
                attempts.append((made, 1, 1e9 + made, 1e9 + made, state, ASKED, OUTCOMES))
        connection.execute("BEGIN")
        connection.executemany(f"{EVENT}(?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        connection.executemany(f"{ATTEMPT}(?, ?, ?, ?, ?, ?, ?)", attempts)
        if schema >= KNOWS_JOINS:
            columns = ("value, time, key", "value, time, key, day")[schema >= KNOWS_DAYS]
            marks = ", ".join("?" * len(joins[0]))
            connection.executemany(f"INSERT INTO joins ({columns}) VALUES ({marks})", joins)  # noqa: S608 - written above
        connection.execute("COMMIT")


def make(path: Path, count: int, schema: int) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")
    for step in (step for steps in MIGRATIONS[:schema] for step in steps):
        connection.execute(step) if isinstance(step, str) else step(connection)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {schema}")
    fill(connection, count, schema)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def megabytes(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*")) // 1_000_000


def measure(path: Path, count: int, schema: int) -> dict[str, object]:
    make(path, count, schema)
    before = megabytes(path)
    file = StateFile(str(path))
    began = time.perf_counter()
    connection, _ = file.open()
    seconds = time.perf_counter() - began
    after = megabytes(path)
    (calls,) = connection.execute("SELECT count(*) FROM calls").fetchone()
    connection.close()
    file.close()
    return {
        "seconds": round(seconds, 1),
        "events_per_second": round(count / seconds),
        "calls": calls,
        "megabytes": [before, after],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--schema", type=int, action="append", help="only files of this one; may be repeated")
    parser.add_argument("--folder", type=Path, help="where to put the files; the disk that is measured")
    arguments = parser.parse_args()
    result = {}
    for schema in arguments.schema or range(2, len(MIGRATIONS)):
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            result[f"schema {schema}"] = measure(Path(folder, "state.db"), arguments.events, schema)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
