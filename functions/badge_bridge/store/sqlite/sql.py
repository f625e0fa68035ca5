"""The SQL of the store, by name. Its plans are checked in the tests: none may read the whole table."""

from __future__ import annotations

from functools import lru_cache

__all__ = [
    "ADD_REMEMBERED",
    "ATTACH",
    "ATTACHMENTS",
    "BEFORE",
    "BEFORE_OF_RESULT",
    "BEFORE_OF_SOURCE",
    "BEFORE_OF_STATE",
    "BEFORE_OF_TYPE",
    "CLEAR_TRIAL",
    "CLOSED_BEFORE",
    "CLOSE_ATTACHMENT",
    "CORRECT_PAUSE",
    "COUNT_BETWEEN",
    "COUNT_DEAD",
    "COUNT_REACHED",
    "COUNT_WAITING",
    "COUNT_WORKING",
    "DAYS",
    "DAYS_BACK",
    "DONE_BETWEEN",
    "DO_AGAIN",
    "DROP_REMEMBERED",
    "ENDED_BEFORE",
    "ENDED_SINCE",
    "END_ATTEMPT",
    "ERASE_ATTACHMENTS",
    "ERASE_EVENT",
    "FIND",
    "FIND_ATTEMPTS",
    "FIND_STORED",
    "FIRST_REVISION",
    "FORGET_ATTACHMENT",
    "FORGET_ATTACHMENTS",
    "FORGET_EVENT",
    "FORGET_JOIN",
    "FORGET_OUTCOME",
    "GATE",
    "GIVE_BACK",
    "GIVE_BACK_ATTEMPT",
    "HASTEN",
    "HOLD",
    "HOLD_PROBE",
    "IS_ATTACHED",
    "IS_HELD",
    "JOIN",
    "JOINED",
    "JOINS_ON",
    "JOIN_ATTEMPT",
    "JUDGED",
    "KEYS",
    "LANES_LATER",
    "LANES_READY",
    "LATER_DUE",
    "LEASE",
    "LEASE_ENDS",
    "LEG_LESS",
    "LET_ALL_GO",
    "LET_GO",
    "LEVEL",
    "LOST_ATTEMPTS",
    "LOST_ATTEMPT_OF",
    "LOST_EVENTS",
    "LOST_EVENT_OF",
    "MOVE_UP",
    "NEW_NOTE",
    "NEW_STAMP",
    "NEXT_BADGE",
    "NEXT_NOTE",
    "NEXT_PORTAL",
    "NEXT_RULE",
    "NOTE",
    "NO_CALL",
    "OF_CUSTOMER",
    "OF_CUSTOMER_ON",
    "OLDEST_WAITING",
    "ON_TOP",
    "OPEN_ATTACHMENTS",
    "OUTCOMES_OF",
    "OUTCOMES_SINCE",
    "PAUSE",
    "PAUSED",
    "PEEK",
    "PROMOTE",
    "REACH",
    "REACHED_BETWEEN",
    "READY",
    "RECEIVED_BETWEEN",
    "RELATED",
    "REMEMBERED_SOURCES",
    "REMEMBERS",
    "RESUME",
    "REVISE",
    "REVISED",
    "SEARCH_ATTACHMENTS",
    "SEARCH_ATTEMPTS",
    "SEARCH_CALLS",
    "SEARCH_EVENTS",
    "SEARCH_JOINS",
    "SEARCH_NOTES",
    "SEARCH_PAUSES",
    "SETTLE",
    "SET_HOLD",
    "SET_LEVEL",
    "SHORTEN",
    "SINCE_ATTEMPT",
    "STAMP",
    "START_ATTEMPT",
    "TAKE_UP",
    "TRIAL",
    "UNATTACH",
    "USES_OF",
    "WAITING_LEGS",
    "accept_legs",
    "calls",
    "join",
    "known",
    "remembered",
    "set_calls",
]

# The columns of a StoredEvent, in its order, and the source, for events that cannot be read.
_STORED = (
    "key, source, event, verified, received_at, state, reason, attempts, failures, due, lane, settled_at, rules_hash, "
    "redriven_with"
)


# Writing events


@lru_cache(maxsize=16)
def join(rows: int) -> str:
    """Let so many events be found by a value each, in one statement."""
    values = ", ".join(["(?, ?, ?, ?)"] * rows)
    return f"INSERT INTO joins (day, value, time, key) VALUES {values} ON CONFLICT DO NOTHING"  # noqa: S608


# Legs of calls


