"""The documents of the store and what their fields hold: rows to fields and back, whoever sends them."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from dataclasses import fields as dataclass_fields
from typing import TYPE_CHECKING, Any, TypeVar, cast

from badge_bridge.store.firestore.texts import pack, part_names, unpack
from badge_bridge.store.legs import Call, Stage
from badge_bridge.store.records import Unreadable, plain
from badge_bridge.store.rows import AttemptRow, Row

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "ATTACHMENTS",
    "BUCKETS",
    "CALLS",
    "EVENTS",
    "GONE",
    "HOLDS",
    "LANES",
    "LET_GO",
    "NOTES",
    "PARTS",
    "PASSING",
    "SHARDS",
    "Written",
    "document_id",
    "found_by",
    "is_gone",
    "known",
    "names_of_parts",
    "read_call",
    "read_row",
    "texts_of_event",
    "tombstone",
    "what_is_readable",
    "write_call",
    "write_row",
]

T = TypeVar("T")

EVENTS, PARTS, CALLS, LANES = "events", "parts", "calls", "lanes"
ATTACHMENTS, NOTES, HOLDS, BUCKETS = "attachments", "notes", "holds", "buckets"

SHARDS = 8
"""Each takes about 160 events a second: 500 writes of an index that grows, of which an event makes 3. A query asks all
of them at once.
"""

AT_ONCE = 0.0
"""`wake_at` of an event whose time has come: those come first, by when they were received."""

PASSING = frozenset(
    {"ABORTED", "ALREADY_EXISTS", "UNAVAILABLE", "RESOURCE_EXHAUSTED", "INTERNAL", "DEADLINE_EXCEEDED", "UNKNOWN"}
)
"""Statuses of what may succeed when it is tried again. ALREADY_EXISTS: somebody has written it between our look and our
commit.
"""

LET_GO = 1.0
"""Seconds for telling Firestore that a transaction is over, which it finds out by itself after a minute."""

GONE = "gone"
"""The field of what stays in the place of an event that was forgotten or erased: its source. There is no other."""

_TEXTS = ("event", "history")


def document_id(*names: str) -> str:
    """The id of the document that stands for a name, whatever characters that has, or for several together."""
    return hashlib.sha256("\0".join(names).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Written:
    """An event as it is written: the fields of its document, and those of the parts beside it by name."""

    fields: dict[str, Any]
    parts: dict[str, dict[str, Any]]


def write_row(row: Row) -> Written:
    id_ = document_id(row.key)
    history = json.dumps([asdict(attempt) for attempt in row.history], ensure_ascii=False, separators=(",", ":"))
    (event, event_parts), (attempts, history_parts) = pack(row.event), pack(history)
    fields = {
        "key": row.key,
        "source": row.source,
        "type": row.type,
        "event": event,
        "time": float(row.time),
        "joins": sorted(row.joins),
        "verified": row.verified,
        "received_at": float(row.received_at),
        "due": float(row.due),
        "wake_at": AT_ONCE if row.ready else float(row.due),
        "ready": row.ready,
        "state": row.state,
        "reason": row.reason,
        "failures": row.failures,
        "lane": row.lane,
        "token": row.token,
        "leased_until": float(row.leased_until),
        "settled_at": row.settled_at,
        "rules_hash": row.rules_hash,
        "redriven_with": row.redriven_with,
        "attempts": len(row.history),
        "history": attempts,
        "since_attempt": row.since_attempt,
        "revision": row.revision,
        "shard": int(id_[:8], 16) % SHARDS,
    }
    if reached := row.reached():  # only where there is something: an accept writes none of it
        either = {found_by(rule, None) for rule, _ in reached} | {found_by(None, result) for _, result in reached}
        fields["found"] = sorted(either | {found_by(rule, result) for rule, result in reached})
    parts = {name: {"bytes": content} for name, content in (event_parts | history_parts).items()}
    return Written(fields, parts)


def found_by(rule: str | None, result: str | None) -> str:
    """The value in `found` of the events that this rule came to this result for: None is for any."""
    return f"{plain(rule or '')}\n{result or ''}"


def tombstone(source: str) -> dict[str, Any]:
    """What stays of an event: in its document's name the hash of its key, and so whoever creates it anew is refused."""
    return {GONE: source}


def is_gone(fields: Mapping[str, Any]) -> bool:
    return GONE in fields


def names_of_parts(fields: Mapping[str, Any]) -> list[str]:
    return [name for text in _TEXTS for name in part_names(fields.get(text, ""))]


def known(kind: type[T], fields: Mapping[str, Any]) -> T:
    """A dataclass of these fields, without those that another version has added."""
    names = {field.name for field in dataclass_fields(cast("type[DataclassInstance]", kind))}
    return kind(**{name: value for name, value in fields.items() if name in names})


def read_row(fields: Mapping[str, Any], parts: Mapping[str, bytes]) -> Row:
    """The row that `write_row` has written.

    Raises:
        Unreadable: this version cannot read it, or a part is missing.
    """
    try:
        return _row(fields, parts)
    except (AttributeError, KeyError, TypeError, ValueError, zlib.error) as error:
        raise Unreadable(f"this version cannot read what is stored: {error!r}") from error


def what_is_readable(fields: Mapping[str, Any]) -> Row:
    """To show an event that this version cannot read: what every version writes, and no content and no history."""
    return Row(
        key=fields["key"],
        source=fields.get("source", ""),
        type=fields.get("type", ""),
        event="",
        time=float(fields.get("time", 0.0)),
        joins=frozenset(),
        verified=fields.get("verified", ""),
        received_at=float(fields["received_at"]),
        due=float(fields.get("due", 0.0)),
        ready=fields.get("ready", False),
        state=fields["state"],
        reason=fields.get("reason", ""),
        leased_until=float(fields.get("leased_until", 0.0)),
        settled_at=fields.get("settled_at"),
    )


def _row(fields: Mapping[str, Any], parts: Mapping[str, bytes]) -> Row:
    history = json.loads(unpack(fields["history"], parts))
    return Row(
        key=fields["key"],
        source=fields["source"],
        type=fields["type"],
        event=unpack(fields["event"], parts),
        time=float(fields["time"]),
        joins=frozenset(fields["joins"]),
        verified=fields["verified"],
        received_at=float(fields["received_at"]),
        due=float(fields["due"]),
        ready=fields["ready"],
        state=fields["state"],
        reason=fields["reason"],
        failures=fields["failures"],
        lane=fields["lane"],
        token=fields["token"],
        leased_until=float(fields["leased_until"]),
        settled_at=fields["settled_at"],
        rules_hash=fields["rules_hash"],
        redriven_with=fields.get("redriven_with", ""),
        history=[known(AttemptRow, attempt) for attempt in history],
        since_attempt=fields["since_attempt"],
        revision=fields["revision"],
    )


def texts_of_event(fields: Mapping[str, Any], parts: Mapping[str, bytes]) -> Iterator[str]:
    """All that is written of an event and its attempts, also where this version cannot read it."""
    for name, value in fields.items():
        if name in _TEXTS:
            try:
                yield unpack(value, parts)
            except (AttributeError, KeyError, TypeError, ValueError, zlib.error):
                yield str(value)
        elif isinstance(value, list):
            yield from map(str, value)
        elif isinstance(value, str):
            yield value


def write_call(value: str, call: Call) -> dict[str, Any]:
    return {"call": value, "legs": call.legs, "keeper": call.keeper, "stage": int(call.stage)}


def read_call(fields: Mapping[str, Any] | None) -> Call:
    if fields is None:
        return Call()
    return Call(fields["legs"], fields["keeper"], Stage(fields["stage"]))
