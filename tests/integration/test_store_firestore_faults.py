"""The store in Firestore where Firestore, the network or another version gets in its way, against the emulator.

A fault is put between the official client and the wire: what it does about it by itself, such as sending again, is part
of the test.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from google.api_core import retry_async
from google.api_core.exceptions import Aborted, PermissionDenied, ResourceExhausted, ServiceUnavailable
from google.cloud.firestore_v1.transforms import DELETE_FIELD
from google.cloud.firestore_v1.types import RollbackRequest

from badge_bridge.errors import GoogleError, StoreUnavailable
from badge_bridge.store.firestore import FirestoreStore, database
from badge_bridge.store.firestore.lanes import Lanes
from badge_bridge.store.protocol import LegPlace, LegsRead
from support.stores import NOW, claimed, ended, item, noise, project, remove_parts, wait_for_lane

pytestmark = pytest.mark.slow  # the emulator

Call = Callable[..., Awaitable[Any]]


@pytest.fixture
async def store(firestore: str, tmp_path: Path) -> AsyncIterator[FirestoreStore]:
    store = FirestoreStore(project(tmp_path))
    await store.open()
    yield store
    await store.close()


class Wire:
    """The calls of the official client, of which each method may be replaced."""

    def __init__(self, transport: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self._transport = transport
        self._monkeypatch = monkeypatch

    def real(self, method: str) -> Call:
        call: Call = self._transport._wrapped_methods[getattr(self._transport, method)]
        return call

    def replace(self, method: str, call: Call) -> None:
        self._monkeypatch.setitem(self._transport._wrapped_methods, getattr(self._transport, method), call)

    def lose_an_answer(self) -> None:
        """The next commit is carried out and its answer lost; the client sends it again, as it does by itself."""
        real, left = self.real("commit"), [1]

        async def lossy(request: Any, *, metadata: Any, **_: Any) -> Any:
            answer = await real(request, retry=None, timeout=5, metadata=metadata)
            if left:
                left.clear()
                raise ServiceUnavailable("lost")  # type: ignore[no-untyped-call]
            return answer

        passing = retry_async.if_exception_type(ResourceExhausted, ServiceUnavailable)
        self.replace("commit", retry_async.AsyncRetry(predicate=passing, initial=0.01, timeout=60.0)(lossy))


@pytest.fixture
async def wire(store: FirestoreStore, monkeypatch: pytest.MonkeyPatch) -> Wire:
    return Wire((await store._loaded()).database._client._firestore_api.transport, monkeypatch)


async def hang(*_: Any, **__: Any) -> NoReturn:
    await asyncio.sleep(600)
    raise AssertionError


async def test_event_is_leased_by_the_caller_when_the_answer_was_lost(store: FirestoreStore, wire: Wire) -> None:
    """Otherwise it would be leased to nobody, and a failure counted for it."""
    await store.accept([item()])
    wire.lose_an_answer()
    claim = await claimed(store)
    assert (claim.attempt, claim.failures) == (1, 0)
    assert await store.settle(claim, ended("done")) is True


async def test_event_is_leased_by_the_caller_when_the_time_was_over_before_the_answer_came(
    store: FirestoreStore, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit had been carried out by then."""
    await store.accept([item()])
    commit = wire.real("commit")

    async def late(*arguments: Any, **options: Any) -> NoReturn:
        await commit(*arguments, **options)
        monkeypatch.setattr(database, "TIMEOUT", 10.0)
        await hang()

    monkeypatch.setattr(database, "TIMEOUT", 1.0)
    wire.replace("commit", late)
    assert (await claimed(store)).attempt == 1


@pytest.mark.parametrize("lane", ["", "main"])
async def test_outcome_is_stored_once_when_the_answer_was_lost(store: FirestoreStore, wire: Wire, lane: str) -> None:
    """It is known as one's own; who settles a second time is refused as ever."""
    await store.accept([item()])
    claim = await claimed(store)
    settlement = ended("waiting", due=NOW + 2, lane=lane)
    wire.lose_an_answer()
    assert await store.settle(claim, settlement) is True
    assert await store.settle(claim, settlement) is False
    assert len(await store.claim_due(now=NOW + 3, lease=60, limit=9)) == 1


async def test_claim_is_given_back_when_the_answer_was_lost(store: FirestoreStore, wire: Wire) -> None:
    """Whoever gave it back knows that it is."""
    await store.accept([item()])
    claim = await claimed(store)
    wire.lose_an_answer()
    assert await store.give_back(claim) is True
    assert await store.give_back(claim) is False


async def test_redriven_and_judged_are_told_when_the_answer_was_lost(store: FirestoreStore, wire: Wire) -> None:
    """Somebody is woken for what is due by it."""
    await store.accept([item()])
    await store.settle(await claimed(store), ended("dead"))
    wire.lose_an_answer()
    assert await store.redrive("s:1", now=NOW + 5) is True
    assert await store.redrive("s:1", now=NOW + 5) is False
    legs = LegsRead("call", 1, (), is_full=False, reason="judged", rules_hash="")
    wire.lose_an_answer()
    assert (await store.judge(item("s:judged"), revision=1, legs=legs, now=NOW)).is_news
    assert not (await store.judge(item("s:judged"), revision=1, legs=legs, now=NOW)).is_news


