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
from typing import Any, Literal

import pytest

from badge_bridge import pipeline, retry
from badge_bridge.errors import LimitReached, StoreUnavailable
from badge_bridge.outcomes import Exchange, Outcome
from badge_bridge.portal.lanes import PROBE_HOLD
from badge_bridge.portal.pausing import pause_length
from badge_bridge.store.protocol import (
    LONGEST_LEASE,
    LONGEST_PAUSE,
    LONGEST_WAIT,
    Attempt,
    Claim,
    Pause,
    Settlement,
    Store,
)
from support.stores import LATER, NOW, ODD_TEXTS, UNREADABLE, item, overwrite


async def claimed(store: Store, key: str = "s:1", *, now: float = NOW, lease: float = 60) -> Claim:
    claim = await store.claim(key, now=now, lease=lease)
    assert claim is not None
    return claim


async def wait_for_lane(store: Store, *keys: str, lane: str = "main", due: float = NOW) -> None:
    """Accept events and let each wait for a lane."""
    for number, key in enumerate(keys):
        await store.accept([item(key, received_at=NOW + number)])
        claim = await claimed(store, key)
        await store.settle(claim, Settlement(state="waiting", ended_at=NOW, lane=lane, due=due))


def ended(state: Literal["done", "ignored", "waiting", "dead"] = "done", **fields: Any) -> Settlement:
    return Settlement(state=state, ended_at=fields.pop("ended_at", NOW + 1), **fields)


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
    assert [found.key for found in (await store.list(source=text, type=text)).events] == [text]


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


# Claiming


async def test_claim_leases_when_event_is_due(store: Store) -> None:
    """A claim carries the event, its first attempt and its lease."""
    given = item()
    await store.accept([given])

    claim = await claimed(store, now=NOW + 2, lease=30)

    assert claim.event == given.event
    assert (claim.key, claim.attempt, claim.failures, claim.received_at) == ("s:1", 1, 0, NOW)
    assert (claim.leased_until, claim.outcomes) == (NOW + 32, ())
    stored = await store.get("s:1")
    assert stored is not None
    assert (stored.state, stored.attempts) == ("working", 1)
    assert stored.history == (Attempt(1, NOW + 2, None, "working", "", ()),)


async def test_claim_is_none_when_key_is_unknown(store: Store) -> None:
    """An unknown key is nothing to claim, to settle, to redrive or to get."""
    assert await store.claim("s:nobody", now=NOW, lease=60) is None
    assert await store.get("s:nobody") is None
    assert await store.redrive("s:nobody", now=NOW) is False


async def test_claim_goes_to_one_when_many_ask(store: Store) -> None:
    """Of many who claim an event at once exactly one gets it."""
    await store.accept([item()])

    claims = await asyncio.gather(*(store.claim("s:1", now=NOW, lease=60) for _ in range(32)))

    assert len([claim for claim in claims if claim]) == 1


async def test_claim_is_none_when_leased_by_another(store: Store) -> None:
    """A lease keeps others away until its last moment."""
    await store.accept([item()])
    await claimed(store, lease=60)

    assert await store.claim("s:1", now=NOW + 59.9, lease=60) is None
    assert await store.claim_due(now=NOW + 59.9, lease=60, limit=10) == []


@pytest.mark.parametrize("by", ["claim", "claim_due"])
async def test_claim_takes_over_when_lease_is_over(store: Store, by: str) -> None:
    """A lease that ran out counts as a failure, its attempt as lost, and the next attempt gets the next number."""
    await store.accept([item()])
    first = await claimed(store, lease=60)

    if by == "claim":
        second = await claimed(store, now=NOW + 60)
    else:
        (second,) = await store.claim_due(now=NOW + 60, lease=60, limit=10)

    assert (second.attempt, second.failures) == (2, 1)
    assert second.token != first.token
    stored = await store.get("s:1")
    assert stored is not None
    assert stored.history == (
        Attempt(1, NOW, None, "lost", "", ()),
        Attempt(2, NOW + 60, None, "working", "", ()),
    )


