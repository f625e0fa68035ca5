"""What is particular to the store in Firestore, against the emulator: two clients, large documents, lost answers."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.api_core.exceptions import Aborted as AbortedError
from google.cloud.firestore import DELETE_FIELD

from badge_bridge.errors import StoreUnavailable
from badge_bridge.events import customer_join
from badge_bridge.gcp.rest import GoogleApi
from badge_bridge.outcomes import Exchange
from badge_bridge.store.firestore import FirestoreStore, queue
from badge_bridge.store.firestore.database import AsyncTransaction, Database
from badge_bridge.store.firestore.documents import SHARDS, document_id
from badge_bridge.store.firestore.inbox import Inbox
from badge_bridge.store.firestore.wire import read_fields, write_fields
from badge_bridge.store.protocol import Attachment, LegPlace
from badge_bridge.store.wanted import Uses, Wanted
from support.programs import ROOT, free_port, program
from support.stores import NOW, claimed, ended, item, noise, project, remove_parts, wait_for_lane

DAY = 86_400.0

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("firestore")]


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[FirestoreStore]:
    store = FirestoreStore(project(folder))
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def document(store: FirestoreStore, *path: str) -> dict[str, Any] | None:
    """What the official client reads."""
    snapshot = await (await store._loaded()).database.document(*path).get()
    return snapshot.to_dict()


async def parts(store: FirestoreStore, key: str) -> list[dict[str, Any]]:
    reference = (await store._loaded()).rows.reference(key)
    return [snapshot.to_dict() or {} async for snapshot in reference.collection("parts").stream()]


VALUES: dict[str, Any] = {
    "nothing": None,
    "yes": True,
    "no": False,
    "whole": 2**53 + 1,
    "below": -1,
    "half": 0.5,
    "microseconds": 1_767_225_600.123456,
    "whole float": 3.0,
    "text": "Grüße 呼び出し 📞 \0 \u2028",
    "bytes": bytes(range(256)),
    "list": ["a", 1, None, {"b": [2.5]}],
    "empty list": [],
    "map": {"c d": {"e`f": False}},
    "empty map": {},
}


async def test_what_is_written_over_rest_is_what_the_official_client_reads_and_the_other_way_round(
    tmp_path: Path, firestore: str
) -> None:
    """Each kind of value that a document may hold keeps its kind and its last digit."""
    async with opened(tmp_path) as store:
        api = store._api
        assert api is not None
        path = f"/v1/projects/{project(tmp_path)}/databases/(default)/documents"
        await api.call("PATCH", f"{path}/kinds/rest", json={"fields": write_fields(VALUES)})
        theirs = await document(store, "kinds", "rest")
        assert theirs == VALUES
        assert [type(value) for value in theirs.values()] == [type(VALUES[name]) for name in theirs]

        await (await store._loaded()).database.document("kinds", "official").set(VALUES)
        ours = read_fields((await api.call("GET", f"{path}/kinds/official"))["fields"])
        assert ours == VALUES
        assert [type(value) for value in ours.values()] == [type(VALUES[name]) for name in ours]

        moment = datetime(2026, 3, 1, 12, 30, 1, 250_000, tzinfo=UTC)
        await api.call("PATCH", f"{path}/kinds/time", json={"fields": write_fields({"at": moment})})
        assert await document(store, "kinds", "time") == {"at": moment}


async def test_event_keeps_its_fields_when_the_other_client_writes_it_again(tmp_path: Path) -> None:
    """What REST has created and the official client rewrites after an attempt differs in what the attempt changed."""
    async with opened(tmp_path) as store:
        await store.accept([item(joins=("+49301234",))])
        before = await document(store, "events", document_id("s:1"))
        claim = await claimed(store)
        await store.give_back(claim)
        after = await document(store, "events", document_id("s:1"))
    assert before is not None
    assert after is not None
    assert {name for name in after if after[name] != before.get(name)} == {"attempts", "history"}
    assert [type(after[name]) for name in after] == [type(before[name]) for name in after]
    assert after["shard"] in range(SHARDS)


async def test_long_event_and_long_history_are_kept_in_parts_and_read_whole(tmp_path: Path) -> None:
    """More than one document holds is cut, read again by everybody, and old parts go when new ones are written."""
    body = noise(900_000)
    long = item(data={"body": body})
    async with opened(tmp_path) as store:
        assert await store.accept([long, item("s:2")]) == [True, True]
        assert await store.accept([item("s:3", data={"body": body[::-1]})]) == [True]
        assert len(await parts(store, "s:1")) > 1
        claim = await claimed(store)
        assert claim.event == long.event
        answers = tuple(
            Exchange(method=body[at : at + 999], answer="ok", milliseconds=1) for at in range(0, 400_000, 999)
        )
        for number in range(3):
            await store.settle(claim, ended("waiting", due=NOW, asked=answers))
            claim = await claimed(store, now=NOW + 10 + number)
        stored = await store.get("s:1")
        assert stored is not None
        assert stored.event == long.event
        assert [attempt.asked for attempt in stored.history] == [answers, answers, answers, ()]
        assert [event.event for event in (await store.list(limit=9)).events if event.key == "s:3"] != []
        fields = await document(store, "events", document_id("s:1"))
        assert fields is not None
        assert len(await parts(store, "s:1")) == len(fields["event"]["parts"]) + len(fields["history"]["parts"])


class Lossy(httpx.AsyncHTTPTransport):
    """Loses the answers to the first `lost` requests whose path ends so; they are carried out."""

    def __init__(self, ending: str, lost: int = 1) -> None:
        super().__init__()
        self.ending = ending
        self.lost = lost

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        if self.lost and request.url.path.endswith(self.ending):
            self.lost -= 1
            await response.aread()
            raise httpx.ReadTimeout("lost", request=request)
        return response


async def _owner(_rejected: str) -> str:
    return "owner"


class Waits(list[float]):
    """What was slept, in no time."""

    async def sleep(self, seconds: float) -> None:
        self.append(seconds)


@asynccontextmanager
async def inbox(
    folder: Path,
    firestore: str,
    transport: httpx.AsyncBaseTransport,
    sleep: Callable[[float], Awaitable[None]],
    mark: str = "receipt",
) -> AsyncIterator[Inbox]:
    numbers = iter(range(100))
    api = GoogleApi(f"http://{firestore}", tokens=_owner, transport=transport)
    database = f"projects/{project(folder)}/databases/(default)"
    try:
        yield Inbox(api, database, new_token=lambda: f"{mark}-{next(numbers)}", sleep=sleep)
    finally:
        await api.close()


LEG = LegPlace("call", "s:judged", ends=True, soon=NOW + 5, late=NOW + 60, most=9)


@pytest.mark.parametrize(
    "batch",
    [[item()], [item(), item("s:2")], [replace(item(), leg=LEG)]],
    ids=["one", "several", "leg"],
)
async def test_event_is_new_once_when_the_answer_to_its_writing_was_lost(
    batch: list[Any], tmp_path: Path, firestore: str
) -> None:
    """It is sent again, found written by ourselves, and so reported as new: its wake-up must not be left out."""
    waits = Waits()
    async with inbox(tmp_path, firestore, Lossy("documents:commit"), waits.sleep) as one:
        assert await one.accept(batch) == [True] * len(batch)
    assert len(waits) == 1
    async with inbox(tmp_path, firestore, httpx.AsyncHTTPTransport(), waits.sleep, "another") as other:
        assert await other.accept(batch) == [False] * len(batch)


class Aborted(Lossy):
    """Answers the first `lost` requests whose path ends so as Firestore answers who was in somebody's way."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.lost and request.url.path.endswith(self.ending):
            self.lost -= 1
            return httpx.Response(409, json={"error": {"code": 409, "status": "ABORTED"}}, request=request)
        return await super().handle_async_request(request)


