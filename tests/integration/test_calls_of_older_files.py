"""Calls that are under way while a file of an older version is brought to this version's schema.

Of schema 4: it is the first that legs were joined in, and before it no source told of any.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from badge_bridge.events import Event, call_join, event_key
from badge_bridge.outcomes import Outcome
from badge_bridge.sources.joining import LegEvent, judged_event
from badge_bridge.sources.legs import judged_identity
from badge_bridge.store.protocol import StoredEvent
from badge_bridge.store.records import write_event, write_outcomes
from badge_bridge.store.sqlite import SqliteStore
from badge_bridge.store.sqlite.schema import APPLICATION_ID, MIGRATIONS
from support.bridge_by_hand import ENDS, RINGS, ByHand, leg_event
from support.portals import START

LAST = {**ENDS, "ends": "call"}
COLUMNS = (
    *("key", "source", "type", "verified", "received_at", "state", "attempts", "due", "ready", "lease_token"),
    *("leased_until", "settled_at", "revision", "event"),
)


@dataclass
class FourthVersion:
    """A file as the version before this one has left it."""

    path: Path
    legs: dict[str, list[LegEvent]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._file = sqlite3.connect(self.path, isolation_level=None)
        for step in (step for steps in MIGRATIONS[:4] for step in steps):
            self._file.execute(step) if isinstance(step, str) else step(self._file)
        self._file.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        self._file.execute("PRAGMA user_version = 4")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def leg(self, state: str, event: Event, *, due: float = START + 5) -> None:
        assert event.leg is not None
        self.legs.setdefault(event.leg.call, []).append(LegEvent(f"s:{event.id}", START, event))
        self._write(f"s:{event.id}", event, state=state, due=due)
        row = (call_join(event), event.time.timestamp(), f"s:{event.id}")
        self._file.execute("INSERT INTO joins (value, time, key) VALUES (?, ?, ?)", row)

    def judge(self, call: str) -> None:
        """The judgement of all legs so far, whose badge was attached."""
        legs = self.legs[call]
        self._write(judged_key(call), judged_event(legs), state="done", due=START, revision=len(legs))
        outcomes = write_outcomes([Outcome(rule="missed call", result="badged", activity=7)], attempt=1)
        self._file.execute("UPDATE attempts SET outcomes = ? WHERE event = last_insert_rowid()", (outcomes,))

    def _write(self, key: str, event: Event, *, state: str, due: float, revision: int = 0) -> None:
        tried, works = int(state != "waiting"), state == "working"
        lease = ("gone", START + 60) if works else (None, None)
        settled_at = START if tried and not works else None
        told = (key, "s", event.type, "hmac", START, state, tried, due, None if tried else 0)
        row = (*told, *lease, settled_at, revision, write_event(event))
        marks = ", ".join("?" * len(COLUMNS))
        self._file.execute(f"INSERT INTO events ({', '.join(COLUMNS)}) VALUES ({marks})", row)  # noqa: S608 - ours
        if tried:
            self._file.execute(
                "INSERT INTO attempts (event, number, started_at, result) VALUES (last_insert_rowid(), 1, ?, ?)",
                (START, state),
            )


def judged_key(call: str) -> str:
    return event_key("s", judged_identity(call))


async def test_calls_that_were_under_way_in_an_older_file_are_judged_once(tmp_path: Path) -> None:
    """Whatever state the older version left their legs in: none is lost, and a judgement that stands keeps its badge
    without a second attempt.
    """
    path = tmp_path / "state.db"
    with FourthVersion(path) as file:
        for number, (state, told) in enumerate((("waiting", RINGS), ("joined", ENDS), ("waiting", LAST))):
            file.leg(state, leg_event(number, call="waits", **told))
        file.leg("working", leg_event(0, call="is read", **LAST))
        file.leg("joined", leg_event(1, call="is read", **ENDS))
        file.leg("waiting", leg_event(0, call="goes on", **RINGS), due=START + 3000)
        file.leg("joined", leg_event(1, call="goes on", **RINGS))
        file.leg("joined", leg_event(0, call="is judged", **LAST))
        file.judge("is judged")
        file.leg("waiting", leg_event(1, call="is judged", **ENDS))
        file.leg("joined", leg_event(0, call="is over", **LAST))
        file.judge("is over")
    bridge = ByHand(SqliteStore(path), now=START + 1)
    await bridge.store.open()

    await bridge.tell(leg_event(2, call="goes on", **LAST), leg_event(1, call="is over", **ENDS))
    await bridge.work_to_the_end()

    judged = {one.key: one for one in await bridge.judgements()}
    legs = {"waits": 3, "is read": 2, "goes on": 3, "is judged": 2, "is over": 2}
    assert {key: one.verified.partition(":")[0] for key, one in judged.items()} == {
        judged_key(call): f"from {count} deliveries" for call, count in legs.items()
    }
    assert {(one.event.type, one.attempts) for one in judged.values()} == {("call.failed", 1)}
    for call in legs:
        badged = call in ("is judged", "is over")
        assert judged[judged_key(call)].state == ("done" if badged else "ignored")
        (stored,) = [await bridge.store.get(judged_key(call))]
        assert isinstance(stored, StoredEvent)
        assert [one.activity for one in stored.outcomes] == ([7] if badged else [None] * len(stored.outcomes))
    every = (await bridge.store.list(limit=100)).events
    assert len(every) == sum(legs.values()) + len(legs)
    assert {one.state for one in every if one.event.leg} == {"joined"}
    assert bridge.now <= START + 3000
    await bridge.store.close()
