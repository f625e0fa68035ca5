"""What every store knows of events that belong together, and of the activities that carry badges.

Where the protocol leaves a choice, the choice is a test here:

- The empty value joins nothing, wherever it is given.
- Events of one moment are found in the order of their keys, rows of the ledger of one event in that of their rules.
- `joined` leaves out what it cannot read without making room for less: `limit` counts what can be read.
- A repeated delivery adds no joins.
- The ledger does not ask whether its event exists; an activity outlives it.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from badge_bridge.errors import StoreUnavailable
from badge_bridge.store.forgetting import Trace
from badge_bridge.store.protocol import Accepted, Attachment, Claim, Settlement, Store
from badge_bridge.store.sqlite import SqliteStore
from support.stores import NOW, ODD_TEXTS, STORES, UNREADABLE, claimed, item, overwrite

CUSTOMER = "customer\n+4930123456"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LONG_AGO = float("-inf")


def call(key: str, *, seconds: float = 0, join: str = CUSTOMER, **fields: Any) -> Accepted:
    """A call so many seconds after noon."""
    return item(key, time=NOON + timedelta(seconds=seconds), joins=(join,), **fields)


async def keys(store: Store, join: str = CUSTOMER, *, after: float = LONG_AGO, limit: int = 100) -> list[str]:
    return [key for key, _ in await store.joined(join, after=after, limit=limit)]


def row(key: str = "s:1", rule: str = "missed call", **fields: Any) -> Attachment:
    known: dict[str, Any] = {
        "portal": "main",
        "badge": "missedCall",
        "owner_type": 2,
        "owner_id": 17,
        "time": NOW,
        "join": CUSTOMER,
        "content": '{"fields": {"typeId": "CONFIGURABLE"}, "layout": {}}',
        "activity": 900,
    }
    return Attachment(key=key, rule=rule, **{**known, **fields})


# Events that belong together


async def test_joined_finds_events_of_customer_when_they_happened_later(store: Store) -> None:
    """The events of one customer after a moment, earliest first, whenever they were received and whatever they are."""
    answered = call("s:3", seconds=60, type="call.answered", caller="+4930123456")
    await store.accept([answered, call("s:1"), call("s:2", seconds=30, received_at=NOW + 99)])
    await store.accept([call("s:4", seconds=40, join="customer\n+4930999999")])

    assert await keys(store) == ["s:1", "s:2", "s:3"]
    assert await keys(store, after=NOON.timestamp()) == ["s:2", "s:3"]
    assert await store.joined(CUSTOMER, after=NOON.timestamp() + 30) == [("s:3", answered.event)]
    assert await keys(store, after=NOON.timestamp() + 60) == []
    assert await keys(store, "customer\n+4930000000") == []


async def test_joined_is_in_order_when_events_are_days_and_centuries_apart(store: Store) -> None:
    """Midnight, the year in which computers began to count, and a clock that is wrong by ages separate nobody."""
    midnight = datetime(2026, 3, 2, tzinfo=UTC)
    moments = [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        midnight - timedelta(microseconds=1),
        midnight,
        midnight + timedelta(days=400),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ]
    events = [item(f"s:{number}", time=moment, joins=("j",)) for number, moment in enumerate(moments)]
    await store.accept(events[::-1])

    assert await keys(store, "j") == [event.key for event in events]
    for number, moment in enumerate(moments):
        assert await keys(store, "j", after=moment.timestamp()) == [event.key for event in events[number + 1 :]]
    assert await keys(store, "j", after=float("inf")) == []
    assert await keys(store, "j", after=moments[2].timestamp(), limit=2) == ["s:3", "s:4"]
    assert [one.key for one in await store.related("j", limit=5)] == [event.key for event in events[:5]]


async def test_joined_tells_moments_apart_when_they_are_a_microsecond_apart(store: Store) -> None:
    """The moment is exclusive to the microsecond, which is as fine as an event's time is."""
    late = NOON + timedelta(microseconds=1)
    await store.accept([item("s:1", time=NOON, joins=("j",)), item("s:2", time=late, joins=("j",))])

    assert await keys(store, "j", after=NOON.timestamp()) == ["s:2"]
    assert await keys(store, "j", after=late.timestamp()) == []


async def test_joined_finds_event_by_each_of_its_values_when_it_has_several(store: Store) -> None:
    """An event that several rules join in their own ways is found in each of them, once."""
    await store.accept([item("s:1", joins=("a", "b", "a")), item("s:2", joins=("b",)), item("s:3")])

    assert await keys(store, "a") == ["s:1"]
    assert await keys(store, "b") == ["s:1", "s:2"]


