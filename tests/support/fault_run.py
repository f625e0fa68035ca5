"""Many events while the portal fails at random, and the books compared afterwards: used by a test and a benchmark."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx

from badge_bridge.outcomes import Outcome
from badge_bridge.portal import origin_of
from badge_bridge.sandbox.crm_seed import Activity
from badge_bridge.sandbox.faults import FaultOrder
from badge_bridge.sandbox.mixing import MixOrder
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.store.protocol import StoredEvent
from support.company import FIRST_ITEM, Company, Network, number_of, open_company, ours

__all__ = ["FAULTS", "LATEST_COMMIT", "RACE", "VARIANTS", "Books", "run_with_faults", "strike"]

FAULTS = (
    "timeout-after-commit",
    "drop-after-commit",
    "drop-before",
    "commit-late",
    "http-504",
    "http-500",
    "INTERNAL_SERVER_ERROR",
    "QUERY_LIMIT_EXCEEDED",
    "OVERLOAD_LIMIT",
    "OPERATION_TIME_LIMIT",
    "expired_token",
)
SHARE = 0.012
"""The share of requests that each of them strikes by chance, besides the once that is certain. With batches a request
is up to fifty commands, so an event meets many; with more, one would fail nine times in a row by chance, which makes it
dead, as it should."""
SHARE_ALONE = 0.006
"""The same where adds are sent alone: then there are several requests for each event instead of several events for each
request."""
WITHIN = 100
"""Requests within which each fault strikes for the first time; there are some hundred and fifty for 300 events."""

VARIANTS: tuple[Mapping[str, Any], ...] = (
    {"duplicate_code_error": ""},
    {"badge_texts": "resolved"},
    {"unknown_badge_code": "NOT_FOUND"},
    {"unknown_badge_code": "accepted"},
    {"partial_update": "refused"},
    {"completing_twice": "NOT_FOUND"},
    {"completing_twice": "WRONG_FIELD_VALUE"},
    {"configurable_in_batch": "refused"},
    {"tel_links": "refused"},
    {"origin_filter": "ignored"},
    {"origin_filter": "refused"},
    {"origin_filter": "refused", "origin_in_lists": "left-out"},
    {"contact_ids_filter": "refused"},
    {"system_errors": "all-401"},
    {"old_refresh_token": "lives"},
    {"auth_host": "oauth.bitrix.info"},
)
"""What the portal's documentation leaves open, one deviation from the sandbox's defaults at a time. Whether badges may
be registered through an inbound webhook matters to no application; `support.webhook_run` is about that."""

NEVER_ASKED = frozenset({"partial_update"})
"""What the bridge works with either way because it never asks for it: its updates are always whole."""

RACE = "race-add"
"""Somebody else registers the badge at the same time. It is ordered and not left to chance, since badges are rare."""

TOGETHER = 2
"""Calls that come at once, or a hundredth of all."""

ADD = "crm.activity.configurable.add"
ENOUGH = 4
"""Activities that are ended by hand at least."""

LATEST_COMMIT = 120.0
"""Seconds after which no call that was struck is carried out any more."""


@dataclass(frozen=True, slots=True)
class Books:
    """What is left when all events have ended.

    `missed` are the events of calls that came in vain, by customer; `returned` the customers who were called back;
    `states` counts how events ended. `activities` are all of ours in the portal, `by_hand` those that somebody has
    `completed` or `deleted` there. `struck` counts the faults, `met` how often an answer hung on a variant, `varied`
    are the variants that were not the sandbox's own. `registered` says whether the badge is in the portal, `installed`
    whether the tokens are still good.
    """

    missed: Mapping[int, StoredEvent]
    returned: frozenset[int]
    states: Counter[str]
    activities: Sequence[Activity]
    by_hand: Mapping[str, frozenset[int]]
    struck: Counter[str]
    met: Counter[str]
    varied: Collection[str]
    registered: bool
    installed: bool
    requests: int

    def mistakes(self) -> list[str]:
        """What is wrong, in words; nothing where each missed call has its one activity, and each returned no badge."""
        found = Counter(f"calls {wrong}" for customer in self.missed for wrong in self._wrong_with(customer))
        said = [f"{count} {what}" for what, count in found.items()]
        badly = {state: count for state, count in self.states.items() if state not in ("done", "ignored")}
        if badly:
            said.append(f"not all events ended well: {badly}")
        strangers = {one.origin_id for one in self.activities} - {_origin(event) for event in self.missed.values()}
        if strangers:
            said.append(f"{len(strangers)} activities belong to no missed call")
        if not self.registered:
            said.append("the badge is not registered")
        if not self.installed:
            said.append("the tokens are lost")
        return said

    def untried(self) -> list[str]:
        """What the run has not proved, since it never happened."""
        never = [f"{fault} never struck" for fault in (*FAULTS, RACE) if not self.struck[fault]]
        never += [f"nobody has {what} an activity by hand" for what, those in self.by_hand.items() if not those]
        for variant in self.varied:
            if bool(self.met[variant]) is (variant in NEVER_ASKED):
                never.append(f"{variant} was met {self.met[variant]} times")
        return never

    def _wrong_with(self, customer: int) -> list[str]:
        event = self.missed[customer]
        there = {one.id: one for one in self.activities if one.owner_id == FIRST_ITEM + customer}
        acts = [outcome for outcome in event.outcomes if outcome.role == "act"]
        wrong = [] if len(there) <= 1 else ["have more than one activity"]
        if any(one.origin_id != _origin(event) for one in there.values()):
            wrong.append("have another call's activity")
        if len(acts) != 1:
            return [*wrong, f"have {len(acts)} outcomes"]
        (act,) = acts
        if act.activity is None:
            # A call that was answered before its badge was on the card has none, and only such a call.
            good = act.result == "cleared" and customer in self.returned
            wrong += [] if good else [f"have no activity and are {act.result}"]
            return wrong + (["have an activity that nobody knows of"] if there else [])
        if act.result not in ("badged", "cleared"):
            wrong.append(f"have an activity and are {act.result}")
        mine = there.get(act.activity)
        if mine is None and act.activity not in self.by_hand["deleted"]:
            wrong.append("have lost their activity")
        if mine is not None and mine.completed is not (customer in self.returned):
            wrong.append("still have their badge" if customer in self.returned else "have lost their badge")
        return wrong


async def run_with_faults(events: int, *, variants: Mapping[str, Any] | None = None, seed: int = 7) -> Books:
    """Report so many missed calls, each of another customer, while faults strike, and wait until all have ended.

    Somebody deletes the badge three times in the portal just as an add arrives, and when it is to be registered again
    somebody else is quicker once. Every tenth customer is called back ten minutes later or more; by then a third
    of their activities was completed by hand and a third deleted, as far as they were there.
    """
    returned = frozenset(range(10, events + 1, 10))
    async with open_company(customers=events, variants=variants, network=_Meddling) as company:
        portal = company.portal
        alone = portal.records.variants.configurable_in_batch == "refused"
        strike(portal, FAULTS, share=SHARE_ALONE if alone else SHARE, seed=seed)
        clock = asyncio.get_running_loop()
        together = max(TOGETHER, events // 100)
        calls: dict[str, int] = {}
        for customer in range(1, events + 1):
            calls[await company.report(number_of(customer), at=clock.time())] = customer
            if customer % together == 0:
                await asyncio.sleep(30)  # a stream and not one burst, so that there are many requests to strike
        await asyncio.sleep(600)
        by_hand = await _end_by_hand(
            company, {call: one for call, one in calls.items() if one in returned and one % 30}
        )
        for customer in sorted(returned):
            await company.report(number_of(customer), "answered", at=clock.time())
        await company.ended(every=60)
        await asyncio.sleep(LATEST_COMMIT)
        ended = await company.events()
        return Books(
            missed={calls[event.event.id]: event for event in ended if event.event.id in calls},
            returned=returned,
            states=Counter(event.state for event in ended),
            activities=ours(portal),
            by_hand=by_hand,
            struck=Counter(portal.faults.struck),
            met=Counter(portal.records.met),
            varied=tuple(variants or ()),
            registered=bool(portal.records.badges),
            installed=await _still_let_in(company),
            requests=company.requests,
        )


class _Meddling(Network):
    """A network behind which somebody deletes all badges three times, just as a request with an add arrives.

    The bridge has made sure of the badge by then, and the add is about to be carried out.
    """

    def __init__(self, portal: SandboxPortal, latency: float) -> None:
        super().__init__(portal, latency)
        self._moments = [600.0, 1200.0, 1800.0]

    async def arrive(self, request: httpx.Request) -> httpx.Response:
        due = bool(self._moments) and asyncio.get_running_loop().time() >= self._moments[0]
        if due and ADD.encode() in request.url.path.encode() + await request.aread():
            self._moments.pop(0)
            self.portal.records.badges.clear()
        return await super().arrive(request)


def strike(portal: SandboxPortal, faults: Sequence[str], *, share: float, seed: int, within: int = WITHIN) -> None:
    """Let each of these faults strike once at a moment that chance chooses, and otherwise by its share."""
    portal.faults.mix(MixOrder(mix=dict.fromkeys(faults, share), seed=seed))
    moments = Random(seed)  # noqa: S311 - chance, no secret
    for fault in faults:
        portal.faults.add(FaultOrder(fault=fault, after=moments.randrange(within)))
    portal.faults.add(FaultOrder(method="crm.activity.badge.add", fault=RACE, after=1))


async def _end_by_hand(company: Company, calls: Mapping[str, int]) -> Mapping[str, frozenset[int]]:
    """Complete and delete by turns what these calls have on their cards, as soon as the bridge knows of some of it."""
    known: list[int] = []
    end = asyncio.get_running_loop().time() + 86400  # by then all have ended, well or not
    while len(known) < min(ENOUGH, len(calls)) and asyncio.get_running_loop().time() < end:
        acts = [_act(event) for event in await company.events() if event.event.id in calls]
        known = [act.activity for act in acts if act is not None and act.activity is not None]
        await asyncio.sleep(60)
    portal = company.portal
    completed, deleted = frozenset(known[::2]), frozenset(known[1::2])
    for number in completed:
        there = portal.records.crm.activities[number]
        portal.records.crm.put_activity(there.model_copy(update={"completed": True}))
    for number in deleted:
        portal.records.crm.drop_activity(number)
    return {"completed": completed, "deleted": deleted}


def _act(event: StoredEvent) -> Outcome | None:
    return next((outcome for outcome in event.outcomes if outcome.role == "act"), None)


def _origin(event: StoredEvent) -> str:
    return origin_of(event.key, "missed call")


async def _still_let_in(company: Company) -> bool:
    """Whether the tokens are still good for a call, once nothing strikes any more."""
    company.portal.faults.clear()
    profile = await company.bridge.portals["main"].client.call("profile")
    return bool(profile["ID"])