@lru_cache(maxsize=16)
def known(rows: int) -> str:
    """Which of so many keys are known."""
    return f"SELECT key FROM events WHERE key IN ({', '.join('?' * rows)})"  # noqa: S608 - question marks


@lru_cache(maxsize=16)
def calls(rows: int) -> str:
    """What is known of so many calls, each with its keeper's event where that waits and has not failed so far."""
    return (
        "SELECT value, legs, keeper, stage, event FROM calls LEFT JOIN events ON key = keeper AND state = 'waiting' "  # noqa: S608
        f"AND lane = '' AND failures = 0 WHERE value IN ({', '.join('?' * rows)})"
    )


@lru_cache(maxsize=16)
def accept_legs(rows: int) -> str:
    """Insert so many legs where they were placed."""
    values = ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"] * rows)
    return (
        "INSERT INTO events "  # noqa: S608 - question marks
        f"(key, source, type, verified, received_at, state, due, ready, reason, settled_at, event) VALUES {values}"
    )


@lru_cache(maxsize=16)
def set_calls(rows: int) -> str:
    values = ", ".join(["(?, ?, ?, ?)"] * rows)
    return f"INSERT OR REPLACE INTO calls (value, legs, keeper, stage) VALUES {values}"  # noqa: S608


MOVE_UP = "UPDATE events SET due = :due, ready = :ready WHERE key = :key AND ready = 0 AND due > :due"


# Leases

# `beyond`: no lease that is given now ends later, so it is one of a clock that was set back.
_EXPIRED = "leased_until <= :now OR leased_until > :beyond"
_LOSE = (
    "UPDATE events SET state = 'waiting', ready = 1, failures = failures + 1, lease_token = NULL, leased_until = NULL "
)
_LOSE_ATTEMPT = "UPDATE attempts SET result = 'lost' WHERE result = 'working' AND event "

LOST_ATTEMPTS = f"{_LOSE_ATTEMPT} IN (SELECT id FROM events WHERE {_EXPIRED})"  # noqa: S608 - both written above
LOST_EVENTS = f"{_LOSE} WHERE {_EXPIRED}"
LOST_ATTEMPT_OF = f"{_LOSE_ATTEMPT} = :id"
LOST_EVENT_OF = f"{_LOSE} WHERE id = :id"

PEEK = "SELECT id, state, ready, due, lane, leased_until FROM events WHERE key = ?"

PROMOTE = """
UPDATE events SET ready = 1
WHERE id IN (
    SELECT id FROM events WHERE ready = 0 AND lane = :lane AND due > :after AND due <= :until ORDER BY due LIMIT :most
)
"""

READY = "SELECT received_at, key, id FROM events WHERE ready = 1 AND lane = ? ORDER BY received_at, key LIMIT ?"

LEASE = """
UPDATE events
SET state = 'working', ready = NULL, attempts = attempts + 1, lease_token = :token, leased_until = :until,
    lane = CASE WHEN EXISTS (SELECT 1 FROM pauses WHERE pauses.lane = events.lane) THEN lane ELSE '' END
WHERE id = :id
RETURNING key, event, attempts, failures, received_at, since_attempt, lane, revision, redriven_with
"""
START_ATTEMPT = "INSERT INTO attempts (event, number, started_at) VALUES (?, ?, ?)"
OUTCOMES_SINCE = "SELECT outcomes FROM attempts WHERE event = ? AND number > ? ORDER BY number"

SINCE_ATTEMPT = "SELECT since_attempt FROM events WHERE key = :key AND state = 'working' AND lease_token = :token"
SETTLE = """
UPDATE events
SET state = :state, reason = :reason, failures = failures + :failed, rules_hash = :rules_hash,
    due = coalesce(:due, due), ready = :ready, lane = :lane, settled_at = coalesce(:settled_at, settled_at),
    lease_token = NULL, leased_until = NULL
WHERE key = :key AND state = 'working' AND lease_token = :token
RETURNING id, received_at
"""
IS_HELD = "SELECT 1 FROM events WHERE key = ? AND state = 'working' AND lease_token = ?"
END_ATTEMPT = """
UPDATE attempts
SET ended_at = :ended_at, result = :state, reason = :reason, asked = :asked, outcomes = :outcomes,
    rules_hash = :rules_hash
WHERE event = :id AND number = :attempt
"""
OUTCOMES_OF = "SELECT outcomes FROM attempts WHERE event = ? AND outcomes <> '[]' ORDER BY number"
REACH = "INSERT INTO outcomes (rule, result, received_at, key) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
FORGET_OUTCOME = "DELETE FROM outcomes WHERE rule = ? AND result = ? AND received_at = ? AND key = ?"