async def test_settle_is_refused_when_lease_was_taken_over(store: Store) -> None:
    """Who lost his lease writes nothing, before and after his successor has settled."""
    await store.accept([item()])
    first = await claimed(store)
    second = await claimed(store, now=NOW + 60)

    assert await store.settle(first, ended("dead", reason="stale")) is False
    assert await store.settle(second, ended("done")) is True
    assert await store.settle(first, ended("dead", reason="stale")) is False

    stored = await store.get("s:1")
    assert stored is not None
    assert (stored.state, stored.reason) == ("done", "")


async def test_settle_works_when_lease_is_over_but_nobody_took_it(store: Store) -> None:
    """A holder who is late but still the only one may end his attempt."""
    await store.accept([item()])
    claim = await claimed(store, lease=1)

    assert await store.settle(claim, ended(ended_at=NOW + 100)) is True


async def test_settle_is_refused_when_done_twice(store: Store) -> None:
    """An attempt ends once."""
    await store.accept([item()])
    claim = await claimed(store)

    assert await store.settle(claim, ended("waiting", due=NOW + 5)) is True
    assert await store.settle(claim, ended("done")) is False


async def test_claim_due_hands_out_oldest_first_when_more_are_due(store: Store) -> None:
    """The order is that of receipt, whatever the order of keys, of writing and of due times; equal times by key."""
    for key, received_at in (("s:c", NOW), ("s:a", NOW + 2), ("s:d", NOW + 1), ("s:b", NOW + 1)):
        await store.accept([item(key, received_at=received_at)])
    retried = await claimed(store, "s:c", now=NOW + 3)
    await store.settle(retried, ended("waiting", due=NOW + 9))

    first = await store.claim_due(now=NOW + 10, lease=60, limit=3)
    rest = await store.claim_due(now=NOW + 10, lease=60, limit=3)

    assert [claim.key for claim in first] == ["s:c", "s:b", "s:d"]
    assert [claim.key for claim in rest] == ["s:a"]
    assert len({claim.token for claim in first + rest}) == 4


async def test_claim_due_shares_out_when_many_ask(store: Store) -> None:
    """Simultaneous workers never get the same event."""
    await store.accept([item(f"s:{number}") for number in range(50)])

    parts = await asyncio.gather(*(store.claim_due(now=NOW, lease=60, limit=7) for _ in range(10)))

    keys = [claim.key for part in parts for claim in part]
    assert sorted(keys) == sorted(f"s:{number}" for number in range(50))
    assert max(len(part) for part in parts) == 7


async def test_claim_due_is_empty_when_limit_is_zero(store: Store) -> None:
    """A worker without room gets nothing."""
    await store.accept([item()])

    assert await store.claim_due(now=NOW, lease=60, limit=0) == []


# Settling


async def test_settle_records_all_when_attempt_ends(store: Store) -> None:
    """What was reached and asked in an attempt is found again, with the attempt's number."""
    await store.accept([item()])
    asked = (Exchange(method="crm.activity.badge.get", answer="NOT_FOUND", milliseconds=12.5),)
    reached = (Outcome(rule="missed call", result="badged", badge="b1", portal="main"),)

    await store.settle(
        await claimed(store),
        ended("ignored", reason="no rule", outcomes=reached, asked=asked, rules_hash="abc"),
    )

    stored = await store.get("s:1")
    assert stored is not None
    assert (stored.state, stored.reason, stored.settled_at, stored.rules_hash) == ("ignored", "no rule", NOW + 1, "abc")
    assert stored.outcomes == (reached[0].model_copy(update={"attempt": 1}),)
    assert stored.history == (Attempt(1, NOW, NOW + 1, "ignored", "no rule", asked, "abc"),)


