"""What every store does with events, whatever it keeps them in. What else it keeps is told beside this file.

Where the protocol leaves a choice, the choice is a test here:

- An accepted or redriven event is due at once. An event that was once found due stays due.
- `claim_due` goes by the time of receipt among all that is due; where thousands became due at once, a store may look at
  those that became due first.
- A lease that is over is taken back by the next `claim` of that event or the next `claim_due`; until then its holder
  may still settle it, because nobody else has it.
- A store numbers outcomes itself: the outcomes of a settlement belong to the claim's attempt.
- A paused lane whose time is over hands out one event at a time, and none while somebody holds the probe.
- Lanes are not nested: an event that waits for `main/x` does not wait for `main`.
- Probing a lane that is not paused is False; there is nothing to probe.
- A pause is never shortened; a further one counts one more failure and frees the probe.
- After the clock was set back, what lies further ahead than the longest wait, pause or lease counts as over, for
  `next_due` as for those who claim. Claiming also writes it down for lanes, whose pauses others read.
- An attempt that was given back keeps its number.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from badge_bridge.errors import StoreUnavailable
from badge_bridge.outcomes import Outcome
from badge_bridge.store.protocol import (
    LONGEST_LEASE,
    Attempt,
    Store,
)
from badge_bridge.store.wanted import Wanted
from support.stores import NOW, ODD_TEXTS, UNREADABLE, claimed, ended, item, knows_who_is_gone, overwrite

# Accepting


async def test_accept_says_new_when_key_was_never_seen(store: Store) -> None:
    """The first delivery of an event is new and is kept as it was given."""
    given = item(caller="+4930123", data={"CallSid": "CA1", "n": [1, 2.5, None, True]})

    assert await store.accept([given]) == [True]

    stored = await store.get("s:1")
    assert stored is not None
    assert stored.event == given.event
    assert (stored.key, stored.verified, stored.received_at) == ("s:1", "hmac-sha1", NOW)
    assert (stored.state, stored.reason, stored.attempts, stored.failures) == ("waiting", "", 0, 0)
    assert (stored.due, stored.lane, stored.settled_at, stored.rules_hash) == (NOW, "", None, "")
    assert (stored.outcomes, stored.history) == ((), ())


async def test_accept_says_known_when_key_is_repeated(store: Store) -> None:
    """A repeated delivery changes nothing, whatever it carries."""
    await store.accept([item(caller="first")])

    assert await store.accept([item(caller="second", received_at=NOW + 5)]) == [False]

    stored = await store.get("s:1")
    assert stored is not None
    assert (stored.event.caller, stored.received_at) == ("first", NOW)


async def test_accept_says_known_when_event_already_ended(store: Store) -> None:
    """A late repeat of a finished event does not start it again."""
    await store.accept([item()])
    await store.settle(await claimed(store), ended())

    assert await store.accept([item()]) == [False]
    assert await store.claim("s:1", now=NOW + 100, lease=60) is None


async def test_accept_takes_one_when_64_arrive_together(store: Store) -> None:
    """Of 64 simultaneous deliveries of one event exactly one is new."""
    answers = await asyncio.gather(*(store.accept([item()]) for _ in range(64)))

    assert sorted(answers) == [[False]] * 63 + [[True]]


async def test_accept_answers_each_when_batch_mixes_known_and_new(store: Store) -> None:
    """A batch answers for each of its events, repeats within the batch included."""
    await store.accept([item("s:2")])

    assert await store.accept([item("s:1"), item("s:2"), item("s:3"), item("s:1")]) == [True, False, True, False]


async def test_accept_does_nothing_when_batch_is_empty(store: Store) -> None:
    """An empty batch has no answers."""
    assert await store.accept([]) == []


async def test_accept_writes_none_when_one_of_batch_cannot_be_written(store: Store) -> None:
    """A batch is kept whole or not at all; others that arrive at the same time are not touched by its failure."""
    bad = item("s:2", data={"body": object()})

    answers = await asyncio.gather(
        store.accept([item("s:1"), bad]), store.accept([item("s:3")]), return_exceptions=True
    )

    assert isinstance(answers[0], ValueError)
    assert answers[1] == [True]
    assert [stored.key for stored in (await store.list()).events] == ["s:3"]


async def test_accept_keeps_order_when_batch_is_large(store: Store) -> None:
    """More events than any one statement takes are answered in order."""
    keys = [f"s:{number:04}" for number in range(700)]
    await store.accept([item(key) for key in keys[::7]])

    answers = await store.accept([item(key) for key in keys])

    assert answers == [number % 7 != 0 for number in range(700)]


@pytest.mark.parametrize("text", ODD_TEXTS)
async def test_accept_keeps_text_when_it_is_unusual(store: Store, text: str) -> None:
    """Any Unicode text, NUL included, comes back as it was, in fields, data and columns."""
    given = item(text, source=text, type=text, subject=text, verified=text, data={text: [text]})

    assert await store.accept([given, given]) == [True, False]

    stored = await store.get(text)
    assert stored is not None
    assert stored.event == given.event
    assert stored.verified == text
    assert [found.key for found in (await store.list(Wanted(source=text, type=text))).events] == [text]


async def test_accept_replaces_when_text_is_half_a_surrogate_pair(store: Store) -> None:
    """What JSON can escape but no encoding can carry is kept as U+FFFD instead of being refused."""
    assert await store.accept([item("s:\udc00", id="1", data={"a\ud800": "\udfffb"}, verified="\ud83d")]) == [True]

    stored = await store.get("s:\udc00")
    assert stored is not None
    assert stored.event.data == {"a\ufffd": "\ufffdb"}
    assert (stored.key, stored.verified) == ("s:\ufffd", "\ufffd")


async def test_accept_keeps_null_when_number_is_not_a_number(store: Store) -> None:
    """NaN and infinity, which JSON does not have, become null."""
    await store.accept([item(data={"nan": float("nan"), "inf": float("inf"), "big": 10**40})])

    stored = await store.get("s:1")
    assert stored is not None
    assert stored.event.data == {"nan": None, "inf": None, "big": 10**40}


async def test_accept_keeps_all_when_data_is_very_large(store: Store) -> None:
    """A body at the limit of a delivery, and well beyond it, is kept whole."""
    given = item(data={"body": "x" * 8_000_000})

    assert await store.accept([given]) == [True]

    assert (await claimed(store)).event == given.event


@pytest.mark.parametrize("levels", [199, 255, 600])
async def test_accept_keeps_all_when_data_is_nested_deeply(store: Store, levels: int) -> None:
    """What was accepted can be claimed, however deep its body goes."""
    data: dict[str, Any] = {}
    for _ in range(levels):
        data = {"deeper": data}

    await store.accept([item(data=data)])

    assert (await claimed(store)).event.data == data


# What this version cannot read


@pytest.mark.parametrize("event", UNREADABLE)
async def test_claim_due_hands_out_others_when_one_cannot_be_read(
    store: Store, event: str, caplog: pytest.LogCaptureFixture
) -> None:
    """An event that another version wrote ends as dead, told once, and those that came with it go their way."""
    await store.accept([item("s:1"), item("s:2"), item("s:3")])
    await overwrite(store, "s:2", event)

    claims = await store.claim_due(now=NOW + 5, lease=60, limit=10)
    assert await store.claim_due(now=NOW + 100_000, lease=60, limit=10) != []

    assert [claim.key for claim in claims] == ["s:1", "s:3"]
    stored = await store.get("s:2")
    assert stored is not None
    assert (stored.state, stored.failures, stored.settled_at) == ("dead", 1, NOW + 5)
    assert stored.reason.startswith("this version cannot read the stored event: ")
    assert stored.history == (Attempt(1, NOW + 5, NOW + 5, "dead", stored.reason, ()),)
    (record,) = (record for record in caplog.records if record.levelname == "ERROR")
    assert record.getMessage().startswith(f"s:2: {stored.reason}")
    assert "+4930" not in caplog.text


async def test_claim_sets_aside_when_event_cannot_be_read(store: Store) -> None:
    """The same goes for an event that is asked for by its key; redriven by a version that reads it, it is whole."""
    given = item()
    await store.accept([given])
    await overwrite(store, "s:1", "{}")
    assert await store.claim("s:1", now=NOW, lease=60) is None
    stored = await store.get("s:1")
    assert stored is not None
    assert stored.state == "dead"

    await overwrite(store, "s:1", given.event.model_dump_json())
    await store.redrive("s:1", now=NOW)

    assert (await claimed(store)).event == given.event


@pytest.mark.parametrize("event", UNREADABLE)
async def test_get_and_list_show_event_when_it_cannot_be_read(store: Store, event: str) -> None:
    """An operator sees that there is an event, whose it is and what is wrong with it, among all the others."""
    await store.accept([item("s:1", source="reception", type="call.missed"), item("s:2")])
    await overwrite(store, "s:1", event)

    stored = await store.get("s:1")

    assert stored is not None
    assert (stored.event.id, stored.event.type, stored.event.source) == ("unreadable", "unreadable", "reception")
    assert (stored.event.data, stored.state, stored.received_at) == ({}, "waiting", NOW)
    assert stored.reason.startswith("this version cannot read the stored event: ")
    assert [found.event.type for found in (await store.list()).events] == ["call.missed", "unreadable"]
    assert [found.reason for found in (await store.list(Wanted(type="call.missed"))).events] == ["", stored.reason]


async def test_accept_writes_none_when_event_could_not_be_read_again(store: Store) -> None:
    """What can be written but not read again is refused before anything of its batch is kept."""
    with pytest.raises(ValueError, match="could not be read again"):
        await store.accept([item("s:1"), item("s:2", data={"n": 10**5000})])

    assert (await store.list()).events == ()


# Listing


async def test_list_pages_newest_first_when_times_are_equal(store: Store) -> None:
    """Pages follow each other without gap or repeat, events of one moment included; events come without history."""
    for number in range(25):
        await store.accept([item(f"s:{number:02}", received_at=NOW + number // 10)])
    await store.settle(await claimed(store, "s:24"), ended(outcomes=(Outcome(rule="r", result="ensured"),)))

    pages = []
    before: tuple[float, str] | None = None
    while True:
        page = await store.list(limit=6, before=before)
        pages.append([stored.key for stored in page.events])
        assert all(stored.history == () and stored.outcomes == () for stored in page.events)
        if page.more is None:
            break
        before = page.more

    assert [len(page) for page in pages] == [6, 6, 6, 6, 1]
    assert list(itertools.chain.from_iterable(pages)) == [f"s:{number:02}" for number in reversed(range(25))]


async def test_list_has_no_more_when_page_is_exactly_full(store: Store) -> None:
    """The last page says that it is the last."""
    await store.accept([item("s:1"), item("s:2")])

    assert (await store.list(limit=2)).more is None
    assert (await store.list(limit=1)).more == (NOW, "s:2")
    assert (await store.list(limit=0)).events == ()


# Opening and closing


async def test_store_is_unavailable_when_not_open(store: Store) -> None:
    """Before open and after close every call says that the store is not open; closing twice is harmless."""
    await store.accept([item()])
    claim = await claimed(store)
    await store.close()
    await store.close()

    for call in (
        store.ping(),
        store.accept([item()]),
        store.claim("s:1", now=NOW, lease=60),
        store.claim_due(now=NOW, lease=60, limit=1),
        store.get("s:1"),
        store.list(),
        store.next_due(now=NOW),
        store.give_back(claim),
        store.pause("main", until=NOW, reason="x"),
    ):
        with pytest.raises(StoreUnavailable, match="not open"):
            await call


async def test_ping_returns_when_store_takes_events(store: Store) -> None:
    """A healthy store says so before and after it was written to, and nothing in it changes by asking."""
    await store.ping()
    await store.accept([item()])
    before = await store.get("s:1"), await store.list()

    await store.ping()

    assert (await store.get("s:1"), await store.list()) == before
    assert await store.accept([item("s:1"), item("s:2")]) == [False, True]


async def test_open_keeps_everything_when_reopened(store: Store) -> None:
    """A store that was closed and opened again has its events, attempts and pauses."""
    await store.accept([item("s:1"), item("s:2")])
    await store.settle(await claimed(store, "s:1"), ended(outcomes=(Outcome(rule="r", result="ensured"),)))
    await store.pause("main", until=NOW + 5, reason="x")
    before = [await store.get("s:1"), await store.get("s:2"), await store.paused(["main"])]

    await store.close()
    await store.open()
    await store.open()
    await store.ping()

    assert [await store.get("s:1"), await store.get("s:2"), await store.paused(["main"])] == before


async def test_open_takes_back_leases_when_holder_is_gone(store: Store) -> None:
    """An event that was leased when its process ended is due after the restart, one failure on: at once, or where
    others may have the store open, when the longest lease there is has run out.
    """
    await store.accept([item()])
    old = await claimed(store, lease=10_000)

    await store.close()
    await store.open()

    free = NOW if knows_who_is_gone(store) else NOW + LONGEST_LEASE
    if free > NOW:
        assert await store.claim_due(now=free - 1, lease=60, limit=10) == []
    (claim,) = await store.claim_due(now=free, lease=60, limit=10)
    assert (claim.attempt, claim.failures) == (2, 1)
    assert await store.settle(old, ended()) is False
    stored = await store.get("s:1")
    assert stored is not None
    assert [attempt.result for attempt in stored.history] == ["lost", "working"]