GIVE_BACK = """
UPDATE events
SET state = 'waiting', ready = 1, lease_token = NULL, leased_until = NULL
WHERE key = :key AND state = 'working' AND lease_token = :token
RETURNING id
"""
GIVE_BACK_ATTEMPT = "UPDATE attempts SET result = 'given back' WHERE event = ? AND number = ?"

REVISED = "SELECT event, revision FROM events WHERE key = ?"
FIRST_REVISION = "UPDATE events SET revision = :revision, due = :now WHERE key = :key"
REVISE = """
UPDATE events SET event = :event, type = :type, verified = :verified, revision = :revision WHERE key = :key
"""
DO_AGAIN = "UPDATE events SET failures = 0, since_attempt = attempts, redriven_with = :rules WHERE key = :key"
REDRIVEN = """
UPDATE attempts SET redriven = :redriven
WHERE (event, number) = (SELECT id, attempts FROM events WHERE key = :key)
"""
TAKE_UP = """
UPDATE events SET state = 'waiting', ready = 1, due = :now, lane = '', reason = '', settled_at = NULL
WHERE key = :key AND state IN ('done', 'ignored', 'joined', 'dead')
"""
HASTEN = "UPDATE events SET due = :now, ready = 1 WHERE key = :key AND state = 'waiting' AND lane = '' AND ready = 0"

JUDGED = "UPDATE calls SET stage = max(stage, :stage) WHERE value = :call RETURNING legs, keeper"
JOIN_ATTEMPT = """
UPDATE attempts SET ended_at = :now, result = 'joined', reason = :reason, rules_hash = :rules_hash
WHERE event = (SELECT id FROM events WHERE key = :key AND state = 'working') AND result = 'working'
"""
JOIN = """
UPDATE events
SET state = 'joined', reason = :reason, rules_hash = :rules_hash, settled_at = :now, ready = NULL, lane = '',
    lease_token = NULL, leased_until = NULL
WHERE key = :key AND state IN ('waiting', 'working')
"""


# Lanes


def _lanes(part: str) -> str:
    """The distinct lanes of one part of the queue, by hopping from one to the next in its index.

    DISTINCT would read every entry of the index; there are few lanes and perhaps a million entries.
    """
    return f"""
    WITH RECURSIVE lanes (lane) AS (
        SELECT (SELECT lane FROM events WHERE {part} ORDER BY lane LIMIT 1)
        UNION ALL
        SELECT (SELECT lane FROM events WHERE {part} AND lane > lanes.lane ORDER BY lane LIMIT 1)
        FROM lanes WHERE lanes.lane IS NOT NULL
    )
    SELECT lane FROM lanes WHERE lane IS NOT NULL
    """  # noqa: S608 - the two parts are written below


LANES_READY = _lanes("ready = 1")
LANES_LATER = _lanes("ready = 0")

GATE = """
SELECT until, held_until,
       coalesce((SELECT max(leased_until) FROM events WHERE leased_until IS NOT NULL AND lane = pauses.lane), 0)
FROM pauses WHERE lane = ?
"""

CORRECT_PAUSE = """
UPDATE pauses SET until = min(until, :until), held_until = min(held_until, :held_until)
WHERE lane = :lane AND (until > :until OR held_until > :held_until)
"""

# The first and the last moment of each part of the queue, each looked up at its end of the index.
LATER_DUE = """
SELECT (SELECT min(due) FROM events WHERE ready = 0 AND lane = :lane),
       (SELECT max(due) FROM events WHERE ready = 0 AND lane = :lane)
"""
LEASE_ENDS = """
SELECT (SELECT min(leased_until) FROM events WHERE leased_until IS NOT NULL),
       (SELECT max(leased_until) FROM events WHERE leased_until IS NOT NULL)
"""

PAUSE = """
INSERT INTO pauses (lane, until, failures, reason) VALUES (:lane, :until, 1, :reason)
ON CONFLICT (lane) DO UPDATE
SET until = max(until, excluded.until), failures = failures + 1, reason = excluded.reason, held_until = 0
RETURNING lane, until, failures, reason
"""
PAUSED = "SELECT lane, until, failures, reason FROM pauses WHERE lane = ?"
HOLD_PROBE = "UPDATE pauses SET held_until = :until WHERE lane = :lane AND until <= :now AND held_until <= :now"
SHORTEN = "UPDATE pauses SET until = :until WHERE lane = :lane AND until > :until"
RESUME = "DELETE FROM pauses WHERE lane = ?"