async def test_settle_keeps_text_when_portal_answered_oddly(store: Store) -> None:
    """A reason or answer with characters that cannot be encoded does not stop an event from ending."""
    await store.accept([item()])
    asked = (Exchange(method="m", answer="\ud800", milliseconds=0),)
    reached = (Outcome(rule="r", result="failed", reason="bad \udc00"),)

    settled = await store.settle(
        await claimed(store), ended("dead", reason="nul \0 half \ud83d", asked=asked, outcomes=reached)
    )

    assert settled is True
    stored = await store.get("s:1")
    assert stored is not None
    assert stored.reason == "nul \0 half \ufffd"
    assert stored.outcomes[0].reason == "bad \ufffd"
    assert stored.history[0].asked[0].answer == "\ufffd"


async def test_settle_waits_until_due_when_retry_is_later(store: Store) -> None:
    """A retry is not due a moment before its time, and then it carries what was reached and how often it failed."""
    await store.accept([item()])
    reached = (Outcome(rule="one", result="ensured", attempt=1),)
    await store.settle(
        await claimed(store), ended("waiting", due=NOW + 30, failed=True, reason="timeout", outcomes=reached)
    )

    assert await store.claim("s:1", now=NOW + 29.9, lease=60) is None
    assert await store.claim_due(now=NOW + 29.9, lease=60, limit=10) == []
    stored = await store.get("s:1")
    assert stored is not None
    assert (stored.state, stored.due, stored.reason, stored.failures) == ("waiting", NOW + 30, "timeout", 1)
    assert stored.settled_at is None

    claim = await claimed(store, now=NOW + 30)
    assert (claim.attempt, claim.failures, claim.outcomes) == (2, 1, reached)


async def test_settle_counts_nothing_when_not_failed(store: Store) -> None:
    """An attempt that ended because the portal is paused does not bring an event closer to dead."""
    await store.accept([item()])
    for _ in range(5):
        await store.settle(await claimed(store), ended("waiting", due=NOW, failed=False))

    claim = await claimed(store)
    assert (claim.attempt, claim.failures) == (6, 0)


async def test_get_shows_every_attempt_when_there_were_several(store: Store) -> None:
    """Attempts only grow, and their outcomes are listed in their order."""
    await store.accept([item()])
    for number, state in enumerate(("waiting", "waiting", "done"), start=1):
        claim = await claimed(store, now=NOW + number)
        reached = (Outcome(rule=f"rule {number}", result="ensured"), Outcome(rule="again", result="failed"))
        await store.settle(claim, ended(state, due=NOW, outcomes=reached, reason=str(number)))  # type: ignore[arg-type]

    stored = await store.get("s:1")
    assert stored is not None
    assert [(one.number, one.result, one.reason) for one in stored.history] == [
        (1, "waiting", "1"),
        (2, "waiting", "2"),
        (3, "done", "3"),
    ]
    assert [(one.rule, one.attempt) for one in stored.outcomes] == [
        ("rule 1", 1),
        ("again", 1),
        ("rule 2", 2),
        ("again", 2),
        ("rule 3", 3),
        ("again", 3),
    ]


# Redriving


@pytest.mark.parametrize("state", ["done", "ignored", "dead"])
async def test_redrive_makes_due_when_event_has_ended(store: Store, state: Any) -> None:
    """A redriven event starts afresh: due, no failures, earlier outcomes only in its history; attempts go on."""
    await store.accept([item()])
    reached = (Outcome(rule="r", result="failed"),)
    await store.settle(await claimed(store), ended(state, failed=True, reason="x", outcomes=reached))

    assert await store.redrive("s:1", now=NOW + 50) is True

    stored = await store.get("s:1")
    assert stored is not None
    assert (stored.state, stored.reason, stored.failures, stored.due) == ("waiting", "", 0, NOW + 50)
    assert (stored.settled_at, stored.attempts, len(stored.outcomes), len(stored.history)) == (None, 1, 1, 1)
    (claim,) = await store.claim_due(now=NOW + 50, lease=60, limit=1)
    assert (claim.attempt, claim.failures, claim.outcomes) == (2, 0, ())