async def test_joined_is_empty_when_value_is_empty(store: Store) -> None:
    """What nothing joins is not joined with everything else that nothing joins."""
    await store.accept([item("s:1", joins=("",)), item("s:2", joins=("", "a"))])

    assert await keys(store, "") == []
    assert await keys(store, "a") == ["s:2"]


async def test_joined_is_in_order_of_keys_when_moments_are_equal(store: Store) -> None:
    """Events of one moment come in the order of their keys, not in that in which they arrived."""
    await store.accept([call("s:3"), call("s:1")])
    await store.accept([call("s:2")])

    assert await keys(store) == ["s:1", "s:2", "s:3"]


async def test_joined_stops_at_limit_when_there_are_more(store: Store) -> None:
    """The earliest so many are given; those that come later are found from there on, new ones included."""
    await store.accept([call(f"s:{number}", seconds=number) for number in range(5)])

    assert await keys(store, limit=2) == ["s:0", "s:1"]
    assert await keys(store, limit=0) == []
    assert await keys(store, limit=-1) == []
    await store.accept([call("s:9", seconds=1.5)])
    assert await keys(store, after=NOON.timestamp() + 1, limit=2) == ["s:9", "s:2"]


async def test_joined_keeps_first_when_delivery_is_repeated(store: Store) -> None:
    """A repeat adds no values to the event that is known, be it in the same batch, at the same time or later.

    Of two that come at the same time either may be the first.
    """
    await asyncio.gather(
        store.accept([call("s:1", join="first"), call("s:1", join="second")]),
        store.accept([call("s:1", join="third")]),
    )
    await store.accept([call("s:1", join="fourth"), call("s:2", join="fourth")])

    assert sorted([await keys(store, "first"), await keys(store, "third")]) == [[], ["s:1"]]
    assert [await keys(store, join) for join in ("second", "fourth")] == [[], ["s:2"]]


async def test_joined_finds_none_when_batch_was_refused(store: Store) -> None:
    """Of a batch that could not be written nothing is found; of its neighbours everything is."""
    bad = item("s:2", joins=(CUSTOMER,), data={"body": object()})

    answers = await asyncio.gather(
        store.accept([call("s:1"), bad]), store.accept([call("s:3")]), return_exceptions=True
    )

    assert isinstance(answers[0], ValueError)
    assert await keys(store) == ["s:3"]


async def test_joined_finds_all_when_batch_is_large(store: Store) -> None:
    """More events than any one statement takes, some of them known and some with many values, are all found."""
    await store.accept([call(f"s:{number:04}", join="before") for number in range(0, 700, 7)])

    await store.accept(
        [item(f"s:{number:04}", joins=("after", f"own {number}", f"{number % 5}")) for number in range(700)]
    )

    new = [f"s:{number:04}" for number in range(700) if number % 7]
    assert await keys(store, "after", limit=1000) == new
    assert await keys(store, "3", limit=1000) == [key for key in new if int(key[2:]) % 5 == 3]
    assert await keys(store, "own 699") == ["s:0699"]
    assert len(await keys(store, "before", limit=1000)) == 100


@pytest.mark.parametrize("event", UNREADABLE)
async def test_joined_leaves_out_event_when_it_cannot_be_read(store: Store, event: str) -> None:
    """An event that another version wrote is passed over, and takes none of the places that were asked for."""
    await store.accept([call(f"s:{number}", seconds=number) for number in range(4)])
    await overwrite(store, "s:0", event)
    await overwrite(store, "s:2", event)

    assert await keys(store) == ["s:1", "s:3"]
    assert await keys(store, limit=2) == ["s:1", "s:3"]


async def test_joined_finds_event_when_it_has_ended(store: Store) -> None:
    """What became of an event changes nothing about whose it was."""
    await store.accept([call("s:1")])
    claim = await store.claim("s:1", now=NOW, lease=60)
    assert claim is not None
    await store.settle(claim, Settlement(state="ignored", ended_at=NOW))

    assert await keys(store) == ["s:1"]


@pytest.mark.parametrize("text", [*ODD_TEXTS, "half \udc00"])
async def test_joined_finds_event_when_value_is_unusual(store: Store, text: str) -> None:
    """Any text joins, and what no encoding can carry joins as what is kept of it."""
    await store.accept([item("s:1", joins=(text,)), item("s:2", joins=(f"{text}x",))])

    assert await keys(store, text) == ["s:1"]


