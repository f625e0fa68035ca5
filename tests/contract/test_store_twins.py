"""A durable store and its twin in memory, given the same random calls, answer the same."""

from __future__ import annotations

import asyncio
import itertools
import os
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from badge_bridge.events import LEG, Event, Leg, customer_join
from badge_bridge.outcomes import Exchange, Outcome, Result
from badge_bridge.store.forgetting import Trace
from badge_bridge.store.memory import MemoryStore
from badge_bridge.store.protocol import Accepted, Claim, LegPlace, LegsRead, Settlement, Store
from badge_bridge.store.wanted import Wanted
from support.stores import STORES

KEYS = st.sampled_from([f"s:{number}" for number in range(6)])
LEGS = st.sampled_from([f"s:{number}" for number in range(3, 9)])
"""Some of them keys that other events have, too."""
CALL = "call\ns\n1"
LANES = st.sampled_from(["", "main", "main/a"])
MOMENTS = st.sampled_from([0, 0, 1, 5, 30])
LEASES = st.sampled_from([2, 10, 60])
CUSTOMERS = ["", "+49301", "+49302"]
RULES = ["rule 0", "rule 1"]
RESULTS: list[Result] = ["badged", "failed"]
Call = Callable[[Store], Awaitable[Any]]


class Twins(RuleBasedStateMachine):
    """Two stores, one clock, and the claims that were handed out so far."""

    durable = "sqlite"

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.memory: Store = MemoryStore()
        self.other: Store = STORES[self.durable](Path(self.folder.name))
        self.now = 1_000_000.0
        self.claims: list[tuple[Claim, Claim]] = []
        self.numbers = itertools.count()
        self.both(lambda store: store.open())

    def teardown(self) -> None:
        self.both(lambda store: store.close())
        self.runner.close()
        self.folder.cleanup()

    def both(self, call: Call) -> tuple[Any, Any]:
        async def run() -> tuple[Any, Any]:
            return await call(self.memory), await call(self.other)

        return self.runner.run(run())

    def same(self, call: Call) -> Any:
        one, other = self.both(call)
        assert one == other
        return one

    def handed_out(self, one: list[Claim], other: list[Claim]) -> None:
        assert [replace(claim, token="") for claim in one] == [replace(claim, token="") for claim in other]
        self.claims += zip(one, other, strict=True)

    @rule(seconds=MOMENTS)
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(seconds=st.sampled_from([-100_000, -20_000, -1000, -1, 1000, 20_000, 100_000]))
    def clock_is_set(self, seconds: float) -> None:
        self.now += seconds

    @rule(keys=st.lists(KEYS, max_size=4), type_=st.sampled_from(["call.missed", "call.answered"]))
    def accept(self, keys: list[str], type_: str) -> None:
        batch = [
            Accepted(
                key,
                Event(
                    id=str(number := next(self.numbers)),
                    source=key[-1],
                    provider="p",
                    type=type_,
                    time=datetime(2026, 1, 1, tzinfo=UTC),
                    caller=CUSTOMERS[number % 3] if number % 3 else "",
                ),
                "bearer",
                self.now,
                joins=(customer_join(CUSTOMERS[1]),) if number % 3 == 1 else (),
            )
            for key in keys
        ]
        self.same(lambda store: store.accept(batch))

    @rule(keys=st.lists(LEGS, min_size=1, max_size=4), ends=st.booleans(), most=st.sampled_from([2, 9, 9]))
    def accept_legs(self, keys: list[str], ends: bool, most: int) -> None:
        time = datetime(2026, 1, 1, tzinfo=UTC)
        batch = [
            Accepted(
                key,
                Event(
                    id=str(next(self.numbers)),
                    source="s",
                    provider="p",
                    type=LEG,
                    time=time,
                    caller=CUSTOMERS[1],
                    leg=Leg(call="1"),
                ),
                "bearer",
                self.now,
                joins=(CALL,),
                leg=LegPlace(CALL, "s:0", ends, soon=self.now + 5, late=self.now + 600, most=most),
            )
            for key in keys
        ]
        self.same(lambda store: store.accept(batch))

    @rule(type_=st.sampled_from(["call.missed", "call.answered"]), unread=st.integers(0, 1), is_full=st.booleans())
    def judge(self, type_: str, unread: int, is_full: bool) -> None:
        found = self.same(lambda store: store.related(CALL, limit=9))
        if len(found) <= unread:
            return
        legs = LegsRead(
            call=CALL,
            count=len(found) - unread,
            open=[one.key for one in found if one.state in ("waiting", "working")],
            is_full=is_full,
            reason=f"judged {next(self.numbers)}",
            rules_hash="hash",
        )
        judged = Event(id="0", source="0", provider="p", type=type_, time=datetime(2026, 1, 1, tzinfo=UTC))
        accepted = Accepted("s:0", judged, "bearer", self.now)
        self.same(lambda store: store.judge(accepted, revision=legs.count, legs=legs, now=self.now))

    @rule(key=KEYS, lease=LEASES)
    def claim(self, key: str, lease: float) -> None:
        one, other = self.both(lambda store: store.claim(key, now=self.now, lease=lease))
        self.handed_out([one] if one else [], [other] if other else [])

    @rule(lease=LEASES, limit=st.integers(0, 4))
    def claim_due(self, lease: float, limit: int) -> None:
        self.handed_out(*self.both(lambda store: store.claim_due(now=self.now, lease=lease, limit=limit)))

    @precondition(lambda self: self.claims)
    @rule(
        data=st.data(),
        state=st.sampled_from(["done", "ignored", "waiting", "waiting", "waiting", "dead"]),
        wait=MOMENTS,
        lane=LANES,
        failed=st.booleans(),
    )
    def settle(self, data: st.DataObject, state: Any, wait: float, lane: str, failed: bool) -> None:
        one, other = data.draw(st.sampled_from(self.claims))
        number = next(self.numbers)
        settlement = Settlement(
            state=state,
            ended_at=self.now,
            reason=f"reason {number}",
            due=self.now + wait,
            lane=lane,
            failed=failed,
            outcomes=tuple(Outcome(rule=RULES[-one % 2], result=RESULTS[number % 2]) for one in range(number % 3)),
            asked=(Exchange(method="m", answer="ok", milliseconds=number),) * (number % 2),
            rules_hash=f"hash {number}",
        )
        answers = self.both(lambda store: store.settle(one if store is self.memory else other, settlement))
        assert answers[0] == answers[1]

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        one, other = data.draw(st.sampled_from(self.claims))
        answers = self.both(lambda store: store.give_back(one if store is self.memory else other))
        assert answers[0] == answers[1]

    @rule(key=KEYS, rules=st.sampled_from(["", "then"]), by=st.sampled_from(["", "console"]))
    def redrive(self, key: str, rules: str, by: str) -> None:
        self.same(lambda store: store.redrive(key, now=self.now, rules=rules, by=by))

    @rule(lane=LANES, wait=MOMENTS)
    def pause(self, lane: str, wait: float) -> None:
        if lane:
            self.same(lambda store: store.pause(lane, until=self.now + wait, reason=f"until {wait}"))

    @rule(lane=LANES, hold=LEASES)
    def probe(self, lane: str, hold: float) -> None:
        self.same(lambda store: store.probe(lane, now=self.now, hold=hold))

    @rule(lane=LANES)
    def resume(self, lane: str) -> None:
        self.same(lambda store: store.resume(lane))

    @rule(age=MOMENTS)
    def forget(self, age: float) -> None:
        one, other = self.both(lambda store: store.forget(before=self.now - age, limit=100))
        assert one.events == other.events

    @rule(key=KEYS)
    def erase(self, key: str) -> None:
        self.same(lambda store: store.erase([Trace("event", key)]))

    @rule(source=st.sampled_from(["s", "t"]))
    def drop(self, source: str) -> None:
        # All of them: of some, each store takes those whose hashes come first, and has hashes of its own.
        self.same(lambda store: store.drop(source, limit=100))

    @rule()
    def restart(self) -> None:
        self.both(lambda store: store.close())
        self.both(lambda store: store.open())

    @rule(
        state=st.sampled_from([None, None, "waiting", "working", "done", "ignored", "joined", "dead"]),
        source=st.sampled_from([None, None, "1", "2"]),
        type_=st.sampled_from([None, None, "call.missed"]),
        customer=st.sampled_from([None, None, *CUSTOMERS]),
        rule_=st.sampled_from([None, None, *RULES]),
        result=st.sampled_from([None, None, *RESULTS]),
        since=st.sampled_from([None, 0, 5]),
        limit=st.integers(0, 3),
    )
    def list_pages(
        self,
        state: Any,
        source: str | None,
        type_: str | None,
        customer: str | None,
        rule_: str | None,
        result: Any,
        since: float | None,
        limit: int,
    ) -> None:
        since = None if since is None else self.now - since
        wanted = Wanted(state, source, type_, customer, rule_, result, since)
        before: tuple[float, str] | None = None
        while True:
            start = before
            page = self.same(
                lambda store, start=start: store.list(wanted, limit=limit, before=start)  # type: ignore[misc]
            )
            before = page.more
            if before is None:
                break

    @invariant()
    def everything_is_equal(self) -> None:
        async def everything(store: Store) -> Any:
            keys = [f"s:{number}" for number in range(9)]
            lanes = store.paused(["", "main", "main/a"])
            return await asyncio.gather(*map(store.get, keys), lanes, store.remembered())

        self.same(everything)

    @invariant()
    def nothing_is_due_before_next_due(self) -> None:
        next_due = self.same(lambda store: store.next_due(now=self.now))
        if next_due is None or next_due > self.now:
            assert self.same(lambda store: store.claim_due(now=self.now, lease=1, limit=1)) == []