# The ledger

# The columns of an Attachment, in its order.
_ATTACHMENT = (
    "key, rule, portal, badge, owner_type, owner_id, time, join_value, content, activity, sent_at, closed_at, "
    "customer, taken_back"
)

ATTACH = f"INSERT OR REPLACE INTO attachments ({_ATTACHMENT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
UNATTACH = "DELETE FROM attachments WHERE key = ? AND rule = ? AND activity IS NULL"
ATTACHMENTS = f"SELECT {_ATTACHMENT} FROM attachments WHERE key = ? ORDER BY rule"  # noqa: S608
OPEN_ATTACHMENTS = f"""
SELECT {_ATTACHMENT} FROM attachments
WHERE closed_at IS NULL AND activity IS NOT NULL AND join_value <> '' AND join_value = :join AND time < :before
ORDER BY time, key, rule
"""  # noqa: S608 - column names, written above
ON_TOP = f"""
SELECT {_ATTACHMENT} FROM attachments
WHERE closed_at IS NULL AND activity IS NOT NULL AND portal = ? AND owner_type = ? AND owner_id = ?
ORDER BY activity DESC LIMIT 1
"""  # noqa: S608 - column names, written above
# Those whose activity is not known were perhaps not put on a card. From one badge to the next by two statements: for
# (portal, badge) > (?, ?) SQLite would go through all rows of the badge that it comes from.
NEXT_BADGE = """
SELECT portal, badge FROM attachments WHERE activity IS NOT NULL AND portal = ? AND badge > ? ORDER BY badge LIMIT 1
"""
NEXT_PORTAL = """
SELECT portal, badge FROM attachments WHERE activity IS NOT NULL AND portal > ? ORDER BY portal, badge LIMIT 1
"""
USES_OF = """
SELECT count(*), max(time) FROM attachments WHERE activity IS NOT NULL AND portal = ? AND badge = ? AND time >= ?
"""
CLOSE_ATTACHMENT = """
UPDATE attachments SET closed_at = :now
WHERE key = :key AND rule = :rule AND closed_at IS NULL AND activity IS coalesce(:activity, activity)
"""


# What all processes share

LEVEL = "SELECT requests, at FROM buckets WHERE name = ?"
SET_LEVEL = "INSERT OR REPLACE INTO buckets (name, requests, at) VALUES (?, ?, ?)"

NOTE = "SELECT text, version FROM notes WHERE name = ?"
NEW_NOTE = "INSERT INTO notes (name, version, text) VALUES (:name, 1, :text) ON CONFLICT (name) DO NOTHING"
NEXT_NOTE = "UPDATE notes SET text = :text, version = version + 1 WHERE name = :name AND version = :version"

HOLD = "SELECT holder, until FROM holds WHERE name = ?"
SET_HOLD = "INSERT OR REPLACE INTO holds (name, holder, until) VALUES (?, ?, ?)"
LET_GO = "DELETE FROM holds WHERE name = ? AND holder = ?"
LET_ALL_GO = "DELETE FROM holds WHERE name < :lasting OR name >= :behind"


# Trying whether the file can be written

TRIAL = (
    "INSERT INTO trial (id, ballast) VALUES (1, zeroblob(?)) ON CONFLICT (id) DO UPDATE SET ballast = excluded.ballast"
)
CLEAR_TRIAL = "DELETE FROM trial WHERE id = 1"

STAMP = "SELECT stamp FROM stamp WHERE id = 1"
NEW_STAMP = "INSERT INTO stamp (id, stamp) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET stamp = excluded.stamp"


# Counting: each by an index of its own that holds what is counted and nothing else, but for the dead

COUNT_WAITING = """
SELECT lane, count(*) FROM events WHERE ready = 1 GROUP BY lane
UNION ALL
SELECT lane, count(*) FROM events WHERE ready = 0 GROUP BY lane
"""
COUNT_WORKING = "SELECT count(*) FROM events WHERE leased_until IS NOT NULL"
COUNT_DEAD = "SELECT count(*) FROM events WHERE state = 'dead'"
OLDEST_WAITING = "SELECT min(received_at) FROM events WHERE state = 'waiting'"
COUNT_BETWEEN = "SELECT count(*) FROM events WHERE state = ? AND received_at >= ? AND received_at < ?"

DONE_BETWEEN = "SELECT key FROM events WHERE state = 'done' AND received_at >= ? AND received_at < ?"

