"""Stores of each schema that there has been, as their versions left them when they were killed.

`tests/data/stores/schema-N.sql` is what `write` below has made under the version that had schema N, as far as that
version knew of such things. Before a migration is added, keep what the present version leaves:

    python tests/support/store_sample.py > tests/data/stores/schema-N.sql
"""

from __future__ import annotations

import asyncio
import itertools
import re
import sqlite3
import sys
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from badge_bridge.events import LEG, Event, Leg, call_join, event_key
from badge_bridge.outcomes import Exchange, Outcome
from badge_bridge.portal import Facts, build_layout, content, origin_of
from badge_bridge.sources.legs import judged_identity
from badge_bridge.store.protocol import Accepted, Attachment, Claim, LegPlace, Settlement
from badge_bridge.store.sqlite import SqliteStore
from badge_bridge.store.sqlite.schema import APPLICATION_ID, MIGRATIONS

START = 1_790_000_000.0
FOLDER = Path(__file__).resolve().parents[1] / "data" / "stores"
SCHEMAS = sorted(int(re.sub(r"\D", "", path.stem)) for path in FOLDER.glob("schema-*.sql"))
RULE, BADGE, HASH = "missed call", "bb_missedCall", "0123456789abcdef"
CALL, CALLS_CUSTOMER = "7", 8


def load(schema: int, path: Path) -> None:
    """Make the file that the version with this schema has left."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript((FOLDER / f"schema-{schema}.sql").read_text("utf-8"))


def number_of(customer: int) -> str:
    return f"+4930{23125000000 + customer}"


def key_of(name: str) -> str:
    return event_key("pbx", ["note.made" if name == "ignored" else "call.missed", name])


def judged_key() -> str:
    return event_key("phones", judged_identity(CALL))


def origin(name: str) -> str:
    """The mark of the activity of an event."""
    return origin_of(key_of(name), RULE)


class Sample:
    """Events in every state, each by its name, of customers 1 to 9 with the deals 1001 to 1009."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    async def write(self) -> None:
        """The last thing is an event that is being worked on."""
        await self._write_ended()
        await self._write_waiting()
        await self._write_shared()
        await self._write_legs()
        await self._take(_missed("working", 9), 21)

    async def _write_ended(self) -> None:
        done = _missed("done", 1)
        claim = await self._take(done, 0)
        await self._store.attach(_row(done, 1, sent_at=START + 76))
        await self._store.attach(_row(done, 1, activity=9001))
        await self._end(claim, "done", 2, outcomes=_badged(9001, 1), asked=_asked("ok"))
        data = {"text": "Grüße 📞", "nul": "a\0b"}
        noted = _missed("ignored", type="note.made", outcome="", direction="", data=data)
        await self._end(await self._take(noted, 1), "ignored", 3, reason="no rule is for note.made from pbx")
        dead = _missed("dead", 2)
        await self._fail(await self._take(dead, 2), 4, due=10, reason="portal main: ERROR_CORE")
        claim = await self._claim("dead", 11)
        refused = Outcome(rule=RULE, result="failed", badge=BADGE, portal="main", reason="refused", attempt=2)
        await self._end(claim, "dead", 12, failed=True, reason="the portal refuses the title", outcomes=(refused,))
        cleared = _missed("cleared", 7)
        claim = await self._take(cleared, 7)
        await self._store.attach(_row(cleared, 7, activity=9003))
        await self._store.close_attachment(key_of("cleared"), RULE, now=START + 9)
        await self._end(claim, "done", 9, outcomes=_badged(9003, 7), asked=_asked("ok"))

    async def _write_waiting(self) -> None:
        await self._fail(await self._take(_missed("retry", 3), 3), 5, due=125, reason="portal main: no connection")
        paused = await self._take(_missed("paused", 4), 4)
        await self._end(paused, "waiting", 6, lane="main", reason="portal main is paused")
        await self._store.pause("main", until=START + 600, reason="portal main cannot be reached")
        await self._store.accept([_accepted(_missed("fresh", 5), 5)])
        doubtful = _missed("doubtful", 6)
        claim = await self._take(doubtful, 6)
        await self._store.attach(_row(doubtful, 6, sent_at=START + 8))
        await self._fail(claim, 8, due=13, reason="portal main: no answer")

    async def _write_shared(self) -> None:
        await self._store.write_note("oauth/elsewhere", "gAAAAA-encrypted", version=0)
        await self._store.write_note("oauth/elsewhere", "gAAAAA-encrypted-anew", version=1)
        await self._store.draw("main", now=START + 9, rate=2.0, burst=50)
        await self._store.hold("oauth/elsewhere", holder="gone", now=START + 9, seconds=60)

    async def _write_legs(self) -> None:
        await self._tell(_leg("rings", 8, state="ringing"), 8, ends=False)
        await self._tell(_leg("ends", 20, state="ended", ends="call", outcome="no_answer"), 20, ends=True)

    async def _tell(self, leg: Event, at: float, *, ends: bool) -> None:
        soon, late = START + at + 5, START + at + 14_400
        place = LegPlace(call_join(leg), judged_key(), ends=ends, soon=soon, late=late, most=500)
        key = event_key("phones", [leg.id])
        await self._store.accept([Accepted(key, leg, "hmac-sha256", START + at, (call_join(leg),), place)])

    async def _take(self, event: Event, at: float) -> Claim:
        await self._store.accept([_accepted(event, at)])
        return await self._claim(event.id, at + 1)

    async def _claim(self, name: str, at: float) -> Claim:
        claim = await self._store.claim(key_of(name), now=START + at, lease=90)
        assert claim is not None
        return claim

    async def _fail(self, claim: Claim, at: float, *, due: float, reason: str) -> None:
        await self._end(claim, "waiting", at, due=START + due, failed=True, reason=reason, asked=_asked("timeout"))

    async def _end(self, claim: Claim, state: Any, at: float, **told: Any) -> None:
        await self._store.settle(claim, Settlement(state=state, ended_at=START + at, rules_hash=HASH, **told))


