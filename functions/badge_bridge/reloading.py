"""Other rules without a restart: the bridge of now, and another one that takes its place.

A bridge is made of one rules file and never changes. So a reload opens a second one over the same store, beside the
first, and swaps the two in one assignment: whoever has the old one in hand, a delivery whose body still arrives or an
attempt that has begun, ends with it, and nobody ever sees half of each. Rules that are no good never get that far. What
the two have in common is handed on (`bridge.Lasting`, and in `Access` the portals whose entry is the same).

The store allows for it, since it has to allow for two processes: whatever the old worker has leased is its own, and
what nobody has leased is claimed by the new one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from badge_bridge.accepting import Accepting
from badge_bridge.body_budget import BodyBudget
from badge_bridge.bridge import Bridge, open_bridge
from badge_bridge.dispatch.local import LocalWorker
from badge_bridge.errors import BridgeError, Finding, RulesError, StoreUnavailable
from badge_bridge.meters import Meters
from badge_bridge.observability.reload_line import log_reloaded, log_unchanged
from badge_bridge.observability.start_line import log_rules_refused
from badge_bridge.pipeline import LEASE
from badge_bridge.plural import counted
from badge_bridge.portal import Portal
from badge_bridge.portal.oauth import Installer
from badge_bridge.rules_watch import RulesWatch
from badge_bridge.rulesfile import RulesFile
from badge_bridge.rulesfile.differences import differences
from badge_bridge.store.protocol import Store

__all__ = ["EVERY", "LiveBridge", "NotReloaded", "open_live"]

logger = logging.getLogger("badge_bridge.serve")

EVERY = 1.0
"""Seconds between looks at the file."""


@dataclass(frozen=True, slots=True)
class NotReloaded:
    """Why the rules of before are still in use: `findings` are the mistakes of the file, and none where something else
    went wrong; `at` is when that was found, in unix seconds.
    """

    at: float
    reason: str
    findings: tuple[Finding, ...] = ()

    @property
    def said(self) -> Sequence[str]:
        """Each mistake with its place, or the reason."""
        return [str(finding) for finding in self.findings] or [self.reason]


class LiveBridge:
    """The bridge of now. What it has is read anew each time, and not kept by who reads it.

    `load` reads and checks the rules; `swapped` is called with each bridge that has taken the place of another one,
    `mask` with the secrets of the rules before anything is done with them; `given` is for `open_bridge`.
    """

    def __init__(
        self,
        store: Store,
        *,
        load: Callable[[], Awaitable[RulesFile]],
        mask: Callable[[Collection[str]], None],
        swapped: Callable[[Bridge], None],
        given: Mapping[str, Any],
    ) -> None:
        self.store = store
        self.not_reloaded: NotReloaded | None = None
        """Set while the file is no good, or cannot be read."""
        self._load = load
        self._mask = mask
        self._swapped = swapped
        self._given = given
        self._now: Bridge | None = None
        self._stack = AsyncExitStack()
        self._reloading = asyncio.Lock()
        self._retiring: dict[asyncio.Task[None], Bridge] = {}

    @property
    def now(self) -> Bridge:
        assert self._now is not None, "it is open"
        return self._now

    @property
    def rules(self) -> RulesFile:
        return self.now.rules

    @property
    def portals(self) -> Mapping[str, Portal]:
        return self.now.portals

    @property
    def installers(self) -> Mapping[str, Installer]:
        return self.now.installers

    @property
    def accepting(self) -> Accepting:
        return self.now.accepting

    @property
    def worker(self) -> LocalWorker:
        return self.now.worker

    @property
    def bodies(self) -> BodyBudget:
        return self.now.bodies

    @property
    def meters(self) -> Meters:
        return self.now.meters

    @property
    def clock(self) -> Callable[[], float]:
        return self.now.clock

    async def open(self, rules: RulesFile) -> None:
        """Begin with these rules; raises as `open_bridge`."""
        await self._take_over(rules)

    async def aclose(self) -> None:
        """Close all, the bridges that are not done yet in the time that a stopping worker has."""
        bridges = [*self._retiring.values(), *([self._now] if self._now else [])]
        await asyncio.gather(*(bridge.worker.stop() for bridge in bridges))
        await asyncio.gather(*self._retiring)
        await self._stack.aclose()

    async def follow(self, watch: RulesWatch | None, asked: asyncio.Event, *, every: float = EVERY) -> None:
        """Reload when `asked` is set, and where there is a `watch`, when the file has changed; for ever."""
        while True:
            try:
                async with asyncio.timeout(every):
                    await asked.wait()
            except TimeoutError:
                # In a thread: the file may be on a network's disk.
                if watch is not None and await asyncio.to_thread(watch.has_changed):
                    await self.reload(asked=False)
            else:
                asked.clear()
                await self.reload()

    async def reload(self, *, asked: bool = True) -> None:
        """Read the rules again, and use them where they are fine. Raises nothing of ours: the log has it, `meters`
        count it and `not_reloaded` keeps it. What nobody has `asked` for is not told of where nothing has changed.
        """
        async with self._reloading:
            try:
                result = await self._reloaded(asked=asked)
            except BridgeError as error:
                result = self._keep(error)
            except Exception as error:
                # What was not foreseen here must end neither the deliveries nor the looks at the file.
                logger.exception("reloading the rules failed unexpectedly")
                result = self._keep(BridgeError(f"{type(error).__name__}, which was not foreseen"))
            if asked or result != "unchanged":
                self.meters.reloads.add(result)

    async def _reloaded(self, *, asked: bool) -> str:
        before = self.rules
        rules = await self._load()
        told = {caution.message for caution in before.cautions}
        self._mask(rules.secrets)
        changed = differences(before, rules)
        if rules.hash == before.hash and not changed:
            if asked or self.not_reloaded is not None:
                log_unchanged(rules.filename, rules=rules.hash)
            self.not_reloaded = None
            return "unchanged"
        await self._take_over(rules)
        self.not_reloaded = None
        log_reloaded(rules.filename, before=before.hash, rules=rules.hash, said=str(changed), fields=changed.fields)
        for caution in rules.cautions:
            if caution.message not in told:
                logger.warning("%s", caution)
        self._swapped(self.now)
        return "reloaded"

    def _keep(self, error: BridgeError) -> str:
        rules = self.rules
        findings = tuple(error.findings) if isinstance(error, RulesError) else ()
        reason = counted(len(findings), "mistake") if findings else str(error)
        self.not_reloaded = NotReloaded(self.clock(), reason, findings)
        log_rules_refused(
            f"{rules.filename} was not taken up, the rules of before ({rules.hash}) stay in use; mend what "
            f"`badge-bridge check {rules.filename}` shows",
            error,
        )
        return "refused"

    async def _take_over(self, rules: RulesFile) -> None:
        before, stack = self._now, self._stack
        async with AsyncExitStack() as opening:
            after = await opening.enter_async_context(
                open_bridge(rules, self.store, **self._given, at_work=False, wake=self._wake, before=before)
            )
            await after.pipeline.archive.keep(rules)
            if before is not None:
                # These are for one at a time; the worker goes on until the next one has begun.
                await before.work.leave_off()
            self._stack = opening.pop_all()
        self._now = after
        after.work.begin()
        if before is not None:
            retiring = asyncio.create_task(
                self._retire(before, stack), name="end what was begun by the rules of before"
            )
            self._retiring[retiring] = before
            retiring.add_done_callback(self._retiring.pop)

    async def _retire(self, bridge: Bridge, stack: AsyncExitStack) -> None:
        """Let what was begun end, which no lease outlasts, and close what the next one does not use."""
        await bridge.worker.stop(LEASE)
        await stack.aclose()
        for name, portal in self.portals.items():
            if bridge.portals.get(name) is not portal:
                try:
                    # The last attempts may have paused it for the credential of before.
                    await portal.start()
                except StoreUnavailable as error:
                    logger.warning("portal %s: whether it is paused cannot be read now: %s", name, error)

    async def _wake(self, keys: Sequence[str]) -> None:
        """Whoever was asked for the rules of before: it is the worker of now that has time."""
        await self.worker.wake(keys)


@asynccontextmanager
async def open_live(
    rules: RulesFile,
    store: Store,
    *,
    load: Callable[[], Awaitable[RulesFile]],
    mask: Callable[[Collection[str]], None] = lambda secrets: None,  # noqa: ARG005 - nobody logs
    swapped: Callable[[Bridge], None] = lambda bridge: None,  # noqa: ARG005 - nobody minds
    **given: Any,
) -> AsyncIterator[LiveBridge]:
    """A bridge at work that can be given other rules; parameters are those of `LiveBridge` and of `open_bridge`.

    Raises:
        SettingsError, StoreUnavailable: as `open_bridge`.
    """
    live = LiveBridge(store, load=load, mask=mask, swapped=swapped, given=given)
    try:
        await live.open(rules)
        yield live
    finally:
        await live.aclose()