async def test_redrive_hides_only_earlier_outcomes_when_retried_afterwards(store: Store) -> None:
    """What is reached after a redrive is known to the attempts after it."""
    await store.accept([item()])
    await store.settle(await claimed(store), ended("dead", outcomes=(Outcome(rule="old", result="failed"),)))
    await store.redrive("s:1", now=NOW)
    again = (Outcome(rule="new", result="ensured"),)
    await store.settle(await claimed(store), ended("waiting", due=NOW, outcomes=again))

    claim = await claimed(store)

    assert [(one.rule, one.attempt) for one in claim.outcomes] == [("new", 2)]


async def test_redrive_is_refused_when_event_has_not_ended(store: Store) -> None:
    """A waiting or working event is on its way already."""
    await store.accept([item()])
    assert await store.redrive("s:1", now=NOW) is False
    claim = await claimed(store)
    assert await store.redrive("s:1", now=NOW) is False
    assert await store.settle(claim, ended()) is True


async def test_redrive_happens_once_when_many_ask(store: Store) -> None:
    """Two operators who press the button at once redrive an event once."""
    await store.accept([item()])
    await store.settle(await claimed(store), ended("dead"))

    answers = await asyncio.gather(*(store.redrive("s:1", now=NOW) for _ in range(8)))

    assert sorted(answers) == [False] * 7 + [True]


# Lanes


async def test_pause_keeps_events_back_when_they_wait_for_lane(store: Store) -> None:
    """An event that waits for a paused lane is not handed out, others are."""
    await store.pause("main", until=NOW + 100, reason="portal is down")
    await wait_for_lane(store, "s:1")
    await store.accept([item("s:2", received_at=NOW + 9)])

    assert await store.claim("s:1", now=NOW + 50, lease=60) is None
    assert [claim.key for claim in await store.claim_due(now=NOW + 50, lease=60, limit=10)] == ["s:2"]


async def test_claim_due_changes_nothing_when_none_is_wanted(store: Store) -> None:
    """A limit of 0 takes no lease back either."""
    await store.accept([item()])
    await claimed(store)
    assert await store.claim_due(now=NOW + 10_000, lease=60, limit=0) == []
    stored = await store.get("s:1")
    assert stored is not None
    assert (stored.state, stored.failures) == ("working", 0)


async def test_pause_keeps_nothing_back_when_another_lane_is_paused(store: Store) -> None:
    """Lanes are independent, a method's lane of its portal's included."""
    await store.pause("main", until=NOW + 100, reason="x")
    await store.pause("main/a", until=NOW + 100, reason="x")
    await wait_for_lane(store, "s:1", lane="main/b")

    assert await store.claim("s:1", now=NOW, lease=60) is not None


async def test_resume_lets_all_go_when_lane_was_paused(store: Store) -> None:
    """After a resume every event of the lane is due, as far as its own time has come."""
    await store.pause("main", until=NOW + 100, reason="x")
    await wait_for_lane(store, "s:1", "s:2")
    await wait_for_lane(store, "s:later", due=NOW + 500)

    assert await store.resume("main") is True
    assert await store.resume("main") is False

    assert [claim.key for claim in await store.claim_due(now=NOW + 1, lease=60, limit=10)] == ["s:1", "s:2"]
    assert await store.paused(["main"]) == []


async def test_pause_lets_one_go_when_its_time_is_over(store: Store) -> None:
    """A half-open lane hands out its oldest event as a probe and no other while that one is under lease."""
    await store.pause("main", until=NOW + 100, reason="x")
    await wait_for_lane(store, "s:1", "s:2", "s:3")

    assert await store.claim_due(now=NOW + 99.9, lease=60, limit=10) == []
    (probe,) = await store.claim_due(now=NOW + 100, lease=60, limit=10)

    assert probe.key == "s:1"
    assert await store.claim_due(now=NOW + 101, lease=60, limit=10) == []
    assert await store.claim("s:2", now=NOW + 101, lease=60) is None