def _missed(name: str, customer: int = 0, **told: Any) -> Event:
    caller = number_of(customer) if customer else ""
    given: dict[str, Any] = {"id": name, "source": "pbx", "provider": "generic", "type": "call.missed"}
    given |= {"time": datetime.fromtimestamp(START, UTC), "direction": "inbound", "outcome": "missed", "caller": caller}
    return Event.model_validate({**given, "data": {"id": name, "from": caller}, **told})


def _leg(name: str, at: float, **told: Any) -> Event:
    return Event(
        id=name,
        source="phones",
        provider="zoom",
        type=LEG,
        time=datetime.fromtimestamp(START + at, UTC),
        direction="inbound",
        caller=number_of(CALLS_CUSTOMER),
        callee="+4930901821",
        line="+4930901821",
        leg=Leg(call=CALL, leg=name, party="agent", **told),
    )


def _accepted(event: Event, at: float) -> Accepted:
    joins = (f"customer\n{event.customer}",) if event.customer else ()
    return Accepted(key_of(event.id), event, "bearer token", START + at, joins)


def _row(event: Event, customer: int, **told: Any) -> Attachment:
    layout = build_layout(
        title=f"Missed call from {event.caller}",
        text=None,
        facts=Facts(time=event.time, caller=event.caller, line=event.line, reason=event.reason),
        icon="call",
        logo="call-incoming",
        call_back=event.caller,
    )
    sent = content(badge=BADGE, origin_id=origin(event.id), responsible=1, layout=layout)
    return Attachment(
        key=key_of(event.id),
        rule=RULE,
        portal="main",
        badge=BADGE,
        owner_type=2,
        owner_id=1000 + customer,
        time=event.time.timestamp(),
        join=f"customer\n{event.customer}",
        content=sent,
        customer=event.customer,
        **told,
    )


def _badged(activity: int, customer: int) -> tuple[Outcome, ...]:
    owner = f"deal {1000 + customer}"
    told = {"badge": BADGE, "portal": "main", "owner": owner, "activity": activity, "attempt": 1}
    return (Outcome.model_validate({"rule": RULE, "result": "badged", **told}),)


def _asked(answer: str) -> tuple[Exchange, ...]:
    return (Exchange(method="crm.activity.badge.get", answer=answer, milliseconds=120.5),)


async def write() -> None:
    """Write the store out as SQL while it is open, as a process that is killed now would leave it."""
    numbers = itertools.count(1)
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder, "state.db"), new_token=lambda: f"token-{next(numbers)}")
        await store.open()
        await Sample(store).write()
        schema = len(MIGRATIONS)
        print(f"-- A store of schema {schema} as that version leaves it when it is killed: see {Path(__file__).name}.")
        print(f"PRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {schema};")
        with closing(sqlite3.connect(store.path)) as connection:
            for line in connection.iterdump():
                sys.stdout.write(f"{line}\n")
        await store.close()


if __name__ == "__main__":
    asyncio.run(write())