async def test_leg_waits_itself_when_the_one_that_waited_is_leased_between_two_tries(
    tmp_path: Path, firestore: str
) -> None:
    """The first try leaves the leg to another one, and is aborted; the second finds that one being worked on."""
    async with opened(tmp_path) as store:

        async def lease_the_other(_: float) -> None:
            await claimed(store, "s:1", now=NOW + 5)

        await store.accept([replace(item("s:1"), leg=LEG)])
        async with inbox(tmp_path, firestore, Aborted("documents:commit"), lease_the_other) as one:
            assert await one.accept([replace(item("s:2", received_at=NOW + 1), leg=LEG)]) == [True]
        stored = await store.get("s:2")
        assert stored is not None
        assert (stored.state, stored.due, stored.settled_at) == ("waiting", LEG.soon, None)


async def test_event_is_known_when_somebody_else_wrote_it_while_our_answer_was_lost(
    tmp_path: Path, firestore: str
) -> None:
    """A repeat of an event that was there before stays a repeat, however often it is sent."""
    waits = Waits()
    async with inbox(tmp_path, firestore, httpx.AsyncHTTPTransport(), waits.sleep) as one:
        await one.accept([item()])

    class Refusing(Lossy):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if self.lost:
                self.lost -= 1
                raise httpx.ConnectTimeout("away", request=request)
            return await super().handle_async_request(request)

    async with inbox(tmp_path, firestore, Refusing("", 2), waits.sleep, "another") as late:
        assert await late.accept([item()]) == [False]


