"""Comparing the portal's badges with the rules file, and changing them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from badge_bridge.errors import CallRefused, LimitReached, OutcomeUnknown, PortalPaused
from badge_bridge.portal import Badge, Difference
from badge_bridge.portal.badges import parameters
from badge_bridge.portal.sync import OURS, Done, Plan, Sync, list_badges, plan
from badge_bridge.rulesfile.references import CODE_PREFIX
from support.badge_registry import ADD, DELETE, GET, LIST, BadgeRegistry, denied, refused, unknown

MISSED = Badge("bb_missed", {"en": "Call", "de": "Anruf"}, {"en": "Missed", "de": "Verpasst"}, "failure")
OLD = Badge("bb_missed", "Call", "Unanswered", "failure")
PAID = Badge("bb_paid", "Order", "Paid", "success")


def registry(*badges: Badge) -> BadgeRegistry:
    return BadgeRegistry(*(parameters(badge) for badge in badges))


class Waiting:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def waiting() -> Waiting:
    return Waiting()


async def carried_out(
    portal: BadgeRegistry, wanted: Sequence[Badge], waiting: Waiting | None = None, **wishes: bool
) -> list[Done]:
    """What comes of the present plan."""
    waiting = waiting or Waiting()
    todo = plan(wanted, await list_badges(portal))
    portal.sent.clear()
    sync = Sync(portal, clock=waiting.clock, sleep=waiting.sleep)
    return [done async for done in sync.carry_out(todo, **wishes)]


def paused(cause: Exception | None, *, until: float) -> PortalPaused:
    pause = PortalPaused("portal main: it waits", portal="main", method=ADD, lane="main", until=until)
    pause.__cause__ = cause
    return pause


def test_plan_sorts_badges_into_missing_different_unused_and_same() -> None:
    """Each badge is in the one list that it belongs to, and a foreign one in none."""
    gone, foreign = Badge("bb_gone", "x", "y", "primary"), Badge("other", "x", "y", "primary")
    late = Badge("late", "x", "y", "warning")
    found = plan([MISSED, PAID, late], [OLD, PAID, gone, foreign])
    assert found.missing == (late,)
    assert [(one.wanted, one.found) for one in found.different] == [(MISSED, OLD)]
    assert found.different[0].differences == (Difference("value", MISSED.value, "Unanswered"),)
    assert found.unused == (gone,)
    assert found.same == ("bb_paid",)
    assert not found.is_settled


def test_plan_keeps_a_badge_of_the_file_that_no_rule_uses_here() -> None:
    """A code that the file has is never unused, even where nothing wants it in this portal."""
    assert plan([], [PAID], keep={"bb_paid"}) == Plan((), (), (), ())
    assert plan([], [PAID]).unused == (PAID,)


def test_plan_takes_a_resolved_text_for_the_same_as_its_languages() -> None:
    """A portal that answers with the one text its user reads has no other badge."""
    assert plan([MISSED], [Badge("bb_missed", "Anruf", "Verpasst", "failure")]).is_settled


def test_prefix_is_the_one_that_the_rules_file_gives() -> None:
    """What counts as ours is what a badge without a code of its own is called."""
    assert OURS == CODE_PREFIX


@pytest.mark.parametrize("nothing", [{"badges": []}, {"badges": {}}, {"badges": None}, [], None])
async def test_list_is_empty_however_the_portal_says_nothing(nothing: object) -> None:
    """PHP's ways of saying nothing are an empty registry."""
    portal = registry(PAID)
    portal.carry_out = lambda method, params: nothing  # type: ignore[method-assign]
    assert await list_badges(portal) == ()


@pytest.mark.parametrize("rows", ["numbered", "list"])
async def test_list_reads_rows_as_a_list_or_an_object(rows: str) -> None:
    """An array with gaps comes as an object with numbers for keys."""
    portal = registry(PAID)
    row = parameters(PAID)
    portal.instead[LIST] = [lambda _: {"badges": {"3": row} if rows == "numbered" else [row]}]
    assert await list_badges(portal) == (PAID,)


async def test_list_is_refused_when_the_answer_holds_none() -> None:
    """A text instead of badges does not read as an empty registry, for which everything would be missing."""
    portal = registry()
    portal.instead[LIST] = [lambda _: {"badges": "none"}]
    with pytest.raises(OutcomeUnknown, match="without a list of badges"):
        await list_badges(portal)