async def test_pause_lets_next_go_when_probe_ended_without_verdict(store: Store) -> None:
    """A probe that ended without pausing or resuming the lane makes room for the next."""
    await store.pause("main", until=NOW + 100, reason="x")
    await wait_for_lane(store, "s:1", "s:2")
    (first,) = await store.claim_due(now=NOW + 100, lease=60, limit=10)
    await store.settle(first, ended("ignored"))

    assert [claim.key for claim in await store.claim_due(now=NOW + 101, lease=60, limit=10)] == ["s:2"]


async def test_pause_lets_one_go_when_probe_was_lost(store: Store) -> None:
    """The lease of a probe is its time limit."""
    await store.pause("main", until=NOW + 100, reason="x")
    await wait_for_lane(store, "s:1", "s:2")
    await store.claim_due(now=NOW + 100, lease=60, limit=10)

    (probe,) = await store.claim_due(now=NOW + 160, lease=60, limit=10)

    assert (probe.key, probe.failures) == ("s:1", 1)


async def test_claim_names_its_lane_when_a_half_open_lane_let_it_through(store: Store) -> None:
    """Whoever holds a probe can tell; an event of an open lane, or of one that was resumed, names none."""
    await store.pause("main", until=NOW + 10, reason="x")
    await wait_for_lane(store, "s:1", "s:2")
    (probe,) = await store.claim_due(now=NOW + 10, lease=60, limit=10)
    assert probe.lane == "main"
    await store.resume("main")
    (free,) = await store.claim_due(now=NOW + 10, lease=60, limit=10)
    assert free.lane == ""


async def test_pause_lets_one_of_each_go_when_several_lanes_are_half_open(store: Store) -> None:
    """Each half-open lane has its own probe, and none takes the place of events that are free to go."""
    for lane in ("main", "other"):
        await store.pause(lane, until=NOW + 10, reason="x")
        await wait_for_lane(store, f"{lane}:1", f"{lane}:2", lane=lane)
    await store.accept([item("s:1", received_at=NOW + 5), item("s:2", received_at=NOW + 6)])

    claims = await store.claim_due(now=NOW + 20, lease=60, limit=10)

    assert [claim.key for claim in claims] == ["main:1", "other:1", "s:1", "s:2"]


async def test_pause_lets_none_go_when_somebody_holds_the_probe(store: Store) -> None:
    """While somebody else probes the lane, its events stay."""
    await store.pause("main", until=NOW + 10, reason="x")
    await wait_for_lane(store, "s:1")
    assert await store.probe("main", now=NOW + 20, hold=30) is True

    assert await store.claim_due(now=NOW + 49, lease=60, limit=10) == []
    assert await store.claim("s:1", now=NOW + 49, lease=60) is None
    assert await store.claim("s:1", now=NOW + 50, lease=60) is not None


async def test_probe_is_for_one_when_many_ask(store: Store) -> None:
    """One caller becomes the probe, until its hold is over."""
    await store.pause("main", until=NOW + 10, reason="x")

    answers = await asyncio.gather(*(store.probe("main", now=NOW + 10, hold=5) for _ in range(16)))

    assert sorted(answers) == [False] * 15 + [True]
    assert await store.probe("main", now=NOW + 14.9, hold=5) is False
    assert await store.probe("main", now=NOW + 15, hold=5) is True


async def test_probe_is_refused_when_pause_is_not_over_or_none(store: Store) -> None:
    """There is nothing to probe before a pause is over, nor where there is none."""
    await store.pause("main", until=NOW + 10, reason="x")

    assert await store.probe("main", now=NOW + 9.9, hold=5) is False
    assert await store.probe("other", now=NOW + 100, hold=5) is False


async def test_pause_counts_and_lengthens_when_repeated(store: Store) -> None:
    """Each further pause counts a failure, never shortens, keeps the latest reason and frees the probe."""
    assert await store.pause("main", until=NOW + 10, reason="a") == Pause("main", NOW + 10, 1, "a")
    await store.probe("main", now=NOW + 10, hold=1000)
    assert await store.pause("main", until=NOW + 50, reason="b") == Pause("main", NOW + 50, 2, "b")
    assert await store.pause("main", until=NOW + 20, reason="c") == Pause("main", NOW + 50, 3, "c")

    assert await store.paused(["main"]) == [Pause("main", NOW + 50, 3, "c")]
    assert await store.probe("main", now=NOW + 50, hold=5) is True