# The ledger


async def test_attach_keeps_row_when_written(store: Store) -> None:
    """A row comes back as it was given, with and without an id, for an event that nobody accepted too."""
    rows = [
        row(rule="a"),
        row(rule="b", activity=None, sent_at=NOW),
        row(rule="c", closed_at=NOW + 5),
        row("s:2", owner_id=2**40, customer="+4930123456", taken_back=2),
    ]
    for one in reversed(rows):
        await store.attach(one)

    assert await store.attachments("s:1") == rows[:3]
    assert await store.attachments("s:2") == rows[3:]
    assert await store.attachments("s:3") == []


async def test_on_top_is_what_was_added_last_to_the_card_and_is_there(store: Store) -> None:
    """Whatever event or customer it is of, and whether or not anything may take it off; other cards are others."""
    assert await store.on_top("main", 2, 17) is None
    rows = [
        row(rule="a", activity=901),
        row("s:2", join="", activity=905),
        row("s:3", join="customer\n+4930999999", activity=903, time=NOW + 60),
        row("s:4", activity=None, sent_at=NOW),
        row("s:5", activity=907, closed_at=NOW + 5),
        *(row(f"s:{number}", activity=number) for number in range(100, 125)),
    ]
    others = [row("s:6", portal="other", activity=910), row("s:7", owner_type=1, activity=911)]
    for one in [*rows, *others, row("s:8", owner_id=18, activity=912)]:
        await store.attach(one)

    assert await store.on_top("main", 2, 17) == rows[1]
    assert await store.on_top("other", 2, 17) == others[0]
    assert await store.on_top("main", 1, 17) == others[1]
    assert await store.on_top("main", 4, 17) is None
    assert await store.close_attachment("s:2", "missed call", now=NOW + 9)
    assert await store.on_top("main", 2, 17) == rows[2]
    await store.attach(row("s:3", owner_id=19, activity=903))
    assert await store.on_top("main", 2, 17) == rows[0]


async def test_on_top_is_found_beneath_many_that_were_taken_off(store: Store) -> None:
    """However long a card has been called about."""
    await store.attach(row("s:0", activity=1))
    for number in range(2, 35):
        await store.attach(row(f"s:{number}", activity=number, closed_at=NOW + number))

    assert await store.on_top("main", 2, 17) == row("s:0", activity=1)
    assert await store.close_attachment("s:0", "missed call", now=NOW)
    assert await store.on_top("main", 2, 17) is None


async def test_attach_replaces_row_when_event_and_rule_are_the_same(store: Store) -> None:
    """The second writing, which knows the id, takes the place of the first in every field."""
    await store.attach(row(activity=None, content="{}"))
    final = row(
        portal="other",
        badge="b",
        owner_type=1,
        owner_id=4,
        time=NOW + 1,
        join="j",
        content='{"x": 1}',
        activity=7,
        closed_at=NOW + 2,
        customer="c",
        taken_back=1,
    )

    await store.attach(final)

    assert await store.attachments("s:1") == [final]


async def test_attach_opens_row_again_when_it_is_given_open(store: Store) -> None:
    """`closed_at` is kept as it is given, whatever the row said before."""
    await store.attach(row(closed_at=NOW))
    assert await store.open_attachments(CUSTOMER) == []

    await store.attach(row())

    assert await store.open_attachments(CUSTOMER) == [row()]


@pytest.mark.parametrize("text", ODD_TEXTS)
async def test_attach_keeps_text_when_it_is_unusual(store: Store, text: str) -> None:
    """Any text comes back, and finds its row again."""
    given = row(text, text, portal=text, badge=text, join=text, content=text, customer=text)

    await store.attach(given)

    assert await store.attachments(text) == [given]
    assert await store.open_attachments(text) == [given]
    assert await store.close_attachment(text, text, now=NOW) is True


async def test_attach_replaces_when_text_is_half_a_surrogate_pair(store: Store) -> None:
    """What no encoding can carry is kept as U+FFFD, and found by either."""
    half = "x\ud800"
    await store.attach(row(half, half, portal=half, badge=half, join=half, content=half, activity=None, customer=half))

    whole = "x\ufffd"
    kept = row(whole, whole, portal=whole, badge=whole, join=whole, content=whole, activity=None, customer=whole)
    assert await store.attachments(half) == await store.attachments(whole) == [kept]
    assert await store.unattach(half, half) is True
    await store.attach(replace(kept, activity=1))
    assert await store.open_attachments(half) == [replace(kept, activity=1)]
    assert await store.close_attachment(half, half, now=NOW) is True