COUNT_REACHED = "SELECT count(*) FROM outcomes WHERE rule = ? AND result = ? AND received_at >= ? AND received_at < ?"
REACHED_BETWEEN = "SELECT key FROM outcomes WHERE rule = ? AND result = ? AND received_at >= ? AND received_at < ?"
RECEIVED_BETWEEN = "SELECT source, type, state, attempts FROM events WHERE received_at >= ? AND received_at < ?"


# Reading

FIND = f"SELECT id, {_STORED} FROM events WHERE key = ?"  # noqa: S608 - column names, written above
KEYS = "SELECT key FROM events WHERE key >= ? AND key < ? ORDER BY key LIMIT ?"
FIND_ATTEMPTS = """
SELECT number, started_at, ended_at, result, reason, asked, outcomes, rules_hash, redriven
FROM attempts WHERE event = ? ORDER BY number
"""

# The days on which something happened that others find, by hopping from one to the next, as for lanes.
DAYS = """
WITH RECURSIVE days (day) AS (
    SELECT (SELECT min(day) FROM joins WHERE day >= ?)
    UNION ALL
    SELECT (SELECT min(day) FROM joins WHERE joins.day > days.day) FROM days WHERE days.day IS NOT NULL
)
SELECT day FROM days WHERE day IS NOT NULL
"""
# Without a limit: whoever reads stops at so many events that can be read.
JOINED = """
SELECT joins.key, events.event
FROM joins JOIN events ON events.key = joins.key
WHERE joins.day = ? AND joins.value = ? AND joins.time > ?
ORDER BY joins.time, joins.key
"""
RELATED = f"""
SELECT {_STORED}
FROM joins JOIN events USING (key)
WHERE joins.day = ? AND joins.value = ?
ORDER BY joins.time, joins.key
LIMIT ?
"""  # noqa: S608 - column names, written above


# Where the events of a list are, newest first, from the indexes alone: see `walking.Seek`. FIND_STORED reads those that
# are in all the lists that are asked for.


def _behind(table: str, equal: str) -> str:
    """The newest place in an index that is older than another one."""
    return (
        f"SELECT received_at, key FROM {table} WHERE {equal}(received_at, key) < (?, ?) "  # noqa: S608 - named below
        "ORDER BY received_at DESC, key DESC LIMIT 1"
    )


BEFORE = _behind("events", "")
BEFORE_OF_STATE = _behind("events", "state = ? AND ")
BEFORE_OF_SOURCE = _behind("events", "source = ? AND ")
BEFORE_OF_TYPE = _behind("events", "type = ? AND ")
BEFORE_OF_RESULT = _behind("outcomes", "rule = ? AND result = ? AND ")
NEXT_RULE = "SELECT rule FROM outcomes WHERE rule > ? ORDER BY rule LIMIT 1"
_DAYS_BACK = """
WITH RECURSIVE days (day) AS (
    SELECT (SELECT max(day) FROM joins WHERE day <= ?)
    UNION ALL
    SELECT (SELECT max(day) FROM joins WHERE joins.day < days.day) FROM days WHERE days.day IS NOT NULL
)
"""
# As DAYS, the latest first.
DAYS_BACK = f"{_DAYS_BACK} SELECT day FROM days WHERE day IS NOT NULL"  # noqa: S608 - written above
# In one statement, because there are some thousand days; in no order.
OF_CUSTOMER = f"""
{_DAYS_BACK}
SELECT received_at, events.key FROM days CROSS JOIN joins CROSS JOIN events
WHERE joins.day = days.day AND value IN (?, ?) AND events.key = joins.key LIMIT ?
"""  # noqa: S608 - written above
OF_CUSTOMER_ON = """
SELECT joins.time, received_at, key FROM joins JOIN events USING (key)
WHERE day = ? AND value = ? AND joins.time <= ? AND (received_at, key) < (?, ?)
ORDER BY joins.time DESC, joins.key DESC LIMIT ?
"""
ENDED_SINCE = f"SELECT {_STORED} FROM events WHERE settled_at >= ? ORDER BY settled_at LIMIT ?"  # noqa: S608
# Of the latest that wait, which are few while work goes on, with the content of those that are legs.
WAITING_LEGS = """
SELECT received_at, key, CASE WHEN type = ? THEN event END FROM events
WHERE state = 'waiting' AND (received_at, key) < (?, ?) ORDER BY received_at DESC, key DESC LIMIT ?
"""
FIND_STORED = f"SELECT {_STORED} FROM events WHERE key = ?"  # noqa: S608 - column names, written above