async def test_pause_starts_at_one_when_lane_was_resumed(store: Store) -> None:
    """A resumed lane has no past."""
    await store.pause("main", until=NOW + 10, reason="a")
    await store.pause("main", until=NOW + 10, reason="a")
    await store.resume("main")

    assert (await store.pause("main", until=NOW + 5, reason="b")).failures == 1


async def test_paused_lists_asked_lanes_when_some_are_paused(store: Store) -> None:
    """Pauses are listed by lane, each once, whether their time is over or not."""
    for lane in ("b", "a", "c"):
        await store.pause(lane, until=0, reason=lane)

    assert [pause.lane for pause in await store.paused(["c", "none", "a", "c"])] == ["a", "c"]
    assert await store.paused([]) == []


# The time of the next work


async def test_next_due_is_none_when_nothing_can_become_due(store: Store) -> None:
    """An empty store and one where all events have ended have nothing to wait for."""
    assert await store.next_due(now=NOW) is None
    await store.accept([item()])
    await store.settle(await claimed(store), ended())
    assert await store.next_due(now=NOW) is None


async def test_next_due_is_earliest_when_events_wait_retry_and_are_leased(store: Store) -> None:
    """The next time is that of the first event to become due or of the first lease to end."""
    await store.accept([item("s:retry"), item("s:leased"), item("s:new")])
    retry = await claimed(store, "s:retry")
    await store.settle(retry, ended("waiting", due=NOW + 100))
    leased = await claimed(store, "s:leased", lease=70)
    assert await store.next_due(now=NOW + 1) == NOW + 1

    await store.settle(await claimed(store, "s:new"), ended())
    assert await store.next_due(now=NOW + 1) == NOW + 70

    await store.settle(leased, ended())
    assert await store.next_due(now=NOW + 1) == NOW + 100
    assert await store.next_due(now=NOW + 101) == NOW + 101


async def test_next_due_is_end_of_pause_when_events_wait_for_lane(store: Store) -> None:
    """Events of a paused lane wait for its pause, for who holds its probe, and for the lease of its probe."""
    await store.pause("main", until=NOW + 100, reason="x")
    await wait_for_lane(store, "s:1", "s:2")
    assert await store.next_due(now=NOW) == NOW + 100

    await store.probe("main", now=NOW + 100, hold=30)
    assert await store.next_due(now=NOW) == NOW + 130

    await store.claim_due(now=NOW + 130, lease=40, limit=10)
    assert await store.next_due(now=NOW) == NOW + 170

    await store.resume("main")
    assert await store.next_due(now=NOW) == NOW


# A clock that is set back


async def test_claim_due_takes_all_when_clock_is_set_back(store: Store) -> None:
    """What was planned by a clock a year ahead is due once the clock is right: ready, waiting or under lease."""
    await store.accept([item(f"s:{state}", received_at=LATER) for state in ("leased", "ready", "retry")])
    await claimed(store, "s:leased", now=LATER)
    await store.settle(await claimed(store, "s:retry", now=LATER), ended("waiting", ended_at=LATER, due=LATER + 30))

    assert await store.next_due(now=NOW) == NOW
    claims = await store.claim_due(now=NOW, lease=60, limit=10)

    assert [(claim.key, claim.failures) for claim in claims] == [("s:leased", 1), ("s:ready", 0), ("s:retry", 0)]
    assert await store.next_due(now=NOW) == NOW + 60