async def test_note_is_written_when_the_answer_was_lost(store: FirestoreStore, wire: Wire) -> None:
    """A repeat by somebody who does not know is refused, with the same text too."""
    assert await store.write_note("n", "a", version=0) is True
    wire.lose_an_answer()
    assert await store.write_note("n", "b", version=1) is True
    assert await store.write_note("n", "b", version=1) is False


async def test_delivery_with_a_key_twice_brings_it_once_when_the_answer_was_lost(
    store: FirestoreStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only one of the two is new."""
    commit, left = store._inbox._commit, [1]

    async def lossy(*arguments: Any) -> None:
        await commit(*arguments)
        if left:
            left.clear()
            raise GoogleError(0, "UNAVAILABLE", "lost")

    monkeypatch.setattr(store._inbox, "_commit", lossy)
    assert await store.accept([item(), item()]) == [True, False]


async def test_aborted_commit_is_tried_again_whatever_the_rollback_says(store: FirestoreStore, wire: Wire) -> None:
    """Firestore has let go of an aborted transaction, and does not know it any more."""
    await store.accept([item()])
    commit, rollback, left = wire.real("commit"), wire.real("rollback"), [1]

    async def aborted(request: Any, **options: Any) -> Any:
        if left:
            left.clear()
            await rollback(RollbackRequest(database=request.database, transaction=request.transaction), **options)
            raise Aborted("somebody was faster")  # type: ignore[no-untyped-call]
        return await commit(request, **options)

    async def unknown(*_: Any, **__: Any) -> None:
        raise PermissionDenied("there is no such transaction")  # type: ignore[no-untyped-call]

    wire.replace("commit", aborted)
    wire.replace("rollback", unknown)
    assert (await claimed(store)).attempt == 1


async def test_hanging_firestore_costs_its_time_and_no_more(
    store: FirestoreStore, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Letting go of the transaction, which hangs too, does not make it a minute."""
    monkeypatch.setattr(database, "TIMEOUT", 0.5)
    await store.accept([item()])
    wire.replace("commit", hang)
    wire.replace("rollback", hang)
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match="did not answer"):
        await store.claim("s:1", now=NOW, lease=60)
    assert time.monotonic() - began < 30


async def test_cancelled_attempt_is_cancelled_when_letting_go_fails(store: FirestoreStore, wire: Wire) -> None:
    """Whoever stops is stopped; an error in its place would be tried again."""
    await store.accept([item()])
    claim = await claimed(store)
    there = asyncio.Event()

    async def hang_there(*_: Any, **__: Any) -> NoReturn:
        there.set()
        await hang()

    async def gone(*_: Any, **__: Any) -> None:
        raise ServiceUnavailable("gone")  # type: ignore[no-untyped-call]

    wire.replace("commit", hang_there)
    wire.replace("rollback", gone)
    settling = asyncio.create_task(store.settle(claim, ended("done")))
    await there.wait()
    settling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await settling


