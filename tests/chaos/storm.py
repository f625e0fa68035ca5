"""The storm: rounds of stories, blows and faults, the calm after them, and the audit. All by one number."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from badge_bridge.plural import counted
from chaos.afterwards import Afterwards
from chaos.audit import audit, audit_dead
from chaos.blows import BLOWS, KILLS, REFUSALS, Blows
from chaos.books import Store
from chaos.deliveries import KEPT
from chaos.load import ONCE, Load
from chaos.portal import DOUBTFUL, LATEST, RACE
from chaos.progress import Say, nothing
from chaos.report import Report
from chaos.stories import KINDS, Story, stories
from chaos.watch import Watch
from chaos.world import World
from support.programs import until

__all__ = ["FEW", "QUICK", "SHORT", "Length", "Storm"]

EACH = 33
"""Stories in a round."""
SOME = 20
"""Requests among which something is struck that is ordered for a round."""
ORDERED = 4
"""Kinds of faults that are ordered for a round besides those that strike by chance."""
DOUBTS = 3
"""Adds in a round whose end nobody is to know."""
SPREAD = 0.5
"""Seconds over which those stories begin that are told around a blow."""

MINUTE = 56.0
"""Seconds that pass in a round while the portal may still be at work on what it was asked; it ends that within 60."""
MINUTES = (180.0, 700.0, 2400.0)
"""That pass afterwards, in seconds, so that pauses and first retries come to their time."""
LOOK = 1.1
"""Seconds within which the bridge sees what is due by then."""
LONG = (30.0, 200.0, 1000.0, 4000.0, 9000.0, 22000.0, 45000.0)
"""Seconds that pass again and again until nothing is left to do: the longest wait is of half a day."""
PATIENCE = 60
"""How many of these."""
SOON = 20
"""Tenths of a second within which an add comes, where nothing keeps it."""
QUIET = 20
"""Looks, before that much time passes, whether the portal is asked nothing."""


@dataclass(frozen=True, slots=True)
class Length:
    """So many rounds with so many blows in each, of these `kinds`, and `each` so many stories; up to `extra` more rounds
    until every fault has struck. Without `weeks` it is over when every event has ended, and nothing is to go.
    """

    rounds: int
    blows: int = 3
    extra: int = 25
    kinds: Sequence[str] = BLOWS
    each: int = EACH
    weeks: bool = True


SHORT = Length(rounds=1, blows=len(BLOWS), extra=0)
"""Every blow falls once."""
QUICK = Length(rounds=1, blows=2, extra=0, kinds=(KILLS, REFUSALS), each=len(KINDS), weeks=False)
"""A kill and a disk that refuses, among a story of each kind: what takes many processes to start takes its time."""
FEW = Length(rounds=6, extra=0)
"""Enough for a build that is broken."""


class Storm:
    """One run in `world`. The seed decides what happens in it; when it meets what is left to the machine."""

    def __init__(self, world: World, length: Length, *, seed: int, say: Say = nothing) -> None:
        self._world = world
        self._say = say
        self._length = length
        self._sandbox = world.sandbox
        self._random = Random(f"storm {seed}")  # noqa: S311 - repeatable, not secret
        *self._stories, self._afterwards = stories(seed, length.rounds + length.extra + 1, each=length.each)
        self._load = Load(world.url, world.clocks.wall)
        self._blows = Blows(world, self._random, length.kinds, refused=lambda: self._load.sent.statuses[503])
        self._watch = Watch(world.read, world.clocks.steady, KEPT)
        self._wrong: list[str] = []
        self._struck: Counter[str] = Counter()
        self._kinds: list[str] = []
        self._to_strike: list[str] = []

    async def run(self) -> Report:
        """All rounds, the calm after them, and the audit."""
        told = [*self._stories, self._afterwards]
        self._sandbox.fill([story.calls[0].customer for turn in told for story in turn])
        self._kinds = self._sandbox.kinds()
        others = [kind for kind in self._kinds if kind not in (*DOUBTFUL, RACE)]
        self._to_strike = [RACE, *self._random.sample(others, len(others))]
        self._world.start()
        self._world.wait()
        with self._watch:
            self._install()
            turn = 0
            while turn < self._length.rounds or (turn < len(self._stories) and self._missing()):
                await self._round(self._stories[turn])
                turn += 1
                self._tell_how_far(turn)
            self._world.counts["rounds"] = turn
            self._say(turn, turn, "the rounds are over; what they left has to end")
            await self._end_well()
            if self._length.weeks:
                self._say(turn, turn, "all has ended; now weeks pass")
                await self._let_go()
            self._watch.look()
        await self._load.aclose()
        return self._report()

    async def _round(self, told: Sequence[Story]) -> None:
        self._order()
        self._sandbox.strike_by_chance()
        began = float(int(self._world.clocks.wall())) - 600
        begun = [story.beginning(began) for story in told]
        blows = self._blows.deal(self._length.blows)
        telling = []
        parts = len(blows) + 1
        for number, blow in enumerate(blows):
            telling += [asyncio.create_task(self._tell(story)) for story in begun[number::parts]]
            await self._blows.strike(blow)  # before any of them begins
            await self._let_pass(MINUTE / parts)
        self._sandbox.calm()
        self._sandbox.order_late()
        telling += [asyncio.create_task(self._tell(story)) for story in begun[len(blows) :: parts]]
        await self._until_struck()
        await self._let_pass(MINUTE / parts)
        await asyncio.gather(*telling)
        self._sandbox.hold_nothing()
        await asyncio.sleep(LATEST)
        for seconds in MINUTES:
            await self._until_quiet()
            await self._let_pass(seconds)
        await asyncio.gather(*(self._load.tell(story.rest) for story in begun))
        self._install()
        self._sandbox.read_log()

    def _tell_how_far(self, turn: int) -> None:
        sent, missing = self._load.sent, len(self._missing())
        wanted, most = self._length.rounds, len(self._stories)
        self._say(
            turn,
            max(turn, most if missing and turn >= wanted else wanted),
            f"round {turn} of {wanted if turn <= wanted else f'at most {most}'}:"
            f" {counted(len(sent.begun), 'call')} told of,"
            f" {counted(self._world.counts['starts'] - 1, 'kill')},"
            f" {counted(sent.statuses[503], 'delivery', 'deliveries')} answered 503,"
            f" {missing} of {len(self._kinds)} faults have not struck yet",
        )

    async def _tell(self, story: Story) -> None:
        await asyncio.sleep(self._random.uniform(0.05, SPREAD))
        await self._load.tell(story)

    async def _until_struck(self) -> None:
        """An add is late, where one comes; the bridge looks for it while the portal is still at work."""
        for _ in range(SOON):
            await asyncio.sleep(0.1)
            if not self._sandbox.pending():
                return

    def _order(self) -> None:
        """Let some of the faults strike that have not yet; some adds be in doubt; and something at the next renewal of
        the tokens.
        """
        ordered, self._to_strike = self._to_strike[:ORDERED], self._to_strike[ORDERED:]
        for kind in ordered or set(self._missing()) - self._sandbox.pending():
            self._sandbox.order(kind)
        self._sandbox.order_doubts(DOUBTS)
        self._sandbox.order_on_tokens()
        self._sandbox.order("expired_token", method="*", after=self._random.randrange(SOME))

    def _missing(self) -> list[str]:
        """Faults that have not struck yet."""
        struck = self._sandbox.struck()
        return [kind for kind in self._kinds if not struck[kind]]

    async def _let_pass(self, seconds: float) -> None:
        """For the portal as for the bridge."""
        self._world.clocks.let_pass(seconds)
        await asyncio.sleep(LOOK)

    async def _until_quiet(self) -> None:
        """No attempt is under way that would last for minutes then: a real one ends after 75 s, and its request after 60."""
        for _ in range(QUIET):
            await asyncio.sleep(0.3)
            if self._sandbox.is_quiet():
                return

    def _install(self) -> None:
        """As an operator does whose application is let in no more, since a token was lost with the process."""
        self._world.counts["installations"] += any(self._sandbox.install(self._world.portal_url) for _ in range(5))

    # The calm

    async def _end_well(self) -> None:
        self._struck = self._sandbox.struck()
        self._sandbox.calm()
        await asyncio.sleep(LATEST)
        self._install()
        dead = (await self._until_ended()).dead()
        self._wrong += audit_dead(dead, self._struck)
        if dead:
            keys = [event.key for event in dead]
            self._watch.may_begin_anew |= set(keys)
            await asyncio.to_thread(self._world.redrive, keys)
            self._world.counts["dead events that an operator tried again"] = len(keys)
        for event in (await self._until_ended()).open():
            self._wrong.append(f"not ended: {event.key} is {event.state} after {event.attempts} attempts")

    async def _let_go(self) -> None:
        """What may go, goes, and nothing else; then all that was left open ends."""

        async def end() -> Store:
            self._install()
            return await self._until_ended()

        async def read() -> Store:
            return await asyncio.to_thread(self._read)

        afterwards = Afterwards(self._world, self._load, self._watch, self._random, read=read, end=end)
        waiting = [story for story in self._afterwards if _waits(story)]
        await afterwards.run(waiting, self._let_weeks_pass)
        self._wrong += afterwards.wrong

    async def _let_weeks_pass(self, seconds: float) -> None:
        await self._until_quiet()
        await self._let_pass(seconds)

    async def _until_ended(self) -> Store:
        """The store when nothing is open any more, or patience is."""
        for turn in range(PATIENCE):
            for _ in range(4):
                await asyncio.sleep(0.35)
                store = await asyncio.to_thread(self._read)
                if not store.open():
                    return store
            await self._until_quiet()
            self._world.clocks.let_pass(LONG[turn % len(LONG)])
        return store

    def _read(self) -> Store:
        store = until(self._world.read, what="the store to be read")
        assert store is not None
        return store

    def _report(self) -> Report:
        store = self._watch.whole(self._read())
        self._sandbox.read_log()
        activities = self._sandbox.activities()
        return Report.of(
            sent=self._load.sent,
            store=store,
            activities=activities,
            counts=self._world.counts,
            struck=self._struck,
            kinds=self._kinds,
            lookups=self._sandbox.lookups,
            requests=self._sandbox.requests,
            looks=self._watch.looks,
            wrong=[*self._wrong, *self._watch.wrong, *audit(self._load.sent, store, activities)],
        )


def _waits(story: Story) -> bool:
    """Whether it is one call that is heard in the end, of somebody whom the portal knows."""
    (call, *more) = story.calls
    return not (more or story.later or call.forgery or call.source == ONCE) and call.customer.deal is not None