async def test_next_due_sees_one_of_the_future_when_others_are_of_the_present(store: Store) -> None:
    """One retry or lease that the earlier clock left behind is not hidden by those of the clock of now."""
    await store.accept([item(f"s:{number}") for number in range(3)])
    for key, due in (("s:0", NOW + 50), ("s:1", LATER), ("s:2", NOW + 70)):
        await store.settle(await claimed(store, key), ended("waiting", due=due))
    assert await store.next_due(now=NOW) == NOW
    (found,) = await store.claim_due(now=NOW, lease=60, limit=10)
    assert found.key == "s:1"
    assert await store.next_due(now=NOW) == NOW + 50

    await store.accept([item("s:3")])
    await claimed(store, "s:3", now=LATER)
    assert await store.next_due(now=NOW) == NOW


async def test_claim_takes_one_when_clock_is_set_back(store: Store) -> None:
    """A single event that is asked for by its key is due, too."""
    await store.accept([item("s:leased"), item("s:retry")])
    await claimed(store, "s:leased", now=LATER)
    await store.settle(await claimed(store, "s:retry"), ended("waiting", due=LATER))

    assert (await claimed(store, "s:leased")).failures == 1
    assert (await claimed(store, "s:retry")).failures == 0


async def test_pause_is_over_when_clock_is_set_back(store: Store) -> None:
    """A lane that was paused, and probed, by a clock a year ahead is half open, for those who read its pause too."""
    await store.pause("main", until=LATER, reason="x")
    await store.probe("main", now=LATER, hold=60)
    await wait_for_lane(store, "s:1", "s:2")

    assert await store.next_due(now=NOW) == NOW
    (probe,) = await store.claim_due(now=NOW, lease=60, limit=10)

    assert (probe.key, probe.lane) == ("s:1", "main")
    assert [pause.until for pause in await store.paused(["main"])] == [NOW]
    assert await store.next_due(now=NOW) == NOW + 60


async def test_probe_is_given_when_clock_is_set_back(store: Store) -> None:
    """Neither a pause nor a held probe of next year keeps a caller from probing now."""
    await store.pause("main", until=LATER, reason="x")
    assert await store.probe("main", now=NOW, hold=60) is True
    await store.pause("main", until=NOW, reason="x")
    await store.probe("main", now=LATER, hold=60)

    assert await store.probe("main", now=NOW, hold=60) is True


async def test_nothing_is_early_when_it_is_the_longest_there_is(store: Store) -> None:
    """The longest wait, pause and lease are kept to, by a clock that was set back by a little as well."""
    await store.pause("main", until=NOW + LONGEST_PAUSE, reason="x")
    await wait_for_lane(store, "s:lane")
    await store.accept([item("s:wait"), item("s:lease")])
    await store.settle(await claimed(store, "s:wait"), ended("waiting", due=NOW + LONGEST_WAIT))
    lease = await claimed(store, "s:lease", lease=10 * LONGEST_LEASE)

    assert lease.leased_until == NOW + LONGEST_LEASE
    assert await store.next_due(now=NOW) == NOW + LONGEST_LEASE
    assert await store.claim_due(now=NOW, lease=1, limit=10) == []
    assert await store.settle(lease, ended()) is True


async def test_lease_is_kept_when_another_process_reads_its_clock_first_and_comes_second(store: Store) -> None:
    """A moment less on the clock, or a shorter lease of his own, does not let one worker take another's event."""
    await store.accept([item()])
    claim = await claimed(store, now=NOW + 0.5, lease=90)

    assert await store.claim_due(now=NOW, lease=60, limit=10) == []
    assert await store.claim("s:1", now=NOW, lease=60) is None
    assert await store.settle(claim, ended()) is True


def test_limits_are_beyond_all_that_is_planned() -> None:
    """No retry, pause, lease or hold is long enough to be taken for one of a clock that was set back."""
    assert max(retry.SCHEDULE) * (1 + retry.JITTER) <= LONGEST_WAIT
    overloaded = LimitReached("x", portal="main", method="m")
    overloaded.code = "OVERLOAD_LIMIT"
    assert pause_length(overloaded, failures=99, now=NOW, operating_reset_at=None, random=1) <= LONGEST_PAUSE
    assert max(pipeline.LEASE, PROBE_HOLD) < LONGEST_LEASE