async def test_store_is_ill_until_it_takes_writes_again_when_an_outcome_was_refused(
    store: FirestoreStore, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only what is accepted is written."""
    await store.accept([item()])
    claim = await claimed(store)

    async def refused(*_: Any, **__: Any) -> None:
        raise PermissionDenied("no writes")  # type: ignore[no-untyped-call]

    real, tried = store._inbox._commit, []

    async def commit(*arguments: Any) -> None:
        tried.append(arguments)
        await real(*arguments)

    monkeypatch.setattr(store._inbox, "_commit", commit)
    await store.ping()
    assert not tried
    wire.replace("commit", refused)
    with pytest.raises(StoreUnavailable):
        await store.settle(claim, ended("done"))
    await store.ping()
    await store.ping()
    assert len(tried) == 1


async def change_history(store: FirestoreStore, key: str) -> None:
    """As a version would write it that keeps one thing more of an attempt."""
    reference = (await store._loaded()).rows.reference(key)
    history = json.loads(((await reference.get()).to_dict() or {})["history"])
    history[0]["worker"] = "w1"
    await reference.update({"history": json.dumps(history)})


async def test_what_a_newer_version_has_added_is_left_out(store: FirestoreStore) -> None:
    """Events, lanes and the legs of a call are worked on when a deployment was rolled back."""
    await store.accept([replace(item("s:0"), leg=LegPlace("call", "s:j", ends=False, soon=NOW, late=NOW + 9, most=50))])
    await store.give_back(await claimed(store, "s:0", now=NOW + 9))
    await change_history(store, "s:0")
    leg = replace(item("s:1"), leg=LegPlace("call", "s:j", ends=True, soon=NOW, late=NOW + 9, most=50))
    assert await store.accept([leg]) == [True]

    await wait_for_lane(store, "s:2")
    await store.pause("main", until=NOW + 5, reason="x")
    await (await store._loaded()).lanes._reference("main").update({"since": 1.0})
    claims = await store.claim_due(now=NOW + 20, lease=60, limit=9)
    assert [claim.key for claim in claims] == ["s:0", "s:2"]


async def test_event_that_cannot_be_read_holds_nobody_up(
    store: FirestoreStore, caplog: pytest.LogCaptureFixture
) -> None:
    """One whose part is gone, which must not be, is told of, and the one behind it is worked on."""
    await store.accept([item("s:0", data={"body": noise()})])
    await store.accept([item("s:1", received_at=NOW + 1)])
    await remove_parts(store, "s:0")
    assert [claim.key for claim in await store.claim_due(now=NOW + 9, lease=60, limit=1)] == ["s:1"]
    assert "s:0" in caplog.text


@pytest.mark.parametrize("held", [False, True], ids=["waiting", "worked on"])
@pytest.mark.parametrize(
    "change",
    [{"history": "[not JSON"}, {"history": DELETE_FIELD}, {"since_attempt": DELETE_FIELD}],
    ids=["text", "no text", "no number"],
)
async def test_event_that_this_version_cannot_read_is_set_aside(
    store: FirestoreStore, change: dict[str, Any], held: bool
) -> None:
    """It is dead with the reason, shown, and what it holds is left to a version that can read it."""
    await store.accept([item("s:0")])
    if held:
        await claimed(store, "s:0")
    reference = (await store._loaded()).rows.reference("s:0")
    await reference.update(change)
    before = (await reference.get()).to_dict() or {}
    assert [one.key for one in (await store.list()).events] == ["s:0"]
    assert await store.claim_due(now=NOW + 61, lease=60, limit=9) == []
    stored = await store.get("s:0")
    assert stored is not None
    assert stored.state == "dead"
    assert "cannot read" in stored.reason
    after = (await reference.get()).to_dict() or {}
    assert [after.get(name) for name in ("event", "history", "joins")] == [
        before.get(name) for name in ("event", "history", "joins")
    ]


async def test_event_that_another_version_works_on_is_left_to_it(store: FirestoreStore) -> None:
    """That this one cannot read it is no matter, as long as it is not due and after it has ended."""
    await store.accept([item("s:0")])
    claim = await claimed(store, "s:0")
    reference = (await store._loaded()).rows.reference("s:0")
    history = ((await reference.get()).to_dict() or {})["history"]
    await reference.update({"history": "[not JSON"})
    assert await store.claim("s:0", now=NOW + 5, lease=60) is None
    await reference.update({"history": history})
    assert await store.settle(claim, ended("done")) is True
    await reference.update({"history": "[not JSON"})
    assert await store.claim("s:0", now=NOW + 5, lease=60) is None
    stored = await store.get("s:0")
    assert stored is not None
    assert stored.state == "done"


async def test_events_are_leased_though_a_lane_cannot_be_forgotten(
    store: FirestoreStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is only tidying up is tried again by the next look."""
    await wait_for_lane(store, "s:0")
    await store.settle(await claimed(store, "s:0"), ended("done"))
    await store.accept([item("s:1")])

    async def busy(self: Lanes, name: str, now: float) -> None:
        raise StoreUnavailable(f"{name} at {now}")

    monkeypatch.setattr(Lanes, "forget", busy)
    assert [claim.key for claim in await store.claim_due(now=NOW + 9, lease=60, limit=1)] == ["s:1"]


async def test_lane_that_nobody_waits_for_is_not_asked_for_events(store: FirestoreStore) -> None:
    """A thousand paused portals without work cost a look nothing; one with work is asked at once."""
    lanes = (await store._loaded()).lanes
    await store.pause("idle", until=NOW + 5, reason="x")
    await wait_for_lane(store, "s:1")
    assert [lane.name for lane in await lanes.awaited()] == ["main"]
    await store.settle(await claimed(store, "s:1"), ended("done"))
    assert await store.claim_due(now=NOW + 9, lease=60, limit=1) == []
    assert await lanes.awaited() == []
    assert [pause.lane for pause in await store.paused(["idle", "main"])] == ["idle"]


@pytest.mark.parametrize("with_another", [False, True], ids=["alone", "with another"])
async def test_event_is_taken_whose_parts_are_left_of_a_deleted_one(store: FirestoreStore, with_another: bool) -> None:
    """Parts go later than their event, and the same content has the same names."""
    event = item("s:1", data={"body": noise()})
    await store.accept([event])
    await (await store._loaded()).rows.reference("s:1").delete()
    batch = [event, item("s:2")] if with_another else [event]
    assert await store.accept(batch) == [True] * len(batch)
    assert (await claimed(store, "s:1")).event == event.event

    legs = LegsRead("call", 1, (), is_full=False, reason="judged", rules_hash="")
    judged = item("s:j", data={"body": noise()})
    await store.judge(judged, revision=1, legs=legs, now=NOW)
    await (await store._loaded()).rows.reference("s:j").delete()
    assert (await store.judge(judged, revision=1, legs=legs, now=NOW)).is_news