async def test_store_is_unavailable_when_firestore_is_away_and_recovers(tmp_path: Path, firestore: str) -> None:
    """Nothing was stored, the health page says so, and it goes on by itself."""
    waits = Waits()
    nobody = f"127.0.0.1:{free_port()}"
    async with inbox(tmp_path, nobody, httpx.AsyncHTTPTransport(), waits.sleep) as away, opened(tmp_path) as store:
        with pytest.raises(StoreUnavailable, match="UNAVAILABLE"):
            await away.accept([item()])
        assert len(waits) == 5
        good, store._inbox_or_none = store._inbox_or_none, away
        with pytest.raises(StoreUnavailable):
            await store.accept([item()])
        with pytest.raises(StoreUnavailable):
            await store.ping()
        store._inbox_or_none = good
        await store.ping()
        assert await store.accept([item()]) == [True]


async def test_nothing_but_its_source_is_left_of_an_event_that_was_forgotten(tmp_path: Path) -> None:
    """Its document stays, since its name is what an old repeat is refused by; its parts and what it said do not."""
    async with opened(tmp_path) as store:
        await store.accept([item(data={"body": noise()})])
        await store.settle(await claimed(store), ended("done"))
        assert await parts(store, "s:1")

        forgotten = await store.forget(before=NOW + DAY, limit=9)

        assert (forgotten.events, forgotten.more) == (1, False)
        assert await document(store, "events", document_id("s:1")) == {"gone": "s"}
        assert await parts(store, "s:1") == []


async def test_forgetting_goes_on_in_pages_when_there_is_much(tmp_path: Path) -> None:
    """What is searched and dropped is read a page at a time, to the end."""
    async with opened(tmp_path) as store:
        await store.accept([item(f"s:{number}", caller="+4930123456") for number in range(120)])
        found = await store.search(lambda text: "4930123456" in text)
        assert len(found) == 120

        await store.erase(found)

        assert await store.search(lambda text: "4930123456" in text) == ()
        assert [await store.drop("s", limit=100) for _ in range(3)] == [100, 20, 0]


async def test_leg_is_accepted_when_the_parts_of_an_ended_leg_of_its_call_are_gone(tmp_path: Path) -> None:
    """A leg that has ended waits for nobody, so nobody reads it to find out whether it does."""
    async with opened(tmp_path) as store:
        await store.accept([replace(item("s:1", data={"body": noise()}), leg=LEG)])
        await store.settle(await claimed(store, now=LEG.late), ended("done"))
        await remove_parts(store, "s:1")
        assert await store.accept([replace(item("s:2", received_at=NOW + 1), leg=LEG)]) == [True]
        stored = await store.get("s:2")
        assert stored is not None
        assert stored.state == "waiting"