async def test_nothing_is_changed_when_nothing_is_asked_for() -> None:
    """A plan without a wish sends nothing."""
    portal = registry(OLD)
    assert await carried_out(portal, [MISSED, PAID]) == []
    assert portal.sent == []


async def test_each_wish_does_its_part_alone() -> None:
    """Adding leaves what differs and what is unused, replacing and pruning leave the rest."""
    gone = Badge("bb_gone", "x", "y", "primary")
    portal = registry(OLD, gone)
    assert await carried_out(portal, [MISSED, PAID], add=True) == [Done("bb_paid", "add", done=True)]
    assert await carried_out(portal, [MISSED, PAID], replace=True) == [Done("bb_missed", "replace", done=True)]
    assert portal.sent == [(DELETE, {"code": "bb_missed"}), (ADD, parameters(MISSED))]
    assert await carried_out(portal, [MISSED, PAID], prune=True) == [Done("bb_gone", "delete", done=True)]
    assert plan([MISSED, PAID], await list_badges(portal)).is_settled


async def test_the_others_have_their_turn_when_one_is_refused() -> None:
    """A refusal is told with its badge and stops nothing."""
    portal = registry()
    portal.instead[ADD] = [denied(ADD)]
    first, second = await carried_out(portal, [MISSED, PAID], add=True)
    assert (first.code, first.done) == ("bb_missed", False)
    assert "Ask the administrator." in first.told
    assert second == Done("bb_paid", "add", done=True)


@pytest.mark.parametrize("method", [ADD, DELETE])
async def test_a_lost_answer_is_looked_up(method: str) -> None:
    """What was carried out counts as done although its answer got lost."""
    portal = registry() if method == ADD else registry(PAID)
    portal.but_lost(method)
    wanted = [PAID] if method == ADD else []
    (done,) = await carried_out(portal, wanted, add=True, prune=True)
    assert done.done
    assert portal.asked() == [method.rsplit(".", 1)[1], "get"]


async def test_an_add_is_done_when_somebody_else_was_quicker() -> None:
    """A code that is taken by the time of the add is not a failure."""
    portal = registry()

    def overtaken(params: Any) -> None:
        portal.badges["bb_paid"] = dict(params)
        raise refused(ADD)

    portal.instead[ADD] = [overtaken]
    assert await carried_out(portal, [PAID], add=True) == [
        Done("bb_paid", "add", done=True, told="somebody else was quicker")
    ]


async def test_a_delete_is_done_when_the_badge_is_gone_already() -> None:
    """NOT_FOUND is what was wanted."""
    portal = registry(PAID)

    def overtaken(_: Any) -> None:
        del portal.badges["bb_paid"]

    portal.instead[DELETE] = [overtaken]
    assert await carried_out(portal, [], prune=True) == [
        Done("bb_paid", "delete", done=True, told="it was gone already")
    ]


async def test_the_old_badge_stays_when_it_cannot_be_deleted() -> None:
    """A replacement whose delete is refused adds nothing."""
    portal = registry(OLD)
    portal.instead[DELETE] = [denied(DELETE)]
    (done,) = await carried_out(portal, [MISSED], replace=True)
    assert not done.done
    assert done.told.startswith("the old one stays")
    assert portal.asked() == ["delete"]
    assert portal.badges["bb_missed"] == parameters(OLD)


async def test_a_replacement_stops_when_nobody_knows_whether_the_old_one_is_deleted() -> None:
    """Neither the delete nor the look was answered: it says so, and how to see."""
    portal = registry(OLD)
    portal.instead = {DELETE: [unknown(DELETE)], GET: [unknown(GET)]}
    (done,) = await carried_out(portal, [MISSED], replace=True)
    assert not done.done
    assert "whether the old one was deleted is not known" in done.told
    assert portal.asked() == ["delete", "get"]


async def test_the_old_badge_is_put_back_when_the_new_one_is_refused() -> None:
    """A refused new badge costs nothing, and the reason is told."""
    portal = registry(OLD)
    portal.instead[ADD] = [refused(ADD, "WRONG_LANG")]
    (done,) = await carried_out(portal, [MISSED], replace=True)
    assert not done.done
    assert "the old one was put back" in done.told
    assert "WRONG_LANG" in done.told
    assert portal.badges["bb_missed"] == parameters(OLD)