class FirestoreTwins(Twins):
    """The same calls, as far as the answer is the same.

    Whoever opens Firestore knows nobody to be gone. By a clock that was set back a pause is over for both, but one
    writes it down when it looks for what is due, and the other when it hands something out.
    """

    durable = "firestore"

    @rule(seconds=st.sampled_from([1000, 20_000]))
    def clock_is_set(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def restart(self) -> None:
        self.runner.run(self._restart())

    async def _restart(self) -> None:
        await self.other.close()
        await self.other.open()


# The same examples in every run, so that a failure belongs to the change that was just made. To look for more:
# TWINS_EXAMPLES=1000 pytest tests/contract/test_store_twins.py takes that many at random, and other ones each time.
RANDOM_EXAMPLES = int(os.environ.get("TWINS_EXAMPLES", "0"))
Twins.TestCase.settings = settings(
    max_examples=RANDOM_EXAMPLES or 25,
    stateful_step_count=40,
    derandomize=not RANDOM_EXAMPLES,
    # Explaining a failure runs it hundreds of times more and says little about a story of calls.
    phases=[phase for phase in Phase if phase is not Phase.explain],
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
# Hypothesis looks for the shortest failing story for up to five minutes; a shorter limit would hide what it has found.
FirestoreTwins.TestCase.settings = settings(Twins.TestCase.settings, max_examples=RANDOM_EXAMPLES or 5)
TestTwins = pytest.mark.timeout(0 if RANDOM_EXAMPLES else 400)(Twins.TestCase)


@pytest.mark.slow
@pytest.mark.usefixtures("firestore")
@pytest.mark.timeout(0 if RANDOM_EXAMPLES else 400)
def test_firestore_answers_as_its_twin_in_memory() -> None:
    """Whatever is asked of it in whatever order."""
    run_state_machine_as_test(FirestoreTwins)