async def test_claims_are_handed_out_when_others_could_not_be_leased(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is leased is worked on, whatever became of the others; where nothing is, the store is unavailable."""
    async with opened(tmp_path) as store:
        await store.accept([item(f"s:{number}", received_at=NOW + number) for number in range(4)])
        transact, away = Database.transact, {"s:1"}

        async def some_fail(self: Database, name: str, work: Callable[[AsyncTransaction], Awaitable[Any]]) -> Any:
            if name in away:
                raise StoreUnavailable("away")
            return await transact(self, name, work)

        monkeypatch.setattr(Database, "transact", some_fail)
        claims = await store.claim_due(now=NOW + 9, lease=60, limit=3)
        assert [claim.key for claim in claims] == ["s:0", "s:2", "s:3"]
        with pytest.raises(StoreUnavailable):
            await store.claim_due(now=NOW + 9, lease=60, limit=3)
        away.clear()
        assert [claim.key for claim in await store.claim_due(now=NOW + 9, lease=60, limit=3)] == ["s:1"]


async def test_transaction_is_tried_again_when_a_read_in_it_was_aborted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Firestore may find at the first read already that somebody else was faster."""
    async with opened(tmp_path) as store:
        await store.accept([item()])
        client = (await store._loaded()).database._client
        get_all, refusals = client.get_all, iter([AbortedError("somebody was faster")] * 2)  # type: ignore[no-untyped-call]

        async def aborted_first(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            for refusal in refusals:
                raise refusal
            async for snapshot in get_all(*args, **kwargs):
                yield snapshot

        monkeypatch.setattr(client, "get_all", aborted_first)
        assert await store.claim("s:1", now=NOW, lease=60) is not None
        assert next(refusals, None) is None


async def test_events_of_many_lanes_are_found_in_several_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One look is for a few lanes; that the next ones find the rest, and that the next moment is the earliest of all,
    does not depend on how many there are.
    """
    monkeypatch.setattr(queue, "LANES_AT_ONCE", 2)
    async with opened(tmp_path) as store:
        for number in range(5):
            await wait_for_lane(store, f"s:{number}", lane=f"p{number}")
            await store.pause(f"p{number}", until=NOW + 50 - number, reason="x")
        assert await store.next_due(now=NOW) == NOW + 46
        found = [claim.key for _ in range(40) for claim in await store.claim_due(now=NOW + 60, lease=60, limit=9)]
        assert sorted(found) == [f"s:{number}" for number in range(5)]


async def test_cancelled_attempt_is_cancelled_and_not_an_error(tmp_path: Path) -> None:
    """Whoever stops while a transaction begins is stopped, so that the lease can be given back."""
    async with opened(tmp_path) as store:
        await store.accept([item()])
        claim = await claimed(store)
        for _ in range(20):
            task = asyncio.create_task(store.settle(claim, ended("waiting", due=NOW)))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert await store.give_back(claim) is True


CHILD = """
import asyncio, os, sys
from badge_bridge.store.firestore import FirestoreStore
from support.stores import NOW, item

async def main(project, what, go):
    store = FirestoreStore(project)
    await store.open()
    if what == "lease":
        claim = await store.claim("s:1", now=NOW, lease=60)
        print("leased", claim.attempt, flush=True)
        await asyncio.sleep(600)
    await store.note("warm")
    print("ready", flush=True)
    while not os.path.exists(go):
        await asyncio.sleep(0.001)
    answers = await asyncio.gather(*(store.accept([item("s:many")]) for _ in range(16)))
    print("won", sum(answer == [True] for answer in answers), "of", len(answers), flush=True)
    await store.close()

asyncio.run(main(*sys.argv[1:]))
"""


def child(folder: Path, what: str, firestore: str) -> Any:
    env = {"PYTHONPATH": f"{ROOT / 'functions'}:{ROOT / 'tests'}", "FIRESTORE_EMULATOR_HOST": firestore}
    return program([sys.executable, "-c", CHILD, project(folder), what, str(folder / "go")], env=env)


async def test_lease_outlives_its_holder_until_its_time_is_over(tmp_path: Path, firestore: str) -> None:
    """A process that is killed with SIGKILL settles nothing; the next one takes over when the lease is over."""
    async with opened(tmp_path) as store:
        await store.accept([item()])
        with child(tmp_path, "lease", firestore) as holder:
            holder.find("leased 1")
            holder.process.send_signal(signal.SIGKILL)
            holder.process.wait(10)
        assert await store.claim("s:1", now=NOW + 59, lease=60) is None
        assert await store.claim_due(now=NOW + 59, lease=60, limit=9) == []
        (claim,) = await store.claim_due(now=NOW + 60, lease=60, limit=9)
        assert (claim.attempt, claim.failures) == (2, 1)


async def test_accept_takes_one_when_64_arrive_in_four_processes(tmp_path: Path, firestore: str) -> None:
    """Sixteen callers in each of four processes bring the same event at once, and one of them has brought it."""
    with ExitStack() as stack:
        children = [stack.enter_context(child(tmp_path, "accept", firestore)) for _ in range(4)]
        for one in children:
            one.find("ready")
        (tmp_path / "go").touch()
        won = [int(one.find(r"won (\d+) of 16")[1]) for one in children]
    assert sorted(won) == [0, 0, 0, 1]


async def test_list_of_a_customer_ends_when_enough_was_read_in_vain(tmp_path: Path) -> None:
    """Each read is billed; the next page goes on where it has ended."""
    customer = "+4930111"
    async with opened(tmp_path) as store:
        for start in range(0, 240, 60):
            numbers = range(start, start + 60)
            batch = [item(f"s:{one}", received_at=NOW + one, joins=(customer_join(customer),)) for one in numbers]
            await store.accept(batch)
        await store.settle(await claimed(store, "s:0", now=NOW + 900), ended("dead"))
        wanted = Wanted(customer=customer, state="dead")
        lists = (await store._loaded()).listing

        page = await lists.list(wanted, limit=5, before=None, most=100)
        assert (page.events, page.reached, page.more) == ((), NOW + 140, (NOW + 140, "s:140"))
        page = await lists.list(wanted, limit=5, before=page.more, most=100)
        assert (page.events, page.reached) == ((), NOW + 40)
        page = await lists.list(wanted, limit=5, before=page.more, most=100)
        assert ([event.key for event in page.events], page.more, page.reached) == (["s:0"], None, None)


async def test_backlog_is_counted_again_when_a_minute_is_over(tmp_path: Path) -> None:
    """Until then it is told again, since each count is billed."""
    moments = [0.0]
    store = FirestoreStore(project(tmp_path), clock=lambda: moments[-1])
    await store.open()
    await store.accept([item("s:1")])
    assert (await store.backlog()).waiting == {"": 1}
    await store.accept([item("s:2")])
    moments.append(59.0)
    assert (await store.backlog()).waiting == {"": 1}
    moments.append(60.0)
    assert (await store.backlog()).waiting == {"": 2}
    await store.close()


async def test_uses_passes_over_rows_that_an_earlier_version_has_written(tmp_path: Path) -> None:
    """Those do not say whether their badge was put on a card, until they are written again."""
    async with opened(tmp_path) as store:
        row = Attachment("s:1", "r", "main", "b", 2, 1, NOW, "", "{}", activity=1)
        await store.attach(row)
        desk = await store._loaded()
        reference = desk.database.document("attachments", document_id("s:1", "r"))
        await reference.update({"put": DELETE_FIELD})
        assert list(await store.uses(since=NOW)) == []
        await store.close_attachment("s:1", "r", now=NOW + 5)
        assert list(await store.uses(since=NOW)) == [Uses("main", "b", 1, NOW)]