async def test_a_badge_that_is_lost_is_told_loudly_with_what_it_was_and_how_to_repair_it() -> None:
    """Where neither the new nor the old badge can be added, the message has all that it takes to make it again."""
    portal = registry(OLD)
    portal.instead[ADD] = [denied(ADD), denied(ADD, "insufficient_scope")]
    (done,) = await carried_out(portal, [MISSED], replace=True)
    assert not done.done
    for said in (
        "THE PORTAL HAS NO BADGE bb_missed NOW",
        "insufficient_scope",
        "--portal main --apply",
        '"Unanswered"',
    ):
        assert said in done.told
    assert portal.badges == {}


async def test_a_replacement_says_to_look_when_the_new_one_may_be_there_after_all() -> None:
    """An add without an answer may have been carried out: putting the old one back then finds the code taken."""
    portal = registry(OLD)
    portal.but_lost(ADD)
    portal.instead[GET] = [unknown(GET)]
    (done,) = await carried_out(portal, [MISSED], replace=True)
    assert not done.done
    assert "see with `badge-bridge sync` which" in done.told
    assert portal.badges["bb_missed"] == parameters(MISSED)


async def test_a_short_rest_of_the_portal_is_waited_for(waiting: Waiting) -> None:
    """Between a delete and its add above all, the rate limit must not leave a hole."""
    portal = registry(OLD)
    limit = LimitReached("too many", portal="main", method=ADD, code="QUERY_LIMIT_EXCEEDED")
    portal.instead[ADD] = [paused(limit, until=waiting.now + 2), paused(None, until=waiting.now + 3)]
    assert await carried_out(portal, [MISSED], waiting, replace=True) == [Done("bb_missed", "replace", done=True)]
    assert waiting.slept == [2, 1]


@pytest.mark.parametrize(
    ("cause", "rest"),
    [(None, 60.0), (denied(ADD), 1.0)],
    ids=["too long", "a missing right"],
)
async def test_a_rest_is_not_waited_for_when_waiting_would_not_help(
    waiting: Waiting, cause: Exception | None, rest: float
) -> None:
    """Neither a long pause nor one that a refusal caused ends while somebody looks on."""
    portal = registry()
    portal.instead[ADD] = [paused(cause, until=waiting.now + rest)]
    (done,) = await carried_out(portal, [PAID], waiting, add=True)
    assert not done.done
    assert waiting.slept == []


async def test_a_portal_that_goes_on_resting_is_given_up(waiting: Waiting) -> None:
    """Waiting has an end."""
    portal = registry()
    portal.instead[ADD] = [paused(None, until=waiting.now + 1) for _ in range(10)]
    (done,) = await carried_out(portal, [PAID], waiting, add=True)
    assert not done.done
    assert portal.asked() == ["add"] * 5


async def replace_and_interrupt(portal: BadgeRegistry, todo: Plan, when: asyncio.Event, go_on: asyncio.Event) -> None:
    """Carry out a plan with replacements, which is cancelled at a moment, and only then let the portal go on."""
    waiting = Waiting()

    async def work() -> None:
        async for _ in Sync(portal, clock=waiting.clock, sleep=waiting.sleep).carry_out(todo, replace=True):
            pass

    task = asyncio.create_task(work())
    await when.wait()
    task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_replacement_is_finished_when_it_is_interrupted(caplog: pytest.LogCaptureFixture) -> None:
    """Ctrl-C between the delete and the add does not leave the portal without the badge."""
    portal = registry(OLD)
    deleted, go_on = asyncio.Event(), asyncio.Event()
    carry_out = portal.call

    async def slow(method: str, params: Any = None) -> Any:
        if method == ADD:
            deleted.set()
            await go_on.wait()
        return await carry_out(method, params)

    todo = plan([MISSED], await list_badges(portal))
    portal.call = slow  # type: ignore[method-assign]
    await replace_and_interrupt(portal, todo, deleted, go_on)
    assert portal.badges["bb_missed"] == parameters(MISSED)
    assert caplog.records == []


async def test_an_interrupted_replacement_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody is there to be told, so the log is."""
    portal = registry(OLD)
    todo = plan([MISSED], await list_badges(portal))
    arrived, go_on = asyncio.Event(), asyncio.Event()
    carry_out = portal.call

    async def slow(method: str, params: Any = None) -> Any:
        if method == ADD and not arrived.is_set():
            arrived.set()
            await go_on.wait()
            raise CallRefused("portal main: no", portal="main", method=ADD, code="WRONG_LANG")
        return await carry_out(method, params)

    portal.call = slow  # type: ignore[method-assign]
    await replace_and_interrupt(portal, todo, arrived, go_on)
    assert "the old one was put back" in caplog.text
    assert portal.badges["bb_missed"] == parameters(OLD)
