"""The tables, and how a file written by an earlier version becomes one of this version.

`PRAGMA user_version` of a file is the number of migrations it has had; `application_id` marks it as ours, so that a
setting that names somebody else's database does no harm to it.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from itertools import groupby
from pathlib import Path

from badge_bridge.errors import StoreUnavailable
from badge_bridge.store.forgetting import KEY_NOTE
from badge_bridge.store.legs import Stage
from badge_bridge.store.records import readable, readable_outcomes
from badge_bridge.store.sqlite.rows import day_of
from badge_bridge.store.wanted import joins_of, reached_of

__all__ = ["APPLICATION_ID", "MIGRATIONS", "check_current", "is_older", "migrate"]

logger = logging.getLogger(__name__)

APPLICATION_ID = 0x42414447  # "BADG"

Step = str | Callable[[sqlite3.Connection], object]
"""One statement, or what takes more than SQL can say."""


def _join_customers(connection: sqlite3.Connection) -> None:
    """Let the events of an older file be found by their customers, as those are that come from now on.

    In Python, because the customer is a matter of several fields, and SQLite's dates know no microseconds. An event
    that this version cannot read is found by nobody anyway. A hundred thousand events take about two seconds, once.
    """
    events = readable(connection.execute("SELECT key, event FROM events"))
    connection.executemany(
        "INSERT INTO joins (value, time, key) VALUES (?, ?, ?)",
        ((f"customer\n{event.customer}", event.time.timestamp(), key) for key, event in events if event.customer),
    )


def _rebuild_events(connection: sqlite3.Connection) -> None:
    """Allow one more state, and count revisions. SQLite has no statement that changes a CHECK; of the ways that it
    documents ("Making Other Kinds Of Table Schema Changes") this is the one that every build allows, a hardened one
    too: make a new table, copy, drop the old one, rename. `migrate` has seen to it that foreign keys rest meanwhile.

    It copies every event: a million of 1 KB each takes about half a minute, once. On the disk it takes up to
    three times the room of the file besides: the copy is in the log before it is in the file, beside what is dropped.
    """
    if tuple(name for _, name, *_ in connection.execute("PRAGMA table_info(events)")) != _COPIED:
        raise StoreUnavailable("the table of events is not as earlier versions made it; name another file as the store")
    # In the order in which they were made; those that SQLite makes by itself have no text.
    beside = connection.execute(
        "SELECT sql FROM sqlite_master WHERE tbl_name = 'events' AND type IN ('index', 'trigger') AND sql IS NOT NULL "
        "ORDER BY rowid"
    ).fetchall()
    connection.execute(_EVENTS)
    names = ", ".join(_COPIED)
    connection.execute(f"INSERT INTO new_events ({names}) SELECT {names} FROM events ORDER BY id")  # noqa: S608 - ours
    connection.execute("DROP TABLE events")
    # Renamed as SQLite once did it: today it refuses while a view or a trigger names the table that is not there yet.
    connection.execute("PRAGMA legacy_alter_table = ON")
    connection.execute("ALTER TABLE new_events RENAME TO events")
    connection.execute("PRAGMA legacy_alter_table = OFF")
    for (statement,) in beside:
        connection.execute(statement)


_EVENTS = """
CREATE TABLE new_events (
    id            INTEGER PRIMARY KEY,
    key           TEXT NOT NULL UNIQUE,
    source        TEXT NOT NULL,
    type          TEXT NOT NULL,
    verified      TEXT NOT NULL,
    received_at   REAL NOT NULL,
    state         TEXT NOT NULL DEFAULT 'waiting'
                  CHECK (state IN ('waiting', 'working', 'done', 'ignored', 'joined', 'dead')),
    reason        TEXT NOT NULL DEFAULT '',
    attempts      INTEGER NOT NULL DEFAULT 0,
    failures      INTEGER NOT NULL DEFAULT 0,
    since_attempt INTEGER NOT NULL DEFAULT 0,  -- attempts before the last redrive, or the last revision
    due           REAL NOT NULL,
    ready         INTEGER DEFAULT 1,           -- waiting: 1 once its time has come, else 0; NULL otherwise
    lane          TEXT NOT NULL DEFAULT '',    -- waiting: for this lane; working: probes this lane
    lease_token   TEXT,
    leased_until  REAL,                        -- working only
    settled_at    REAL,
    rules_hash    TEXT NOT NULL DEFAULT '',
    revision      INTEGER NOT NULL DEFAULT 0,  -- that the content was written with; 0 where it was accepted as it is
    event         TEXT NOT NULL                -- JSON; last, so that nothing has to read past it
)
"""
_COPIED = (
    *("id", "key", "source", "type", "verified", "received_at", "state", "reason", "attempts", "failures"),
    *("since_attempt", "due", "ready", "lane", "lease_token", "leased_until", "settled_at", "rules_hash", "event"),
)


def _find_outcomes(connection: sqlite3.Connection) -> None:
    """Let the events of an older file be found by their outcomes, but for those that this version cannot read."""
    attempts = connection.execute(
        "SELECT id, received_at, key, outcomes FROM attempts JOIN events ON id = attempts.event WHERE outcomes <> '[]' "
        "ORDER BY attempts.event, number"
    )
    connection.executemany(
        "INSERT INTO outcomes (rule, result, received_at, key) VALUES (?, ?, ?, ?)",
        (
            (rule, result, received_at, key)
            for (_, received_at, key), rows in groupby(attempts, lambda row: row[:3])
            for rule, result in sorted(reached_of(readable_outcomes(row[3] for row in rows)))
        ),
    )


def _find_ignored(connection: sqlite3.Connection) -> None:
    """Let the events of an older file that no rule was for be found by their customers."""
    ignored = connection.execute(
        "SELECT key, event FROM events WHERE state = 'ignored' "
        "AND NOT EXISTS (SELECT 1 FROM attempts WHERE attempts.event = id AND outcomes <> '[]')"
    )
    connection.executemany(
        "INSERT INTO joins (day, value, time, key) VALUES (?, ?, ?, ?)",
        (
            (day_of(event.time.timestamp()), joins_of(event.customer)[-1], event.time.timestamp(), key)
            for key, event in readable(ignored)
            if event.customer
        ),
    )


def _make_key(connection: sqlite3.Connection) -> None:
    """The key of the hashes that are remembered; made with the file, so that a copy of the file is whole."""
    connection.execute(
        "INSERT OR REPLACE INTO notes (name, version, text) VALUES (?, 1, ?)", (KEY_NOTE, secrets.token_hex(32))
    )


MIGRATIONS: tuple[tuple[Step, ...], ...] = (
    (
        """
        CREATE TABLE events (
            id            INTEGER PRIMARY KEY,
            key           TEXT NOT NULL UNIQUE,
            source        TEXT NOT NULL,
            type          TEXT NOT NULL,
            verified      TEXT NOT NULL,
            received_at   REAL NOT NULL,
            state         TEXT NOT NULL DEFAULT 'waiting'
                          CHECK (state IN ('waiting', 'working', 'done', 'ignored', 'dead')),
            reason        TEXT NOT NULL DEFAULT '',
            attempts      INTEGER NOT NULL DEFAULT 0,
            failures      INTEGER NOT NULL DEFAULT 0,
            since_attempt INTEGER NOT NULL DEFAULT 0,  -- attempts before the last redrive
            due           REAL NOT NULL,
            ready         INTEGER DEFAULT 1,           -- waiting: 1 once its time has come, else 0; NULL otherwise
            lane          TEXT NOT NULL DEFAULT '',    -- waiting: for this lane; working: probes this lane
            lease_token   TEXT,
            leased_until  REAL,                        -- working only
            settled_at    REAL,
            rules_hash    TEXT NOT NULL DEFAULT '',
            event         TEXT NOT NULL                -- JSON; last, so that nothing has to read past it
        )
        """,
        # One row per try; result is 'working', 'lost', 'given back' or the state it was settled to.
        """
        CREATE TABLE attempts (
            event      INTEGER NOT NULL REFERENCES events (id) ON DELETE CASCADE,
            number     INTEGER NOT NULL,
            started_at REAL NOT NULL,
            ended_at   REAL,
            result     TEXT NOT NULL DEFAULT 'working',
            reason     TEXT NOT NULL DEFAULT '',
            asked      TEXT NOT NULL DEFAULT '[]',     -- JSON
            outcomes   TEXT NOT NULL DEFAULT '[]',     -- JSON
            rules_hash TEXT NOT NULL DEFAULT '',
            PRIMARY KEY (event, number)
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE pauses (
            lane       TEXT PRIMARY KEY NOT NULL,
            until      REAL NOT NULL,
            failures   INTEGER NOT NULL,
            reason     TEXT NOT NULL,
            held_until REAL NOT NULL DEFAULT 0         -- until then somebody holds the probe
        ) WITHOUT ROWID
        """,
        # The queue. Each index holds only the events that are in that part of it, so its size does not grow with
        # history; finding the next event costs the same with a million others waiting for a paused lane or for later.
        # None is defined by `state`, or the planner would prefer events_by_state, which is as long as history.
        "CREATE INDEX events_ready ON events (lane, received_at, key) WHERE ready = 1",
        "CREATE INDEX events_later ON events (lane, due) WHERE ready = 0",
        "CREATE INDEX events_leased ON events (leased_until) WHERE leased_until IS NOT NULL",
        # Listings, in the order of their pages.
        "CREATE INDEX events_by_time ON events (received_at, key)",
        "CREATE INDEX events_by_state ON events (state, received_at, key)",
        "CREATE INDEX events_by_source ON events (source, received_at, key)",
        "CREATE INDEX events_by_type ON events (type, received_at, key)",
    ),
    (
        # Empty but for the moment in which a health check finds out whether the file can be written again.
        "CREATE TABLE trial (id INTEGER PRIMARY KEY CHECK (id = 1), ballast BLOB NOT NULL)",
    ),
    (
        # The values by which events find each other. By the event's key and not its id, so that those of one moment
        # come in the order of their keys; nothing else is indexed, since this is written with each event.
        """
        CREATE TABLE joins (
            value TEXT NOT NULL,
            time  REAL NOT NULL,                       -- when the event happened
            key   TEXT NOT NULL,
            PRIMARY KEY (value, time, key)
        ) WITHOUT ROWID
        """,
        _join_customers,
        # The ledger. It refers to no event, because an activity in the portal outlives the event that it came from.
        """
        CREATE TABLE attachments (
            key        TEXT NOT NULL,
            rule       TEXT NOT NULL,
            portal     TEXT NOT NULL,
            badge      TEXT NOT NULL,
            owner_type INTEGER NOT NULL,
            owner_id   INTEGER NOT NULL,
            time       REAL NOT NULL,
            join_value TEXT NOT NULL,
            activity   INTEGER,                        -- NULL: maybe added
            sent_at    REAL,
            closed_at  REAL,
            content    TEXT NOT NULL,                  -- JSON; last, so that nothing has to read past it
            PRIMARY KEY (key, rule)
        )
        """,
        # As long as there are badges on cards, however long history is.
        """
        CREATE INDEX attachments_open ON attachments (join_value, time, key, rule)
        WHERE closed_at IS NULL AND activity IS NOT NULL AND join_value <> ''
        """,
        # What all processes share.
        """
        CREATE TABLE buckets (
            name     TEXT PRIMARY KEY NOT NULL,
            requests REAL NOT NULL,
            at       REAL NOT NULL                     -- it held so many then, and has been draining since
        ) WITHOUT ROWID
        """,
        "CREATE TABLE notes (name TEXT PRIMARY KEY NOT NULL, version INTEGER NOT NULL, text TEXT NOT NULL)",
        "CREATE TABLE holds (name TEXT PRIMARY KEY NOT NULL, holder TEXT NOT NULL, until REAL NOT NULL) WITHOUT ROWID",
    ),
    (_rebuild_events,),
    (
        # Whose card was meant, which tells whether a call that is judged anew is about somebody else.
        "ALTER TABLE attachments ADD COLUMN customer TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE attachments ADD COLUMN taken_back INTEGER NOT NULL DEFAULT 0",
        # What places a leg among the others of its call without reading them.
        """
        CREATE TABLE calls (
            value  TEXT PRIMARY KEY NOT NULL,          -- the one of `joins` by which the legs find each other
            legs   INTEGER NOT NULL,
            keeper TEXT NOT NULL,                      -- key of the leg that others are left to while it waits
            stage  INTEGER NOT NULL                    -- see `store.legs`
        ) WITHOUT ROWID
        """,
        # Legs that are there already wait for themselves; the next one of their call is read with them soon.
        f"""
        INSERT INTO calls (value, legs, keeper, stage)
        SELECT value, count(*), '', {int(Stage.HAS_ENDED)} FROM joins
        WHERE value > 'call' || char(10) AND value < 'call' || char(11) GROUP BY value
        """,  # noqa: S608 - a number of ours
    ),
    (
        # Of events that are gone, what their keys came to (`store.forgetting`).
        """
        CREATE TABLE remembered (
            source TEXT NOT NULL,
            hash   BLOB NOT NULL,
            PRIMARY KEY (source, hash)
        ) WITHOUT ROWID
        """,
        _make_key,
        # What may go. An event that is taken up again has not ended.
        "CREATE INDEX events_ended ON events (settled_at) WHERE settled_at IS NOT NULL",
        # What was taken off a card after its event was gone.
        "CREATE INDEX attachments_closed ON attachments (closed_at) WHERE closed_at IS NOT NULL",
    ),
    (
        # By day first, so that what is written goes where the others of its day are: by value alone, each event changes
        # a page of its own once there are many, which is then written to the log and once more to the file.
        """
        CREATE TABLE joins_by_day (
            day   INTEGER NOT NULL,                    -- of `time`, from 1970
            value TEXT NOT NULL,
            time  REAL NOT NULL,                       -- when the event happened
            key   TEXT NOT NULL,
            PRIMARY KEY (day, value, time, key)
        ) WITHOUT ROWID
        """,
        """
        INSERT INTO joins_by_day (day, value, time, key)
        SELECT CAST(time / 86400 AS INTEGER) - (time / 86400 < CAST(time / 86400 AS INTEGER)) AS day, value, time, key
        FROM joins ORDER BY day, value, time, key
        """,
        "DROP TABLE joins",
        "ALTER TABLE joins_by_day RENAME TO joins",
    ),
    (
        # What operators look for. A row is written as an attempt ends, at the end of its rule's and result's others.
        """
        CREATE TABLE outcomes (
            rule        TEXT NOT NULL,
            result      TEXT NOT NULL,                 -- the latest of this rule, in one of its roles
            received_at REAL NOT NULL,                 -- the event's, as its key
            key         TEXT NOT NULL,
            PRIMARY KEY (rule, result, received_at, key)
        ) WITHOUT ROWID
        """,
        _find_outcomes,
        _find_ignored,
        # The badges that were put on cards. A row comes into it when its activity is known, and stays as it is. Without
        # the activity in it, SQLite would look into each row whether there is one.
        """
        CREATE INDEX attachments_by_badge ON attachments (portal, badge, time, activity) WHERE activity IS NOT NULL
        """,
    ),
    (
        # The rules file that judges it, where somebody has chosen one of before. Behind the content, which whoever
        # looks at it reads anyway.
        "ALTER TABLE events ADD COLUMN redriven_with TEXT NOT NULL DEFAULT ''",
    ),
    (
        # By which the log beside the file is known to belong to it (`stamp.py`). Never more than one page, so that it
        # is there whole or not at all while a log is moved.
        "CREATE TABLE stamp (id INTEGER PRIMARY KEY CHECK (id = 1), stamp TEXT NOT NULL)",
        # That the event was redriven after this attempt, as JSON.
        "ALTER TABLE attempts ADD COLUMN redriven TEXT NOT NULL DEFAULT ''",
    ),
    (
        # Which badge a card shows, however many were on it before.
        """
        CREATE INDEX attachments_on_card ON attachments (portal, owner_type, owner_id, activity)
        WHERE closed_at IS NULL AND activity IS NOT NULL
        """,
    ),
)


def migrate(connection: sqlite3.Connection, path: str) -> None:
    """Bring the file to this version's schema, in one transaction: who is killed meanwhile leaves it as it was.

    Raises:
        StoreUnavailable: the file belongs to another program, or to a newer version of this one.
    """
    # A table that others refer to can be made anew only while nobody looks, which is for the time before a transaction.
    ((checked,),) = connection.execute("PRAGMA foreign_keys").fetchall()
    connection.execute("PRAGMA foreign_keys = OFF")
    try:
        _migrate(connection, path)
    finally:
        connection.execute(f"PRAGMA foreign_keys = {checked}")


def _migrate(connection: sqlite3.Connection, path: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection, path)
        began = time.monotonic()
        if 0 < version < len(MIGRATIONS):
            (events,) = connection.execute("SELECT count(*) FROM events").fetchone()
            logger.info(
                "%s: bringing %d events from schema %d to %d; a million may take two minutes, and three times "
                "the file's size of room on the disk; if it is stopped, the file is as before, and "
                "the next start begins anew",
                path,
                events,
                version,
                len(MIGRATIONS),
            )
        for steps in MIGRATIONS[version:]:
            for step in steps:
                if isinstance(step, str):
                    connection.execute(step)
                else:
                    step(connection)
        if version < len(MIGRATIONS):
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
        if 0 < version < len(MIGRATIONS):
            logger.info("%s: has schema %d now, after %.1f s", path, len(MIGRATIONS), time.monotonic() - began)
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection, path: str) -> int:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION_ID and (application or version or tables):
        raise StoreUnavailable(f"{path} is a SQLite database of another program; name another file as the store")
    if version > len(MIGRATIONS):
        raise StoreUnavailable(
            f"{path} was written by a newer version of Badge Bridge (schema {version}, this version knows "
            f"{len(MIGRATIONS)}); start that version, or restore a backup that was made before the upgrade"
        )
    assert isinstance(version, int)
    return version


def check_current(connection: sqlite3.Connection, path: str) -> None:
    """See that a file which cannot be written needs not be.

    Raises:
        StoreUnavailable: it is not of this version's schema.
    """
    if _version(connection, path) < len(MIGRATIONS):
        raise StoreUnavailable(
            f"{path} was written by an older version of Badge Bridge; it has to be written to be brought up to date"
        )


def is_older(path: str) -> bool:
    """Whether a file has had fewer migrations than there are. What is none of ours is for `migrate` to say."""
    try:
        with closing(sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return 0 < _version(connection, path) < len(MIGRATIONS)
    except (sqlite3.Error, StoreUnavailable):
        return False