async def test_unattach_removes_row_when_activity_was_not_added(store: Store) -> None:
    """A row that was written ahead is taken back once; nothing else of its event goes with it."""
    await store.attach(row(rule="a", activity=None))
    await store.attach(row(rule="b", activity=None, sent_at=NOW))
    await store.attach(row("s:2", rule="a", activity=None))

    assert await store.unattach("s:1", "a") is True
    assert await store.unattach("s:1", "a") is False

    assert [one.rule for one in await store.attachments("s:1")] == ["b"]
    assert [one.rule for one in await store.attachments("s:2")] == ["a"]


async def test_unattach_is_refused_when_row_has_id(store: Store) -> None:
    """An activity that is there stays in the ledger, open or closed."""
    await store.attach(row(rule="a"))
    await store.attach(row(rule="b", activity=0, closed_at=NOW))

    assert await store.unattach("s:1", "a") is False
    assert await store.unattach("s:1", "b") is False
    assert await store.unattach("s:9", "a") is False
    assert len(await store.attachments("s:1")) == 2


async def test_open_attachments_are_what_can_be_cleared_when_asked_by_join(store: Store) -> None:
    """Rows of this customer that have an id and are not closed, earliest event first, then by key and rule."""
    wanted = [row("s:3", time=NOW - 1), row("s:1", "a"), row("s:1", "b"), row("s:2", "a")]
    others = [
        row("s:1", "maybe added", activity=None),
        row("s:1", "closed", closed_at=NOW),
        row("s:1", "somebody else's", join="customer\n+4930999999"),
        row("s:1", "nobody's", join=""),
    ]
    for one in (*others, *reversed(wanted)):
        await store.attach(one)

    assert await store.open_attachments(CUSTOMER) == wanted
    assert await store.open_attachments(CUSTOMER, before=NOW) == wanted[:1]
    assert await store.open_attachments(CUSTOMER, before=NOW + 1) == wanted
    assert await store.open_attachments(CUSTOMER, before=NOW - 1) == []
    assert await store.open_attachments("customer\n") == []


async def test_open_attachments_are_none_when_value_is_empty(store: Store) -> None:
    """A row that no later event is to find is not found by those that find nothing."""
    await store.attach(row(join=""))

    assert await store.open_attachments("") == []


async def test_close_attachment_happens_once_when_many_ask(store: Store) -> None:
    """Of many who completed the activity one is told that it was him; the first moment is the one that is kept."""
    await store.attach(row())

    answers = await asyncio.gather(*(store.close_attachment("s:1", "missed call", now=NOW) for _ in range(64)))
    assert await store.close_attachment("s:1", "missed call", now=NOW + 5) is False

    assert sorted(answers) == [False] * 63 + [True]
    assert await store.attachments("s:1") == [row(closed_at=NOW)]
    assert await store.open_attachments(CUSTOMER) == []


async def test_close_attachment_is_refused_when_there_is_no_row(store: Store) -> None:
    """An event or a rule that the ledger does not know closes nothing; one that was maybe added can be closed."""
    await store.attach(row(activity=None))

    assert await store.close_attachment("s:1", "another", now=NOW) is False
    assert await store.close_attachment("s:2", "missed call", now=NOW) is False
    assert await store.close_attachment("s:1", "missed call", now=NOW) is True


async def test_close_attachment_is_refused_when_the_row_has_another_activity(store: Store) -> None:
    """Who completed an activity that was taken back meanwhile does not close the one that was attached instead."""
    await store.attach(row(activity=901))

    assert await store.close_attachment("s:1", "missed call", now=NOW, activity=900) is False
    assert await store.open_attachments(CUSTOMER) == [row(activity=901)]
    assert await store.close_attachment("s:1", "missed call", now=NOW, activity=901) is True
    assert await store.attachments("s:1") == [row(activity=901, closed_at=NOW)]


# Under a lease


async def test_attach_writes_when_the_lease_is_the_claims(store: Store) -> None:
    """An attempt writes what it is about to add and what it added, and takes back what was not."""
    key = "s:\ud800"
    await store.accept([call(key, id="1")])
    claim = await claimed(store, key)

    assert await store.attach(row(key, activity=None, sent_at=NOW), claim=claim) is True
    assert await store.attach(row(key), claim=claim) is True
    assert await store.attach(row(key, rule="another", activity=None), claim=claim) is True
    assert await store.unattach(key, "another", claim=claim) is True
    assert await store.unattach(key, "missed call", claim=claim) is False

    assert await store.attachments(key) == [row("s:\ufffd")]