# Forgetting


@lru_cache(maxsize=16)
def remembered(rows: int) -> str:
    """Which of so many hashes of a source are kept."""
    return f"SELECT hash FROM remembered WHERE source = ? AND hash IN ({', '.join('?' * rows)})"  # noqa: S608


REMEMBERS = "SELECT source FROM remembered LIMIT 1"
ADD_REMEMBERED = "INSERT INTO remembered (source, hash) VALUES (?, ?) ON CONFLICT DO NOTHING"
# By hopping from one to the next, as for lanes: there are few sources and perhaps millions of hashes.
REMEMBERED_SOURCES = """
WITH RECURSIVE sources (source) AS (
    SELECT (SELECT source FROM remembered ORDER BY source LIMIT 1)
    UNION ALL
    SELECT (SELECT source FROM remembered WHERE source > sources.source ORDER BY source LIMIT 1)
    FROM sources WHERE sources.source IS NOT NULL
)
SELECT source FROM sources WHERE source IS NOT NULL
"""
DROP_REMEMBERED = """
DELETE FROM remembered
WHERE source = :source AND hash IN (SELECT hash FROM remembered WHERE source = :source LIMIT :most)
"""

ENDED_BEFORE = """
SELECT id, CASE WHEN type = :leg THEN event END FROM events WHERE settled_at < :before ORDER BY settled_at LIMIT :most
"""
FORGET_EVENT = "DELETE FROM events WHERE id = :id AND settled_at < :before RETURNING key, received_at"
ERASE_EVENT = "DELETE FROM events WHERE key = :key RETURNING CASE WHEN type = :leg THEN event END, received_at"
LEG_LESS = "UPDATE calls SET legs = legs - 1 WHERE value = ?"
NO_CALL = "DELETE FROM calls WHERE value = ? AND legs <= ?"

JOINS_ON = """
SELECT day, value, time, key, EXISTS (SELECT 1 FROM events WHERE events.key = joins.key) FROM joins
WHERE (day, value, time, key) > (?, ?, ?, ?) ORDER BY day, value, time, key LIMIT ?
"""
FORGET_JOIN = """
DELETE FROM joins WHERE day = ? AND value = ? AND time = ? AND key = ?
AND NOT EXISTS (SELECT 1 FROM events WHERE events.key = joins.key)
"""

FORGET_ATTACHMENTS = """
DELETE FROM attachments WHERE key = ? AND (closed_at IS NOT NULL OR activity IS NULL OR join_value = '')
"""
CLOSED_BEFORE = """
SELECT key, rule FROM attachments WHERE closed_at < :before
AND NOT EXISTS (SELECT 1 FROM events WHERE events.key = attachments.key) ORDER BY closed_at LIMIT :most
"""
FORGET_ATTACHMENT = "DELETE FROM attachments WHERE key = ? AND rule = ? AND closed_at IS NOT NULL"
ERASE_REASON = "UPDATE pauses SET reason = '' WHERE lane = ?"
ERASE_ATTACHMENTS = "DELETE FROM attachments WHERE key = ?"
IS_ATTACHED = "SELECT 1 FROM attachments WHERE key = ? AND rule = ?"


# All that is stored, a portion at a time, for whoever looks for a text in it

SEARCH_EVENTS = "SELECT id, key, event, verified, reason, lane FROM events WHERE id > ? ORDER BY id LIMIT ?"
SEARCH_ATTEMPTS = """
SELECT attempts.event, attempts.number, events.key, attempts.reason, asked, outcomes
FROM attempts JOIN events ON events.id = attempts.event
WHERE (attempts.event, attempts.number) > (?, ?) ORDER BY attempts.event, attempts.number LIMIT ?
"""
SEARCH_JOINS = """
SELECT day, value, time, key FROM joins
WHERE (day, value, time, key) > (?, ?, ?, ?) ORDER BY day, value, time, key LIMIT ?
"""
SEARCH_ATTACHMENTS = """
SELECT rowid, key, join_value, content, customer FROM attachments WHERE rowid > ? ORDER BY rowid LIMIT ?
"""
SEARCH_CALLS = "SELECT value FROM calls WHERE value > ? ORDER BY value LIMIT ?"
SEARCH_NOTES = "SELECT rowid, name, text FROM notes WHERE rowid > ? ORDER BY rowid LIMIT ?"
SEARCH_PAUSES = "SELECT lane, reason FROM pauses WHERE lane > ? ORDER BY lane LIMIT ?"