# Giving back


async def test_give_back_makes_due_when_holder_stops(store: Store) -> None:
    """A lease that is given back leaves the event due at once, one attempt on and no failure nearer to dead."""
    await store.accept([item()])
    reached = (Outcome(rule="r", result="ensured", attempt=1),)
    await store.settle(await claimed(store), ended("waiting", due=NOW + 5, failed=True, reason="x", outcomes=reached))

    assert await store.give_back(await claimed(store, now=NOW + 5)) is True

    assert await store.next_due(now=NOW + 5) == NOW + 5
    (claim,) = await store.claim_due(now=NOW + 5, lease=60, limit=10)
    assert (claim.attempt, claim.failures, claim.outcomes) == (3, 1, reached)
    stored = await store.get("s:1")
    assert stored is not None
    assert stored.history[1] == Attempt(2, NOW + 5, None, "given back", "", ())


async def test_give_back_is_refused_when_lease_is_no_longer_the_claims(store: Store) -> None:
    """Who lost his lease, or ended his attempt, has nothing to give back; nor does anybody twice."""
    await store.accept([item()])
    first = await claimed(store)
    second = await claimed(store, now=NOW + 60)

    assert await store.give_back(first) is False
    assert await store.give_back(second) is True
    assert await store.give_back(second) is False
    third = await claimed(store)
    await store.settle(third, ended())
    assert await store.give_back(third) is False

    stored = await store.get("s:1")
    assert stored is not None
    assert (stored.state, [attempt.result for attempt in stored.history]) == ("done", ["lost", "given back", "done"])


async def test_settle_is_refused_when_lease_was_given_back(store: Store) -> None:
    """What was given back is no longer its holder's to end."""
    await store.accept([item()])
    claim = await claimed(store)
    await store.give_back(claim)

    assert await store.settle(claim, ended()) is False


async def test_give_back_lets_lane_be_probed_again_when_it_was_a_probe(store: Store) -> None:
    """The event of a half-open lane goes back into its lane, and is the next to be let through."""
    await store.pause("main", until=NOW, reason="x")
    await wait_for_lane(store, "s:1", "s:2")
    (probe,) = await store.claim_due(now=NOW, lease=60, limit=10)

    await store.give_back(probe)

    assert [(claim.key, claim.lane) for claim in await store.claim_due(now=NOW, lease=60, limit=10)] == [
        ("s:1", "main")
    ]


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
    assert [found.reason for found in (await store.list(type="call.missed")).events] == ["", stored.reason]


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


async def test_list_filters_when_state_source_or_type_is_given(store: Store) -> None:
    """Filters may be combined; each keeps only what matches exactly."""
    await store.accept(
        [
            item("s:1", source="a", type="call.missed"),
            item("s:2", source="a", type="call.answered"),
            item("s:3", source="b", type="call.missed"),
        ]
    )
    await store.settle(await claimed(store, "s:1"), ended("dead"))

    async def keys(**filters: Any) -> list[str]:
        return [stored.key for stored in (await store.list(**filters)).events]

    assert await keys(state="waiting") == ["s:3", "s:2"]
    assert await keys(source="a") == ["s:2", "s:1"]
    assert await keys(type="call.missed") == ["s:3", "s:1"]
    assert await keys(state="dead", source="a", type="call.missed") == ["s:1"]
    assert await keys(state="dead", source="b") == []
    assert await keys(source="a", type="call.missed", before=(NOW, "s:1")) == []


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
    """An event that was leased when its process ended is due at once after the restart, one failure on."""
    await store.accept([item()])
    old = await claimed(store, lease=10_000)

    await store.close()
    await store.open()

    (claim,) = await store.claim_due(now=NOW, lease=60, limit=10)
    assert (claim.attempt, claim.failures) == (2, 1)
    assert await store.settle(old, ended()) is False
    stored = await store.get("s:1")
    assert stored is not None
    assert [attempt.result for attempt in stored.history] == ["lost", "working"]