@pytest.mark.parametrize("end", ["taken over", "settled", "given back", "erased"])
async def test_attach_is_refused_when_the_lease_is_no_longer_the_claims(store: Store, end: str) -> None:
    """However the lease ended, what its holder of then writes or takes back changes nothing, and he is told so."""
    await store.accept([call("s:1"), call("s:2")])
    claim, other = await claimed(store), await claimed(store, "s:2")
    written = row(activity=None, sent_at=NOW)
    match end:
        case "taken over":
            claim_of_now = await claimed(store, now=NOW + 61)
            assert await store.attach(written, claim=claim_of_now)
        case "settled":
            await store.attach(written)
            await store.settle(claim, Settlement(state="waiting", ended_at=NOW, due=NOW + 5))
        case "given back":
            await store.attach(written)
            await store.give_back(claim)
        case _:
            await store.erase([Trace("event", "s:1")])

    assert await store.attach(row(activity=7), claim=claim) is False
    assert await store.attach(row(rule="another"), claim=claim) is False
    assert await store.attach(row(activity=7), claim=replace(other, key="s:1")) is False
    assert await store.unattach("s:1", "missed call", claim=claim) is False

    assert await store.attachments("s:1") == ([] if end == "erased" else [written])


async def test_attach_is_written_once_when_the_lease_ends_meanwhile(store: Store) -> None:
    """Of a holder and the one who takes over at the same time, no write of the first comes after one of the second."""
    await store.accept([call(f"s:{number}") for number in range(8)])
    late = [await claimed(store, f"s:{number}") for number in range(8)]

    async def take_over(key: str) -> bool:
        claim = await claimed(store, key, now=NOW + 61)
        found = await store.attachments(key)
        await store.attach(row(key, activity=2), claim=claim)
        return bool(found)

    async def write(claim: Claim) -> bool:
        return await store.attach(row(claim.key, activity=1), claim=claim)

    answers = await asyncio.gather(*(asyncio.gather(write(claim), take_over(claim.key)) for claim in late))

    for claim, (was_written, was_found) in zip(late, answers, strict=True):
        assert was_written == was_found, claim.key
        assert [one.activity for one in await store.attachments(claim.key)] == [2]


# Opening and closing


async def test_ledger_is_there_when_store_is_reopened(store: Store) -> None:
    """Joins and rows are as they were after the store was closed and opened again."""
    await store.accept([call("s:1"), call("s:2", seconds=1)])
    await store.attach(row(rule="a"))
    await store.attach(row(rule="b", activity=None, sent_at=NOW))
    await store.attach(row(rule="c"))
    await store.close_attachment("s:1", "c", now=NOW)
    joined, rows = await store.joined(CUSTOMER, after=LONG_AGO), await store.attachments("s:1")
    assert (len(joined), len(rows)) == (2, 3)

    await store.close()
    await store.open()

    assert await store.joined(CUSTOMER, after=LONG_AGO) == joined
    assert await store.attachments("s:1") == rows
    assert await store.open_attachments(CUSTOMER) == [row(rule="a")]


async def test_ledger_is_unavailable_when_store_is_not_open(store: Store) -> None:
    """A closed store says so instead of saying that there is nothing."""
    await store.close()

    for asked in (
        store.joined(CUSTOMER, after=0),
        store.attach(row()),
        store.unattach("s:1", "a"),
        store.attachments("s:1"),
        store.open_attachments(CUSTOMER),
        store.close_attachment("s:1", "a", now=NOW),
    ):
        with pytest.raises(StoreUnavailable, match="not open"):
            await asked


# Several processes


async def test_ledger_is_one_when_two_stores_share_a_file(tmp_path: Path) -> None:
    """What one process wrote down the other one finds, and an activity is closed by one of them."""
    first, second = SqliteStore(tmp_path / "state.db"), STORES["sqlite"](tmp_path)
    await first.open()
    await second.open()
    await first.accept([call("s:1")])
    await second.attach(row())

    assert await keys(second) == ["s:1"]
    assert await first.open_attachments(CUSTOMER) == [row()]
    closed = await asyncio.gather(
        *(store.close_attachment("s:1", "missed call", now=NOW) for store in (first, second) * 8)
    )
    assert sorted(closed) == [False] * 15 + [True]
    await first.close()
    await second.close()
