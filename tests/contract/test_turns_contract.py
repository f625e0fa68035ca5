"""Who may work on an event, and what becomes of it: claims, leases, settlements and redriving."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from badge_bridge.outcomes import Exchange, Outcome
from badge_bridge.store.protocol import (
    Attempt,
    Redrive,
    Store,
)
from support.stores import NOW, claimed, ended, item, wait_for_lane

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
    """Simultaneous workers never get the same event, and what they leave because of each other the next look finds."""
    await store.accept([item(f"s:{number}") for number in range(50)])

    parts = await asyncio.gather(*(store.claim_due(now=NOW, lease=60, limit=7) for _ in range(10)))
    left = await store.claim_due(now=NOW, lease=60, limit=50)

    keys = [claim.key for part in (*parts, left) for claim in part]
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
    asked = (
        Exchange(
            method="crm.activity.badge.get", about="of bb_x", answer="NOT_FOUND", said="No badge.", milliseconds=12.5
        ),
    )
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


async def test_claim_tells_after_which_attempt_it_was_redriven(store: Store) -> None:
    """In each attempt from then on; one that has only waited was not."""
    await store.accept([item()])
    for attempt in (1, 2):
        claim = await claimed(store)
        assert (claim.attempt, claim.since) == (attempt, 0)
        await store.settle(claim, ended("waiting", due=NOW))
    await store.settle(await claimed(store), ended())
    assert await store.redrive("s:1", now=NOW)
    for attempt in (4, 5):
        claim = await claimed(store)
        assert (claim.attempt, claim.since) == (attempt, 3)
        await store.settle(claim, ended("waiting", due=NOW))


async def test_redriven_event_keeps_to_its_rules_until_it_is_redriven_again(store: Store) -> None:
    """Each attempt is told which rules file judges it, its retries too; the next redrive decides anew."""
    await store.accept([item()])
    first = await claimed(store)
    await store.settle(first, ended("dead", rules_hash="then"))

    await store.redrive("s:1", now=NOW + 2, rules="then")
    again = await claimed(store, now=NOW + 2)
    await store.settle(again, ended("waiting", due=NOW + 3, ended_at=NOW + 3, rules_hash="then"))
    retried = await claimed(store, now=NOW + 3)
    await store.settle(retried, ended("done", rules_hash="then"))

    assert [one.rules for one in (first, again, retried)] == ["", "then", "then"]
    stored = await store.get("s:1")
    (listed,) = (await store.list()).events
    assert stored is not None
    assert (stored.redriven_with, listed.redriven_with) == ("then", "then")
    await store.redrive("s:1", now=NOW + 4)
    assert (await claimed(store, now=NOW + 4)).rules == ""
    stored = await store.get("s:1")
    assert stored is not None
    assert stored.redriven_with == ""


async def test_redrive_is_told_with_the_attempt_that_it_followed(store: Store) -> None:
    """When, by which way and with which rules; the attempts after it know nothing of it."""
    await store.accept([item()])
    await store.settle(await claimed(store), ended("dead"))
    await store.redrive("s:1", now=NOW + 2, rules="then", by="console")
    await store.redrive("s:1", now=NOW + 3, by="command")
    await claimed(store, now=NOW + 4)
    stored = await store.get("s:1")
    assert stored is not None
    assert [one.redriven for one in stored.history] == [Redrive(NOW + 2, "console", "then"), None]


async def test_redrive_leaves_the_rules_when_event_has_not_ended(store: Store) -> None:
    """What is refused chooses nothing."""
    await store.accept([item()])
    assert await store.redrive("s:1", now=NOW, rules="then") is False
    assert (await claimed(store)).rules == ""


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
